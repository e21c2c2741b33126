//! Reading whole rows with one key column and any other columns: item metadata. Memory is bounded for any file: the limits of
//! width, length and size are given in advance.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;

use super::collector::{MAX_EXAMPLES, Rejected, shorten};
use super::delimited::{DOUBLED_END, Found, Opened, Records, header, open};
use super::error::TabularError;
use super::findings::{self, IdFindings};
use super::format::{Kind, format_of};
use super::notes::{ColumnNote, Guess, NoteKind, note_encoding};
use super::source::with_source;
use super::{json, parquet, text};

/// Key column to read by, and the limits.
#[derive(Debug, Clone)]
pub struct TableOptions {
    /// The column that names the object a row is about.
    pub key_column: String,
    /// Limit of expanded data, in bytes.
    pub max_expanded_bytes: u64,
    /// Limit of one value, in bytes; a row with a larger one is left out.
    pub max_cell_bytes: usize,
    /// Most columns beside the key.
    pub max_columns: usize,
    /// Most rows.
    pub max_rows: u64,
}

/// The outcome of reading a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableReport {
    /// The columns beside the key, in the order of the file.
    pub columns: Vec<String>,
    /// Whether the file has no types, so that all values are texts.
    pub untyped: bool,
    /// Rows seen.
    pub rows_total: u64,
    /// Rows left out.
    pub rejected: u64,
    /// The first of them.
    pub rejected_examples: Vec<Rejected>,
    /// Decisions about the columns, and unusual findings in them.
    pub notes: Vec<ColumnNote>,
}

/// A value and the number of its column.
pub type Cell = (usize, Value);

/// Reads the rows of a file into `sink`: the key exactly as it is written, and the values that are present.
///
/// After an error, the rows that `sink` received are to be discarded.
pub fn read_table(
    path: &Path,
    file_name: &str,
    options: &TableOptions,
    sink: &mut dyn FnMut(&str, Vec<Cell>) -> io::Result<()>,
) -> Result<TableReport, TabularError> {
    let mut rows = TableRows::new(options, sink);
    let format = format_of(file_name)?;
    with_source(path, format, options.max_expanded_bytes, |kind, source| match kind {
        Kind::Csv => delimited(source, b',', &mut rows),
        Kind::Tsv => delimited(source, b'\t', &mut rows),
        Kind::Json | Kind::JsonLines => json::read_table(source, kind, &mut rows),
        Kind::Parquet => parquet::read_table(parquet::seekable(path, format, source)?, &mut rows),
        Kind::InsideZip => Err(TabularError::BadArchive { count: 0 }),
    })?;
    rows.finish()
}

/// A row under construction.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub key: Option<Vec<u8>>,
    cells: Vec<Cell>,
    /// Why it has to be left out.
    pub problem: Option<String>,
}

/// Takes rows, checks and counts them, and passes the good ones on.
pub(super) struct TableRows<'s> {
    pub options: &'s TableOptions,
    pub report: TableReport,
    places: HashMap<String, usize>,
    key_seen: bool,
    /// Unusual findings in the keys.
    pub keys: IdFindings,
    /// Records with an opening quotation mark that was taken as text.
    pub stray_quotes: findings::Found,
    doubled_returns: u64,
    /// Columns with bytes that are no text.
    bytes: BTreeMap<usize, findings::Found>,
    not_utf8: u64,
    seems: Option<Guess>,
    handed_on: u64,
    sink: &'s mut dyn FnMut(&str, Vec<Cell>) -> io::Result<()>,
}

impl<'s> TableRows<'s> {
    fn new(options: &'s TableOptions, sink: &'s mut dyn FnMut(&str, Vec<Cell>) -> io::Result<()>) -> Self {
        TableRows {
            options,
            report: TableReport::default(),
            places: HashMap::new(),
            key_seen: false,
            keys: IdFindings::default(),
            stray_quotes: findings::Found::default(),
            doubled_returns: 0,
            bytes: BTreeMap::new(),
            not_utf8: 0,
            seems: None,
            handed_on: 0,
            sink,
        }
    }

    /// Returns the number of a column, or `None` for that of the keys.
    pub fn place(&mut self, name: &str) -> Result<Option<usize>, TabularError> {
        if name == self.options.key_column {
            self.key_seen = true;
            return Ok(None);
        }
        if let Some(place) = self.places.get(name) {
            return Ok(Some(*place));
        }
        let place = self.report.columns.len();
        if place == self.options.max_columns {
            return Err(TabularError::TooMany { what: "columns", limit: self.options.max_columns as u64 });
        }
        self.places.insert(name.to_owned(), place);
        self.report.columns.push(name.to_owned());
        Ok(Some(place))
    }

    /// Adds a value to a row; null counts as missing. `bytes` is its size.
    pub fn add(&self, draft: &mut Draft, place: usize, value: Value, bytes: usize) {
        if bytes > self.options.max_cell_bytes || draft.cells.len() > self.options.max_columns {
            let column = &self.report.columns[place];
            draft.problem.get_or_insert_with(|| format!("{column:?} is larger than {} bytes", self.options.max_cell_bytes));
            draft.cells.clear();
        } else if draft.problem.is_none() && value != Value::Null {
            draft.cells.push((place, value));
        }
    }

    /// Counts a value that is the digits of bytes.
    pub fn add_bytes(&mut self, place: usize, digits: &str) {
        self.bytes.entry(place).or_default().add(digits);
    }

    /// Completes a row.
    pub fn offer(&mut self, line: u64, draft: Draft) -> Result<(), TabularError> {
        let Draft { key, cells, problem } = draft;
        match self.judge(key.as_deref(), problem) {
            Err(reason) => {
                self.reject(line, reason, String::new);
                Ok(())
            }
            Ok(key) => {
                self.count()?;
                // Some formats hold a million equal values in a few bytes.
                self.handed_on += key.len() as u64 + cells.iter().map(|(_, value)| size_of_value(value)).sum::<u64>();
                if self.handed_on > self.options.max_expanded_bytes {
                    return Err(TabularError::TooLarge { limit: self.options.max_expanded_bytes });
                }
                self.keys.look_at(key);
                (self.sink)(key, cells).map_err(TabularError::Io)
            }
        }
    }

    /// Returns the key, or why the row has to be left out.
    fn judge<'a>(&mut self, key: Option<&'a [u8]>, problem: Option<String>) -> Result<&'a str, String> {
        if let Some(problem) = problem {
            return Err(problem);
        }
        let column = &self.options.key_column;
        let Some(key) = key else {
            self.keys.missing.add("null");
            return Err(format!("no value for {column:?}"));
        };
        if key.len() > self.options.max_cell_bytes {
            return Err(format!("{column:?} is larger than {} bytes", self.options.max_cell_bytes));
        }
        let Ok(text) = std::str::from_utf8(key) else { return Err(self.not_utf8(key, column)) };
        if text.trim().is_empty() {
            return Err(format!("{column:?} is blank"));
        }
        if key == text::MISSING {
            self.keys.missing.add(text);
            return Err(format!("{column:?} is {text}, which stands for a missing value"));
        }
        if text.contains('\0') {
            return Err(format!("{column:?} contains a NUL character"));
        }
        Ok(text)
    }

    /// Counts a row that is not UTF-8, and returns why it has to be left out.
    fn not_utf8(&mut self, bytes: &[u8], column: &str) -> String {
        self.not_utf8 += 1;
        self.seems = self.seems.or_else(|| text::seems(bytes));
        format!("{column:?} is not valid UTF-8")
    }

    /// Counts a row that cannot be used.
    pub fn reject(&mut self, line: u64, reason: String, raw: impl FnOnce() -> String) {
        let report = &mut self.report;
        report.rows_total += 1;
        report.rejected += 1;
        if report.rejected_examples.len() < MAX_EXAMPLES {
            report.rejected_examples.push(Rejected { line, reason, raw: shorten(raw()) });
        }
    }

    fn count(&mut self) -> Result<(), TabularError> {
        self.report.rows_total += 1;
        if self.report.rows_total - self.report.rejected > self.options.max_rows {
            return Err(TabularError::TooMany { what: "rows", limit: self.options.max_rows });
        }
        Ok(())
    }

    fn finish(self) -> Result<TableReport, TabularError> {
        if !self.key_seen {
            let column = self.options.key_column.clone();
            return Err(TabularError::MissingColumn { column, available: self.report.columns });
        }
        let mut report = self.report;
        note_encoding(&mut report.notes, self.not_utf8, self.seems);
        report.notes.extend(ColumnNote::of_lines(NoteKind::DoubledReturns, self.doubled_returns));
        report.notes.extend(self.stray_quotes.note(None, NoteKind::QuotesAsText, None));
        let bytes = self.bytes.iter();
        let bytes = bytes.filter_map(|(place, found)| found.note(Some(&report.columns[*place]), NoteKind::BytesAsHex, None));
        report.notes.extend(bytes.collect::<Vec<_>>());
        report.notes.extend(self.keys.notes(&self.options.key_column));
        Ok(report)
    }
}

pub(super) fn size_of_value(value: &Value) -> u64 {
    const OVERHEAD: u64 = 8;
    match value {
        Value::String(text) => OVERHEAD + text.len() as u64,
        Value::Array(items) => OVERHEAD + items.iter().map(size_of_value).sum::<u64>(),
        Value::Object(pairs) => OVERHEAD + pairs.iter().map(|(key, item)| key.len() as u64 + size_of_value(item)).sum::<u64>(),
        _ => OVERHEAD,
    }
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
            // A name that this reader invented does not match the name of the key column.
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
