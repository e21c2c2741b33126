//! CSV and TSV.

mod blocks;
mod marks;
mod records;
mod scanner;

use std::io::Read;

use super::collector::{Cells, Collector, ReadOptions, TimeCell, Wanted, locate};
use super::error::TabularError;
pub(super) use blocks::read_in_blocks;
pub(super) use records::{Found, Records};
use scanner::Scanner;

/// A record holds several fields; beyond this many times the limit of one, it is passed over unread.
const FIELDS_PER_RECORD: usize = 4;

/// Reads all rows into the collector.
pub(super) fn read(source: &mut dyn Read, delimiter: u8, rows: &mut Collector<'_>) -> Result<(), TabularError> {
    let mut records = Records::new(source, delimiter, max_record(rows.options));
    let (table, columns) = Table::open(&mut records, rows.options)?;
    rows.tally.report.columns = columns;
    table.read(&mut records, rows)
}

fn max_record(options: &ReadOptions) -> usize {
    options.max_field_bytes.saturating_mul(FIELDS_PER_RECORD)
}

/// What the header tells.
#[derive(Debug, Clone, Copy)]
struct Table {
    n_columns: usize,
    places: Wanted<usize>,
}

/// How much of a record was used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Used {
    All,
    FirstLine,
}

impl Table {
    /// Reads the header; also gives the names of all columns.
    fn open(records: &mut Records<'_>, options: &ReadOptions) -> Result<(Self, Vec<String>), TabularError> {
        let columns = header(records)?;
        let places = locate(&columns, options.wanted())?;
        Ok((Table { n_columns: columns.len(), places }, columns))
    }

    /// Reads what follows the header.
    fn read(&self, records: &mut Records<'_>, rows: &mut Collector<'_>) -> Result<(), TabularError> {
        loop {
            match records.advance()? {
                Found::End => return Ok(()),
                Found::TooLarge => reject_large(records.line, rows),
                Found::Record => {
                    if self.offer(records.scanner(), records.text(), records.line, rows) == Used::FirstLine {
                        records.keep_first_line();
                    }
                }
            }
        }
    }

    /// Judges a record that was taken apart.
    fn offer(&self, scanner: &Scanner, record: &[u8], line: u64, rows: &mut Collector<'_>) -> Used {
        if let Some(reason) = scanner.shape_problem(self.n_columns) {
            rows.reject(line, reason, || as_written(&record[..scanner::first_line(record)]));
            return Used::FirstLine;
        }
        let field = |at| scanner.field(record, at);
        let cells = Cells {
            user: field(self.places.user),
            item: field(self.places.item),
            time: self.places.time.and_then(field).map(TimeCell::Text),
            event: self.places.event.and_then(field),
        };
        rows.offer(line, cells, || as_written(record));
        Used::All
    }
}

fn reject_large(line: u64, rows: &mut Collector<'_>) {
    rows.reject(line, format!("larger than {} bytes", rows.options.max_field_bytes), String::new);
}

fn as_written(record: &[u8]) -> String {
    String::from_utf8_lossy(record.trim_ascii_end()).into_owned()
}

/// The column names: the first record that is not blank.
pub(super) fn header(records: &mut Records<'_>) -> Result<Vec<String>, TabularError> {
    match records.advance()? {
        Found::End => Err(TabularError::Empty),
        Found::TooLarge => Err(TabularError::FieldTooLarge { line: records.line, limit: records.scanner().limit() as u64 }),
        Found::Record => {
            let first = records.line == 1;
            let name = |i| column_name(records.field(i).unwrap_or_default(), first && i == 0);
            (0..records.scanner().len()).map(name).collect()
        }
    }
}

fn column_name(bytes: &[u8], at_start: bool) -> Result<String, TabularError> {
    let bytes = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] if at_start => return Err(TabularError::BadEncoding { line: None }),
        [0xef, 0xbb, 0xbf, rest @ ..] if at_start => rest,
        _ => bytes,
    };
    let name = std::str::from_utf8(bytes).map_err(|_| TabularError::BadEncoding { line: Some(1) })?;
    // A quoted first column hides its quotes behind the mark that begins some UTF-8 files.
    let quoted = at_start.then(|| name.strip_prefix('"')?.strip_suffix('"')).flatten();
    Ok(quoted.unwrap_or(name).to_owned())
}
