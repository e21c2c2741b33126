//! CSV and TSV.

use std::io::Read;

use super::collector::{Cells, Collector, TimeCell, locate};
use super::error::TabularError;
use super::records::{Found, Records};

/// A record holds several fields; beyond this many times the limit of one, it is passed over unread.
const FIELDS_PER_RECORD: usize = 4;

/// Reads all rows into the collector.
pub(super) fn read(source: &mut dyn Read, delimiter: u8, rows: &mut Collector<'_>) -> Result<(), TabularError> {
    let max_field = rows.options.max_field_bytes;
    let mut records = Records::new(source, delimiter, max_field.saturating_mul(FIELDS_PER_RECORD));
    let columns = header(&mut records)?;
    let places = locate(&columns, rows.options.wanted())?;
    let n_columns = columns.len();
    rows.report.columns = columns;
    loop {
        match records.advance()? {
            Found::End => return Ok(()),
            Found::TooLarge => rows.reject(records.line, format!("larger than {max_field} bytes"), String::new),
            Found::Record => match shape_problem(&records, n_columns) {
                Some(reason) => {
                    records.keep_first_line();
                    rows.reject(records.line, reason, || records.raw());
                }
                None => {
                    let cells = Cells {
                        user: records.field(places.user),
                        item: records.field(places.item),
                        time: places.time.and_then(|at| records.field(at)).map(TimeCell::Text),
                        event: places.event.and_then(|at| records.field(at)),
                    };
                    rows.offer(records.line, cells, || records.raw());
                }
            },
        }
    }
}

/// The column names: the first record that is not blank.
pub(super) fn header(records: &mut Records<'_>) -> Result<Vec<String>, TabularError> {
    match records.advance()? {
        Found::End => Err(TabularError::Empty),
        Found::TooLarge => Err(TabularError::FieldTooLarge { line: records.line, limit: records.limit() }),
        Found::Record => {
            let first = records.line == 1;
            (0..records.len()).map(|i| column_name(records.field(i).unwrap_or_default(), first && i == 0)).collect()
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

/// Why a record cannot belong to the table, if so. Empty fields at the end are a habit of some programs and do no harm.
pub(super) fn shape_problem(records: &Records<'_>, n_columns: usize) -> Option<String> {
    let n = records.len();
    if records.has_open_quote() {
        return Some("a quotation mark is opened and never closed".to_owned());
    }
    if n < n_columns {
        return Some(format!("too few fields: {n} instead of {n_columns}"));
    }
    let surplus = (n_columns..n).any(|i| records.field(i).is_some_and(|f| !f.is_empty()));
    surplus.then(|| format!("too many fields: {n} instead of {n_columns}"))
}
