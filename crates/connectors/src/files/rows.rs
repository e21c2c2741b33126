//! Rows of files as lines of one compressed file: of CSV if the columns are chosen, otherwise of JSON, whose rows may differ in their
//! columns.

use std::borrow::Cow;
use std::io::{self, Write};

use serde_json::{Map, Value};

use crate::answers::{PullLimits, Pulled};
use crate::error::ConnectorError;
use crate::output::{Counted, LEVEL};
use crate::query::Mapped;
use crate::rows::push_cell;

/// A compressed file of rows that is being written.
pub struct Sheet {
    encoder: zstd::Encoder<'static, Counted>,
    columns: Vec<Mapped>,
    key_column: String,
    limits: PullLimits,
    pub pulled: Pulled,
    line: Vec<u8>,
}

impl Sheet {
    /// Begins a file. Without columns, all of them are written.
    pub fn start(
        into: Box<dyn Write + Send>,
        columns: &[Mapped],
        key_column: &str,
        limits: PullLimits,
    ) -> Result<Self, ConnectorError> {
        let mut encoder = zstd::Encoder::new(Counted { into, bytes: 0 }, LEVEL).map_err(ConnectorError::Storage)?;
        encoder.include_checksum(true).map_err(ConnectorError::Storage)?;
        let (columns, key_column) = (columns.to_vec(), key_column.to_owned());
        let mut sheet = Self { encoder, columns, key_column, limits, pulled: Pulled::default(), line: Vec::new() };
        if !sheet.columns.is_empty() {
            for at in 0..sheet.columns.len() {
                push_cell(&mut sheet.line, at, Some(sheet.columns[at].named.as_bytes()));
            }
            sheet.end_line().map_err(ConnectorError::Storage)?;
        }
        Ok(sheet)
    }

    /// Returns the column without which a row is rejected.
    pub fn key_column(&self) -> &str {
        &self.key_column
    }

    /// Returns how many bytes of text may still be written.
    pub fn room(&self) -> u64 {
        self.limits.max_bytes.saturating_sub(self.pulled.bytes)
    }

    /// Returns the most bytes of a cell.
    pub fn max_cell(&self) -> usize {
        self.limits.max_cell
    }

    /// Returns a column that is read and that a file with these columns beside the key lacks.
    pub fn missing(&self, columns: &[String]) -> Option<String> {
        let is_there = |name: &String| *name == self.key_column || columns.contains(name);
        self.columns.iter().map(|mapped| &mapped.column).find(|name| !is_there(name)).cloned()
    }

    /// Returns whether as many rows are written as are wanted.
    pub fn is_full(&self) -> bool {
        self.limits.max_rows.is_some_and(|most| self.pulled.rows >= most)
    }

    /// Writes a row: its key, and its other cells with their columns.
    pub fn row(&mut self, key: &str, cells: &[(&str, &Value)]) -> io::Result<()> {
        self.line.clear();
        if self.columns.is_empty() {
            let mut row = Map::new();
            row.insert(self.key_column.clone(), key.into());
            row.extend(cells.iter().map(|(name, value)| ((*name).to_owned(), (*value).clone())));
            serde_json::to_writer(&mut self.line, &row)?;
        }
        for at in 0..self.columns.len() {
            let column = &self.columns[at].column;
            let value = || cells.iter().find(|(name, _)| name == column).and_then(|(_, value)| as_text(value));
            let text: Option<Cow<'_, str>> = if *column == self.key_column { Some(key.into()) } else { value() };
            push_cell(&mut self.line, at, text.as_deref().map(str::as_bytes));
        }
        self.pulled.rows += 1;
        self.end_line()
    }

    fn end_line(&mut self) -> io::Result<()> {
        self.line.push(b'\n');
        self.pulled.bytes += self.line.len() as u64;
        self.encoder.write_all(&self.line)
    }

    /// Ends the file.
    pub fn finish(self) -> Result<Pulled, ConnectorError> {
        let mut counted = self.encoder.finish().map_err(ConnectorError::Storage)?;
        counted.flush().map_err(ConnectorError::Storage)?;
        Ok(Pulled { packed_bytes: counted.bytes, ..self.pulled })
    }
}

/// Returns a value as a cell: a text as it is, anything else as JSON writes it. `None` for null.
pub fn as_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.into()),
        other => Some(other.to_string().into()),
    }
}
