//! JSON: an array of records, an object of columns (both as pandas writes them), or a record in each line.

mod columns;
mod lines;
mod table;
mod tokens;
mod values;

use std::io::Read;

use super::collector::{Cells, Collector, MAX_COLUMNS, TimeCell, Wanted, locate};
use super::error::TabularError;
pub(super) use lines::{read as read_lines, read_in_blocks as read_lines_in_blocks};
pub(super) use table::{read as read_table, read_lines as read_table_lines};
use tokens::{Token, Tokens};
pub(super) use values::{preview, preview_lines};

const BUFFER: usize = 64 << 10;

/// Reads one JSON text.
pub(super) fn read(source: &mut dyn Read, rows: &mut Collector<'_>) -> Result<(), TabularError> {
    let mut tokens = Tokens::new(source, BUFFER, rows.options.max_field_bytes);
    tokens.begin()?;
    match tokens.required()? {
        Token::ArrayStart => read_records(&mut tokens, rows)?,
        Token::ObjectStart => columns::read(&mut tokens, rows)?,
        _ => return Err(tokens.error("expected an array of records or an object of columns")),
    }
    match tokens.next() {
        Ok(None) => Ok(()),
        _ => Err(tokens.error("more text after the end; if each line holds one record, name the file .jsonl")),
    }
}

fn read_records(tokens: &mut Tokens<'_>, rows: &mut Collector<'_>) -> Result<(), TabularError> {
    let mut record = Record::new(rows);
    loop {
        match tokens.required()? {
            Token::ArrayEnd => break,
            Token::ObjectStart => {
                record.read(tokens)?;
                record.offer(rows.tally.report.rows_total + 1, rows);
            }
            other => {
                tokens.skip(other)?;
                rows.reject(rows.tally.report.rows_total + 1, "not an object".to_owned(), String::new);
            }
        }
    }
    if rows.tally.report.rows_total == 0 {
        return Err(TabularError::Empty);
    }
    record.finish(rows)
}

/// What stands where a plain value should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    Missing,
    Text,
    Nested,
}

/// The wanted values of one record, in buffers that are used again.
struct Record {
    wanted: Vec<String>,
    /// Where in `wanted` and `cells` each column is.
    places: Wanted<usize>,
    cells: Vec<(Cell, Vec<u8>)>,
    columns: Vec<String>,
}

impl Record {
    fn new(rows: &Collector<'_>) -> Self {
        let (wanted, places) = rows.options.wanted().distinct();
        let wanted: Vec<String> = wanted.into_iter().map(str::to_owned).collect();
        Record { cells: vec![(Cell::Missing, Vec::new()); wanted.len()], wanted, places, columns: Vec::new() }
    }

    /// Reads the pairs after `{`.
    fn read(&mut self, tokens: &mut Tokens<'_>) -> Result<(), TabularError> {
        self.cells.iter_mut().for_each(|cell| cell.0 = Cell::Missing);
        let mut at = 0;
        while tokens.required()? == Token::Key {
            self.note_column(at, &tokens.text);
            at += 1;
            let place = self.wanted.iter().position(|name| name.as_bytes() == tokens.text);
            let token = tokens.required()?;
            match place {
                Some(place) => self.cells[place].0 = keep(token, tokens, &mut self.cells[place].1)?,
                None => tokens.skip(token)?,
            }
        }
        Ok(())
    }

    fn read_line(&mut self, line: &[u8], max_text: usize) -> Result<(), String> {
        let mut source = line;
        let mut tokens = Tokens::new(&mut source, line.len(), max_text);
        let outcome = match tokens.required() {
            Ok(Token::ObjectStart) => self.read(&mut tokens).and_then(|()| tokens.next()),
            Ok(_) => return Err("not an object".to_owned()),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(None) => Ok(()),
            Ok(Some(_)) | Err(TabularError::Truncated) => Err("not one complete JSON object".to_owned()),
            Err(TabularError::BadJson { reason, .. }) => Err(reason),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Remembers column names in order of first sight; records of one file usually agree, so look there first.
    fn note_column(&mut self, at: usize, name: &[u8]) {
        let known =
            self.columns.get(at).is_some_and(|c| c.as_bytes() == name) || self.columns.iter().any(|c| c.as_bytes() == name);
        if !known && self.columns.len() < MAX_COLUMNS {
            self.columns.push(String::from_utf8_lossy(name).into_owned());
        }
    }

    fn offer(&self, number: u64, rows: &mut Collector<'_>) {
        self.offer_with(number, rows, || self.describe());
    }

    fn offer_with(&self, number: u64, rows: &mut Collector<'_>, raw: impl FnOnce() -> String) {
        if let Some(at) = self.cells.iter().position(|(cell, _)| *cell == Cell::Nested) {
            return rows.reject(number, format!("{:?} is neither text nor a number", self.wanted[at]), raw);
        }
        let cell = |at: usize| self.cells.get(at).filter(|(cell, _)| *cell == Cell::Text).map(|(_, text)| text.as_slice());
        let cells = Cells {
            user: cell(self.places.user),
            item: cell(self.places.item),
            time: self.places.time.and_then(cell).map(TimeCell::Text),
            event: self.places.event.and_then(cell),
        };
        rows.offer(number, cells, raw);
    }

    fn describe(&self) -> String {
        let value = |(cell, text): &(Cell, Vec<u8>)| match cell {
            Cell::Text => format!("{:?}", String::from_utf8_lossy(text)),
            Cell::Missing => "null".to_owned(),
            Cell::Nested => "…".to_owned(),
        };
        let pairs = self.wanted.iter().zip(&self.cells).map(|(name, cell)| format!("{name:?}: {}", value(cell)));
        format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
    }

    /// Reports the columns, and fails when a wanted one was in no record at all.
    fn finish(self, rows: &mut Collector<'_>) -> Result<(), TabularError> {
        locate(&self.columns, rows.options.wanted())?;
        rows.tally.report.columns = self.columns;
        Ok(())
    }
}

/// Copies a plain value; numbers as they are written.
fn keep(token: Token, tokens: &mut Tokens<'_>, into: &mut Vec<u8>) -> Result<Cell, TabularError> {
    into.clear();
    match token {
        Token::String | Token::Number => into.extend_from_slice(&tokens.text),
        Token::True => into.extend_from_slice(b"true"),
        Token::False => into.extend_from_slice(b"false"),
        Token::Null => return Ok(Cell::Missing),
        nested => {
            tokens.skip(nested)?;
            return Ok(Cell::Nested);
        }
    }
    Ok(Cell::Text)
}
