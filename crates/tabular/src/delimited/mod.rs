//! CSV and TSV.

mod blocks;
mod dialect;
mod line_ends;
mod lines;
mod marks;
mod opening;
mod records;
mod scanner;

use std::io::Read;

use super::collector::{Cells, Collector, MAX_COLUMNS};
use super::error::TabularError;
use super::options::{ReadOptions, Wanted, locate};
use super::text;
use super::times::{SAMPLED, TimeCell, TimeReading, TimeSample};
pub(super) use blocks::read_in_blocks;
use dialect::Dialect;
pub(super) use line_ends::DOUBLED_END;
pub(super) use opening::{Opened, open};
pub(super) use records::{Found, Records};
use scanner::Scanner;

/// Returns the dialect of fields between `delimiter` bytes.
#[cfg(test)]
pub(super) fn plain_dialect(delimiter: u8) -> Dialect {
    Dialect::of(delimiter)
}

/// A record holds several fields; beyond this many times the limit of one, it is skipped unread.
const FIELDS_PER_RECORD: usize = 4;

/// Reads all rows into the collector. `delimiter` is the one that belongs to the file's extension.
pub(super) fn read(source: &mut (dyn Read + Send), delimiter: u8, rows: &mut Collector<'_>) -> Result<(), TabularError> {
    let options = rows.options;
    let Opened { mut reader, head, dialect, notes } = open(source, delimiter, &options.wanted().iter().collect::<Vec<_>>())?;
    rows.times = sample(&head, dialect, options)?;
    let mut records = Records::new(&mut reader, dialect, max_record(options));
    let (table, columns) = Table::open(&mut records, options)?;
    rows.tally.report.columns = columns;
    rows.tally.report.notes = notes;
    table.read(&mut records, rows)
}

/// Decides from the first rows how to read the times.
fn sample(mut head: &[u8], dialect: Dialect, options: &ReadOptions) -> Result<TimeReading, TabularError> {
    let mut records = Records::new(&mut head, dialect, max_record(options));
    let mut sample = TimeSample::default();
    // Errors of the header are reported when it is read; here it may be cut off.
    let Ok((table, _)) = Table::open(&mut records, options) else { return Ok(TimeReading::default()) };
    let Some(place) = table.places.time else { return Ok(TimeReading::default()) };
    for _ in 0..SAMPLED {
        match records.advance()? {
            Found::End => break,
            Found::TooLarge => {}
            Found::Record if records.scanner().shape_problem(table.n_columns).is_some() => {}
            Found::Record => sample.add(TimeCell::Text(records.field(place).unwrap_or_default())),
        }
    }
    Ok(sample.decide())
}

fn max_record(options: &ReadOptions) -> usize {
    options.max_field_bytes.saturating_mul(FIELDS_PER_RECORD)
}

/// The contents of the header.
#[derive(Debug, Clone, Copy)]
struct Table {
    n_columns: usize,
    places: Wanted<usize>,
}

impl Table {
    /// Reads the header; also returns the names of all columns.
    fn open(records: &mut Records<'_>, options: &ReadOptions) -> Result<(Self, Vec<String>), TabularError> {
        let columns = header(records)?;
        let places = locate(&columns, options.wanted())?;
        records.expect(columns.len());
        Ok((Table { n_columns: columns.len(), places }, columns))
    }

    /// Reads the text after the header.
    fn read(&self, records: &mut Records<'_>, rows: &mut Collector<'_>) -> Result<(), TabularError> {
        records.expect(self.n_columns);
        loop {
            match records.advance()? {
                Found::End => return Ok(()),
                Found::TooLarge => reject_large(records.line, rows),
                Found::Record => self.offer(records.scanner(), records.text(), records.line, rows),
            }
        }
    }

    /// Checks a record that was split.
    fn offer(&self, scanner: &Scanner, record: &[u8], line: u64, rows: &mut Collector<'_>) {
        rows.tally.doubled_returns += u64::from(record.ends_with(DOUBLED_END));
        if let Some(reason) = scanner.shape_problem(self.n_columns) {
            return rows.reject(line, reason, || as_written(record));
        }
        let field = |at| scanner.field(record, at);
        let cells = Cells {
            user: field(self.places.user),
            item: field(self.places.item),
            time: self.places.time.and_then(field).map(TimeCell::Text),
            event: self.places.event.and_then(field),
        };
        if scanner.has_stray_quote() {
            rows.tally.stray_quotes.add(&as_written(record));
        }
        if scanner.is_doubtful() {
            rows.tally.doubtful_rows.add(&as_written(record));
        }
        rows.offer(line, cells, || as_written(record));
    }
}

fn reject_large(line: u64, rows: &mut Collector<'_>) {
    rows.reject(line, format!("larger than {} bytes", rows.options.max_field_bytes), String::new);
}

fn as_written(record: &[u8]) -> String {
    String::from_utf8_lossy(record.trim_ascii_end()).into_owned()
}

/// Returns the column names: the first record that is not blank.
pub(super) fn header(records: &mut Records<'_>) -> Result<Vec<String>, TabularError> {
    match records.advance()? {
        Found::End => Err(TabularError::Empty),
        Found::TooLarge => Err(TabularError::FieldTooLarge { line: records.line, limit: records.scanner().limit() as u64 }),
        Found::Record if records.scanner().len() > MAX_COLUMNS => {
            Err(TabularError::TooMany { what: "columns", limit: MAX_COLUMNS as u64 })
        }
        Found::Record => (0..records.scanner().len()).map(|i| column_name(records, i)).collect(),
    }
}

fn column_name(records: &Records<'_>, at: usize) -> Result<String, TabularError> {
    let bytes = records.field(at).unwrap_or_default();
    let line = Some(records.line);
    let name = std::str::from_utf8(bytes).map_err(|_| TabularError::BadEncoding { line, seems: text::seems(bytes) })?;
    Ok(name.to_owned())
}
