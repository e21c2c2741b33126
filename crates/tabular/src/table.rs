//! Reading whole rows with one key column and any other columns: item metadata. Memory is bounded for any file: the limits of
//! width, length and size are given in advance.

use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;

use super::delimited::{DOUBLED_END, Found, Opened, Records, header, open};
use super::error::TabularError;
use super::format::{Kind, format_of};
use super::source::with_source;
use super::table_rows::{Cell, Draft, NamedSink, TableOptions, TableReport, TableRows};
use super::{json, parquet, text};

/// Reads the rows of a file into `sink`: the key exactly as it is written, and the values that are present.
///
/// After an error, the caller must discard the rows that `sink` received.
pub fn read_table(
    path: &Path,
    file_name: &str,
    options: &TableOptions,
    sink: &mut dyn FnMut(&str, Vec<Cell>) -> io::Result<()>,
) -> Result<TableReport, TabularError> {
    read_named_table(path, file_name, options, &mut |key, cells, _| sink(key, cells))
}

/// Reads as [`read_table`] does. The sink is given the names of the columns as well, of which later rows may bring more.
pub fn read_named_table(
    path: &Path,
    file_name: &str,
    options: &TableOptions,
    sink: &mut NamedSink<'_>,
) -> Result<TableReport, TabularError> {
    let mut rows = TableRows::new(options, sink);
    let format = format_of(file_name)?;
    with_source(path, format, (options.max_expanded_bytes, &options.stop), |kind, source| match kind {
        Kind::Csv => delimited(source, b',', &mut rows),
        Kind::Tsv => delimited(source, b'\t', &mut rows),
        Kind::Json | Kind::JsonLines => json::read_table(source, kind, &mut rows),
        Kind::Parquet => parquet::read_table(parquet::seekable(path, format, source)?, &mut rows),
        Kind::InsideZip => Err(TabularError::BadArchive { count: 0 }),
    })?;
    rows.finish()
}

/// A record holds several fields; beyond this many times the limit of one, it is skipped unread.
const CELLS_PER_RECORD: usize = 8;

fn delimited(source: &mut (dyn Read + Send), delimiter: u8, rows: &mut TableRows<'_>) -> Result<(), TabularError> {
    let Opened { mut reader, dialect, notes, .. } = open(source, delimiter, &[&rows.options.key_column])?;
    let mut records = Records::new(&mut reader, dialect, rows.options.max_cell_bytes.saturating_mul(CELLS_PER_RECORD));
    let names = header(&mut records)?;
    records.expect(names.len());
    rows.report.untyped = true;
    rows.report.notes = notes;
    let places = places_of(&names, rows)?;
    loop {
        match records.advance()? {
            Found::End => return Ok(()),
            Found::TooLarge => {
                let limit = rows.options.max_cell_bytes;
                rows.reject(records.line, format!("larger than {limit} bytes"), String::new);
            }
            Found::Record => {
                rows.doubled_returns += u64::from(records.text().ends_with(DOUBLED_END));
                let raw = || String::from_utf8_lossy(records.text().trim_ascii_end()).into_owned();
                if let Some(reason) = records.scanner().shape_problem(names.len()) {
                    rows.reject(records.line, reason, raw);
                    continue;
                }
                if records.scanner().has_stray_quote() {
                    rows.stray_quotes.add(&raw());
                }
                if records.scanner().is_doubtful() {
                    rows.doubtful_rows.add(&raw());
                }
                let draft = draft_of(&records, &places, rows);
                rows.offer(records.line, draft)?;
            }
        }
    }
}

/// Returns the column of each field. Columns other than that of the keys may share a name: each of them counts.
fn places_of(names: &[String], rows: &mut TableRows<'_>) -> Result<Vec<Option<usize>>, TabularError> {
    let mut places: Vec<Option<usize>> = Vec::with_capacity(names.len());
    for name in names {
        let mut place = rows.place(name)?;
        if place.is_none() && places.contains(&None) {
            return Err(TabularError::RepeatedColumn { column: name.clone() });
        }
        for number in 1.. {
            // A column name that this reader generated does not match the key column.
            let taken = if place.is_none() { number > 1 } else { places.contains(&place) };
            if !taken {
                break;
            }
            place = rows.place(&format!("{name}.{number}"))?;
        }
        places.push(place);
    }
    Ok(places)
}

fn draft_of(records: &Records<'_>, places: &[Option<usize>], rows: &mut TableRows<'_>) -> Draft {
    let mut draft = Draft::default();
    for (at, place) in places.iter().enumerate() {
        let field = records.field(at).unwrap_or_default();
        match place {
            None => draft.key = Some(field.to_vec()),
            // An empty field is a missing value, and so is the mark of databases for one.
            Some(_) if field.is_empty() || field == text::MISSING => {}
            Some(place) => match std::str::from_utf8(field) {
                Ok(text) => rows.add(&mut draft, *place, Value::from(text), text.len()),
                Err(_) => {
                    let column = rows.report.columns[*place].clone();
                    draft.problem = Some(rows.not_utf8(field, &column));
                }
            },
        }
    }
    draft
}
