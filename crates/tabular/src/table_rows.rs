//! Which rows of a table are kept, which are rejected and why: the same rules for every format.

use std::collections::{BTreeMap, HashMap};
use std::io;

use serde_json::Value;

use super::collector::{MAX_EXAMPLES, Rejected, shorten};
use super::error::TabularError;
use super::findings::{Found, IdFindings};
use super::notes::{ColumnNote, Guess, NoteKind, note_encoding};
use super::stop::Stop;
use super::text;

/// Largest number of characters in the name of a column: reports and errors repeat the names.
const LONGEST_COLUMN_NAME: usize = 256;

/// Key column to read by, and the limits.
#[derive(Debug, Clone)]
pub struct TableOptions {
    /// The column that names the object a row is about.
    pub key_column: String,
    /// Limit of expanded data, in bytes.
    pub max_expanded_bytes: u64,
    /// Limit of one value, in bytes; a row with a larger one is left out.
    pub max_cell_bytes: usize,
    /// The largest number of columns besides the key.
    pub max_columns: usize,
    /// The largest number of rows.
    pub max_rows: u64,
    /// Ends the reading early.
    pub stop: Stop,
}

/// The outcome of reading a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableReport {
    /// The columns besides the key, in the order of the file.
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
    pub stray_quotes: Found,
    /// Records over several lines that could be rows themselves.
    pub doubtful_rows: Found,
    /// Records with two carriage returns at their end.
    pub doubled_returns: u64,
    /// Columns with bytes that are no text.
    bytes: BTreeMap<usize, Found>,
    not_utf8: u64,
    seems: Option<Guess>,
    handed_on: u64,
    sink: &'s mut NamedSink<'s>,
}

/// Takes the key of a row, its cells, and the columns that are known so far.
pub type NamedSink<'s> = dyn FnMut(&str, Vec<Cell>, &[String]) -> io::Result<()> + 's;

impl<'s> TableRows<'s> {
    pub fn new(options: &'s TableOptions, sink: &'s mut NamedSink<'s>) -> Self {
        TableRows {
            options,
            report: TableReport::default(),
            places: HashMap::new(),
            key_seen: false,
            keys: IdFindings::default(),
            stray_quotes: Found::default(),
            doubtful_rows: Found::default(),
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
        if name.chars().count() > LONGEST_COLUMN_NAME {
            return Err(TabularError::LongColumnName { name: name.to_owned(), limit: LONGEST_COLUMN_NAME });
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

    /// Counts a value that consists of the hexadecimal digits of bytes.
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
                (self.sink)(key, cells, &self.report.columns).map_err(TabularError::Io)
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
    pub fn not_utf8(&mut self, bytes: &[u8], column: &str) -> String {
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

    /// Returns the report, or an error that concerns all rows.
    pub fn finish(self) -> Result<TableReport, TabularError> {
        if !self.key_seen {
            let column = self.options.key_column.clone();
            return Err(TabularError::MissingColumn { column, available: self.report.columns });
        }
        let mut report = self.report;
        note_encoding(&mut report.notes, self.not_utf8, self.seems);
        report.notes.extend(ColumnNote::of_lines(NoteKind::DoubledReturns, self.doubled_returns));
        report.notes.extend(self.stray_quotes.note(None, NoteKind::QuotesAsText, None));
        report.notes.extend(self.doubtful_rows.note(None, NoteKind::RowsOverLines, None));
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
