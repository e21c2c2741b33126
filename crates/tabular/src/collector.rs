//! Which rows are kept, which are rejected and why: the same rules for every format.

use std::borrow::Cow;
use std::collections::HashSet;

use super::error::TabularError;
use super::findings::{Found, IdFindings, TimeFindings};
use super::notes::{ColumnNote, Guess, NoteKind, note_encoding};
use super::options::ReadOptions;
use super::text;
use super::times::{TimeCell, TimeReading};

/// One interaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// The user id, exactly as written.
    pub user: &'a str,
    /// The item id, exactly as written.
    pub item: &'a str,
    /// Microseconds UTC; always `Some` when a time column was requested.
    pub time: Option<i64>,
    /// The event type, exactly as written, empty where the row has none; always `Some` when an event column was requested.
    pub event: Option<&'a str>,
}

/// A row that was left out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[schema(as = RejectedRow)]
pub struct Rejected {
    /// Line of a text file, or number of the row in Parquet and in JSON of one text, counted from 1.
    pub line: u64,
    /// Why it was left out.
    pub reason: String,
    /// The beginning of the row as it was found.
    pub raw: String,
}

fn is_blank(cell: Option<&[u8]>) -> bool {
    cell.is_none_or(|bytes| bytes.trim_ascii().is_empty() || bytes == text::MISSING)
}

/// The outcome for the rows of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct ReadReport {
    /// Columns of the file, in its order.
    pub columns: Vec<String>,
    /// Rows seen, without blank lines.
    pub rows_total: u64,
    /// Rows passed on.
    pub rows_kept: u64,
    /// Rows left out.
    pub rejected: u64,
    /// Those of the rejected rows without a user or item id.
    pub blank_ids: u64,
    /// The first rejected rows, at most [`MAX_EXAMPLES`].
    pub rejected_examples: Vec<Rejected>,
    /// Decisions about the columns, and unusual findings in them.
    pub notes: Vec<ColumnNote>,
}

/// Most rejected rows that are kept as examples.
pub const MAX_EXAMPLES: usize = 1000;

/// Most columns of a table, and most names of columns that are remembered where each row may have others.
pub(super) const MAX_COLUMNS: usize = 10_000;

/// Most characters of a rejected row that are kept.
const MAX_RAW: usize = 500;

/// The relevant cells of a row; `None` where the row has no value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cells<'a> {
    pub user: Option<&'a [u8]>,
    pub item: Option<&'a [u8]>,
    pub time: Option<TimeCell<'a>>,
    pub event: Option<&'a [u8]>,
}

/// The outcome for the rows of a file, or of a part of it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub report: ReadReport,
    /// Lines (or rows, if rows are numbered) in the parts that were read.
    pub lines: u64,
    /// Unusual findings in the ids.
    pub users: IdFindings,
    pub items: IdFindings,
    /// Records with an opening quotation mark that was taken as text.
    pub stray_quotes: Found,
    /// Records over several lines that could be rows themselves.
    pub doubtful_rows: Found,
    /// Records with two carriage returns at their end.
    pub doubled_returns: u64,
    times: TimeFindings,
    /// Rows rejected because they are not UTF-8, and the probable encoding of the first of them.
    not_utf8: u64,
    seems: Option<Guess>,
    any_time_parsed: bool,
    unparsable_time: Option<String>,
}

impl Tally {
    /// Adds the outcome of the next part of the file, whose lines were numbered from 1.
    pub fn add(&mut self, part: Tally) {
        let report = &mut self.report;
        add_columns(&mut report.columns, part.report.columns);
        report.rows_total += part.report.rows_total;
        report.rows_kept += part.report.rows_kept;
        report.rejected += part.report.rejected;
        report.blank_ids += part.report.blank_ids;
        let room = MAX_EXAMPLES - report.rejected_examples.len();
        let examples = part.report.rejected_examples.into_iter().take(room);
        report.rejected_examples.extend(examples.map(|row| Rejected { line: row.line + self.lines, ..row }));
        report.notes.extend(part.report.notes);
        self.lines += part.lines;
        self.users.append(part.users);
        self.items.append(part.items);
        self.stray_quotes.append(part.stray_quotes);
        self.doubtful_rows.append(part.doubtful_rows);
        self.doubled_returns += part.doubled_returns;
        self.times.append(part.times);
        self.not_utf8 += part.not_utf8;
        self.seems = self.seems.or(part.seems);
        self.any_time_parsed |= part.any_time_parsed;
        self.unparsable_time = self.unparsable_time.take().or(part.unparsable_time);
    }

    /// Returns the report, or an error that concerns all rows. `times` is how the times were read.
    pub fn finish(mut self, options: &ReadOptions, times: TimeReading) -> Result<ReadReport, TabularError> {
        match (self.unparsable_time.take(), &options.time_column) {
            (Some(example), Some(column)) if !self.any_time_parsed => {
                Err(TabularError::TimeUnparsable { column: column.clone(), example })
            }
            _ => {
                let notes = self.notes(options, times);
                self.report.notes = notes;
                Ok(self.report)
            }
        }
    }

    /// Returns the notes on the file as a whole, and then column by column.
    fn notes(&mut self, options: &ReadOptions, times: TimeReading) -> Vec<ColumnNote> {
        let mut notes = std::mem::take(&mut self.report.notes);
        note_encoding(&mut notes, self.not_utf8, self.seems);
        notes.extend(ColumnNote::of_lines(NoteKind::DoubledReturns, self.doubled_returns));
        notes.extend(self.stray_quotes.note(None, NoteKind::QuotesAsText, None));
        notes.extend(self.doubtful_rows.note(None, NoteKind::RowsOverLines, None));
        notes.extend(self.users.notes(&options.user_column));
        notes.extend(self.items.notes(&options.item_column));
        notes.extend(options.time_column.iter().flat_map(|column| self.times.notes(column, times)));
        notes
    }
}

fn add_columns(columns: &mut Vec<String>, more: Vec<String>) {
    if columns.is_empty() {
        *columns = more;
        return;
    }
    // Blocks of one file usually agree.
    if columns.starts_with(&more) {
        return;
    }
    let mut known: HashSet<String> = columns.iter().cloned().collect();
    for name in more {
        if columns.len() < MAX_COLUMNS && known.insert(name.clone()) {
            columns.push(name);
        }
    }
}

/// Checks rows, counts them and passes the good ones on.
pub(super) struct Collector<'s> {
    pub options: &'s ReadOptions,
    /// Notation of the times.
    pub times: TimeReading,
    pub tally: Tally,
    sink: &'s mut dyn FnMut(Row<'_>),
    /// Times after this one are counted.
    latest: i64,
}

impl<'s> Collector<'s> {
    pub fn new(options: &'s ReadOptions, times: TimeReading, sink: &'s mut dyn FnMut(Row<'_>)) -> Self {
        Collector { options, times, tally: Tally::default(), sink, latest: options.uploaded_at.unwrap_or(i64::MAX) }
    }

    /// Takes a row of texts that are neither too large nor contain NUL, if a quick check finds nothing wrong with it. Otherwise
    /// it does nothing, and the caller uses [`Self::offer`].
    pub fn offer_plain(&mut self, user: &str, item: &str, time: Option<&str>, event: Option<&str>) -> bool {
        let visible = |text: &str| text.as_bytes().first().is_some_and(|byte| byte.is_ascii_graphic() && *byte != b'\\');
        if !visible(user) || !visible(item) || event.is_some_and(|event| !event.is_empty() && !visible(event)) {
            return false;
        }
        let parsed = match time {
            None => None,
            Some(text) => match self.times.read_text(text.as_bytes()) {
                None => return false,
                Some((parsed, read_as)) => {
                    self.tally.times.add(parsed, read_as, self.latest, || Cow::Borrowed(text));
                    Some(parsed)
                }
            },
        };
        self.tally.any_time_parsed |= parsed.is_some();
        self.hand_on(Row { user, item, time: parsed, event });
        true
    }

    fn hand_on(&mut self, row: Row<'_>) {
        self.tally.report.rows_total += 1;
        self.tally.report.rows_kept += 1;
        self.tally.users.look_at(row.user);
        self.tally.items.look_at(row.item);
        (self.sink)(row);
    }

    /// Checks one row; `raw` returns it as found, for the report.
    pub fn offer(&mut self, line: u64, cells: Cells<'_>, raw: impl FnOnce() -> String) {
        match self.judge(cells) {
            Ok(row) => self.hand_on(row),
            Err(reason) => {
                self.tally.report.blank_ids += u64::from(is_blank(cells.user) || is_blank(cells.item));
                self.reject(line, reason, raw);
            }
        }
    }

    /// Counts a row that cannot be read at all.
    pub fn reject(&mut self, line: u64, reason: String, raw: impl FnOnce() -> String) {
        let report = &mut self.tally.report;
        report.rows_total += 1;
        report.rejected += 1;
        if report.rejected_examples.len() < MAX_EXAMPLES {
            report.rejected_examples.push(Rejected { line, reason, raw: shorten(raw()) });
        }
    }

    fn judge<'a>(&mut self, cells: Cells<'a>) -> Result<Row<'a>, String> {
        let options = self.options;
        let user = self.id(cells.user, &options.user_column, |tally| &mut tally.users)?;
        let item = self.id(cells.item, &options.item_column, |tally| &mut tally.items)?;
        let event = match &options.event_column {
            None => None,
            Some(column) => Some(self.event(cells.event, column)?),
        };
        let time = match &options.time_column {
            None => None,
            Some(column) => Some(self.time(cells.time, column)?),
        };
        Ok(Row { user, item, time, event })
    }

    fn id<'a>(
        &mut self,
        cell: Option<&'a [u8]>,
        column: &str,
        findings: impl FnOnce(&mut Tally) -> &mut IdFindings,
    ) -> Result<&'a str, String> {
        let Some(cell) = cell else {
            findings(&mut self.tally).missing.add("null");
            return Err(format!("no value for {column:?}"));
        };
        let id = self.text(cell, column)?;
        if id.trim().is_empty() {
            return Err(format!("{column:?} is blank"));
        }
        if id.as_bytes() == text::MISSING {
            findings(&mut self.tally).missing.add(id);
            return Err(format!("{column:?} is {id}, which stands for a missing value"));
        }
        Ok(id)
    }

    fn event<'a>(&mut self, cell: Option<&'a [u8]>, column: &str) -> Result<&'a str, String> {
        let event = self.text(cell.unwrap_or_default(), column)?;
        let missing = event.trim().is_empty() || event.as_bytes() == text::MISSING;
        Ok(if missing { "" } else { event })
    }

    fn text<'a>(&mut self, bytes: &'a [u8], column: &str) -> Result<&'a str, String> {
        if bytes.len() > self.options.max_field_bytes {
            return Err(format!("{column:?} is larger than {} bytes", self.options.max_field_bytes));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| {
            self.tally.not_utf8 += 1;
            self.tally.seems = self.tally.seems.or_else(|| text::seems(bytes));
            format!("{column:?} is not valid UTF-8")
        })?;
        if text.contains('\0') {
            return Err(format!("{column:?} contains a NUL character"));
        }
        Ok(text)
    }

    fn time(&mut self, cell: Option<TimeCell<'_>>, column: &str) -> Result<i64, String> {
        let cell = cell.ok_or_else(|| format!("no value for {column:?}"))?;
        if let Some((time, read_as)) = self.times.read(cell) {
            self.tally.any_time_parsed = true;
            self.tally.times.add(time, read_as, self.latest, || cell.shown());
            return Ok(time);
        }
        if matches!(cell, TimeCell::Text(text) if text.trim_ascii().is_empty()) {
            return Err(format!("{column:?} is blank"));
        }
        let found = cell.shown();
        let reason = format!("{column:?} is not a time: {found:?}");
        self.tally.unparsable_time.get_or_insert_with(|| found.into_owned());
        Err(reason)
    }
}

pub(super) fn shorten(mut raw: String) -> String {
    if let Some((at, _)) = raw.char_indices().nth(MAX_RAW) {
        raw.truncate(at);
        raw.push('…');
    }
    raw
}
