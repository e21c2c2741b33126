//! Which rows are kept, which are rejected and why: the same rules for every format.

use std::borrow::Cow;

use super::error::TabularError;
use super::times::{parse_time, unix_float, unix_integer};

/// What to read, and how much of it at most.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// Column of user ids.
    pub user_column: String,
    /// Column of item ids.
    pub item_column: String,
    /// Column of times, if there is one.
    pub time_column: Option<String>,
    /// Column of event types (such as `view` or `purchase`), if there is one.
    pub event_column: Option<String>,
    /// Most bytes of expanded data.
    pub max_expanded_bytes: u64,
    /// Most bytes of one field.
    pub max_field_bytes: usize,
    /// Bytes of text that a thread takes at a time, where several threads read.
    pub block_bytes: usize,
}

impl ReadOptions {
    /// No event types; expanded data may take 16 GiB, a field 1 MiB and a block 1 MiB.
    pub fn new(user_column: impl Into<String>, item_column: impl Into<String>, time_column: Option<String>) -> Self {
        ReadOptions {
            user_column: user_column.into(),
            item_column: item_column.into(),
            time_column,
            event_column: None,
            max_expanded_bytes: 16 << 30,
            max_field_bytes: 1 << 20,
            block_bytes: 1 << 20,
        }
    }

    /// The names of the columns to read.
    pub(super) fn wanted(&self) -> Wanted<&str> {
        Wanted {
            user: &self.user_column,
            item: &self.item_column,
            time: self.time_column.as_deref(),
            event: self.event_column.as_deref(),
        }
    }
}

/// One thing for each column that is read: its name, or where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted<T> {
    pub user: T,
    pub item: T,
    pub time: Option<T>,
    pub event: Option<T>,
}

impl<T: Copy> Wanted<T> {
    /// All that is there.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        [Some(self.user), Some(self.item), self.time, self.event].into_iter().flatten()
    }

    /// The same with `f` of each.
    pub fn try_map<U, E>(self, mut f: impl FnMut(T) -> Result<U, E>) -> Result<Wanted<U>, E> {
        Ok(Wanted {
            user: f(self.user)?,
            item: f(self.item)?,
            time: self.time.map(&mut f).transpose()?,
            event: self.event.map(&mut f).transpose()?,
        })
    }
}

impl<'a> Wanted<&'a str> {
    /// The names without repeats, and where among them each column is.
    pub fn distinct(self) -> (Vec<&'a str>, Wanted<usize>) {
        let mut names: Vec<&str> = Vec::new();
        let place = |name| {
            let known = names.iter().position(|n| *n == name);
            Ok::<_, std::convert::Infallible>(known.unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            }))
        };
        let Ok(places) = self.try_map(place);
        (names, places)
    }
}

/// One interaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// The user id, exactly as written.
    pub user: &'a str,
    /// The item id, exactly as written.
    pub item: &'a str,
    /// Microseconds UTC; always there when a time column was asked for.
    pub time: Option<i64>,
    /// The event type, exactly as written, empty where the row has none; always there when an event column was asked for.
    pub event: Option<&'a str>,
}

/// A row that was left out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Rejected {
    /// Line of a text file, or number of the row in Parquet and one-text JSON, counted from 1.
    pub line: u64,
    /// Why.
    pub reason: String,
    /// The beginning of the row as it was found.
    pub raw: String,
}

fn is_blank(cell: Option<&[u8]>) -> bool {
    cell.is_none_or(|bytes| bytes.trim_ascii().is_empty())
}

/// What happened to the rows of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct ReadReport {
    /// Columns of the file, in its order.
    pub columns: Vec<String>,
    /// Rows seen; blank lines do not count.
    pub rows_total: u64,
    /// Rows handed on.
    pub rows_kept: u64,
    /// Rows left out.
    pub rejected: u64,
    /// Those of them without a user or item id.
    pub blank_ids: u64,
    /// The first rows left out, at most [`MAX_EXAMPLES`].
    pub rejected_examples: Vec<Rejected>,
}

/// Most rejected rows that are kept to be shown.
pub const MAX_EXAMPLES: usize = 1000;

/// Most names of columns that are remembered, where each row may have others.
pub(super) const MAX_COLUMNS: usize = 10_000;

/// Most characters of a rejected row that are kept.
const MAX_RAW: usize = 500;

/// A value of the time column.
#[derive(Debug, Clone, Copy)]
pub(super) enum TimeCell<'a> {
    Text(&'a [u8]),
    Integer(i64),
    Float(f64),
    Micros(i64),
}

/// The cells of a row that matter; `None` where the row has no value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cells<'a> {
    pub user: Option<&'a [u8]>,
    pub item: Option<&'a [u8]>,
    pub time: Option<TimeCell<'a>>,
    pub event: Option<&'a [u8]>,
}

/// What became of the rows of a file, or of a part of it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub report: ReadReport,
    /// Lines (or rows, where rows are what is numbered) in the parts that were read.
    pub lines: u64,
    any_time_parsed: bool,
    unparsable_time: Option<String>,
}

impl Tally {
    /// Adds what became of the next part of the file, whose lines were numbered from 1.
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
        self.lines += part.lines;
        self.any_time_parsed |= part.any_time_parsed;
        self.unparsable_time = self.unparsable_time.take().or(part.unparsable_time);
    }

    /// The report, or the error that stands for all rows.
    pub fn finish(self, options: &ReadOptions) -> Result<ReadReport, TabularError> {
        match (self.unparsable_time, &options.time_column) {
            (Some(example), Some(column)) if !self.any_time_parsed => {
                Err(TabularError::TimeUnparsable { column: column.clone(), example })
            }
            _ => Ok(self.report),
        }
    }
}

fn add_columns(columns: &mut Vec<String>, more: Vec<String>) {
    if columns.is_empty() {
        *columns = more;
        return;
    }
    for (at, name) in more.into_iter().enumerate() {
        let known = columns.get(at) == Some(&name) || columns.contains(&name);
        if !known && columns.len() < MAX_COLUMNS {
            columns.push(name);
        }
    }
}

/// Judges rows, counts them and hands the good ones on.
pub(super) struct Collector<'s> {
    pub options: &'s ReadOptions,
    pub tally: Tally,
    sink: &'s mut dyn FnMut(Row<'_>),
}

impl<'s> Collector<'s> {
    pub fn new(options: &'s ReadOptions, sink: &'s mut dyn FnMut(Row<'_>)) -> Self {
        Collector { options, tally: Tally::default(), sink }
    }

    /// Takes a row of texts that are neither too large nor contain NUL, if a short look shows that nothing is wrong with
    /// it. Otherwise nothing is done; the row is to be offered then.
    pub fn offer_plain(&mut self, user: &str, item: &str, time: Option<&str>, event: Option<&str>) -> bool {
        let visible = |text: &str| text.as_bytes().first().is_some_and(u8::is_ascii_graphic);
        if !visible(user) || !visible(item) || event.is_some_and(|event| !event.is_empty() && !visible(event)) {
            return false;
        }
        let parsed = time.and_then(|text| parse_time(text.as_bytes()));
        if parsed.is_some() != time.is_some() {
            return false;
        }
        self.tally.any_time_parsed |= parsed.is_some();
        self.hand_on(Row { user, item, time: parsed, event });
        true
    }

    fn hand_on(&mut self, row: Row<'_>) {
        self.tally.report.rows_total += 1;
        self.tally.report.rows_kept += 1;
        (self.sink)(row);
    }

    /// Judges one row; `raw` gives it as found, for the report.
    pub fn offer(&mut self, line: u64, cells: Cells<'_>, raw: impl FnOnce() -> String) {
        match self.judge(cells) {
            Ok(row) => self.hand_on(row),
            Err(reason) => {
                self.tally.report.blank_ids += u64::from(is_blank(cells.user) || is_blank(cells.item));
                self.reject(line, reason, raw);
            }
        }
    }

    /// Counts a row that cannot be judged at all.
    pub fn reject(&mut self, line: u64, reason: String, raw: impl FnOnce() -> String) {
        let report = &mut self.tally.report;
        report.rows_total += 1;
        report.rejected += 1;
        if report.rejected_examples.len() < MAX_EXAMPLES {
            report.rejected_examples.push(Rejected { line, reason, raw: shorten(raw()) });
        }
    }

    fn judge<'a>(&mut self, cells: Cells<'a>) -> Result<Row<'a>, String> {
        let user = self.id(cells.user, &self.options.user_column)?;
        let item = self.id(cells.item, &self.options.item_column)?;
        let time = match &self.options.time_column {
            None => None,
            Some(column) => Some(self.time(cells.time, column)?),
        };
        let event = match &self.options.event_column {
            None => None,
            Some(column) => Some(self.event(cells.event, column)?),
        };
        Ok(Row { user, item, time, event })
    }

    fn id<'a>(&self, cell: Option<&'a [u8]>, column: &str) -> Result<&'a str, String> {
        let id = self.text(cell.ok_or_else(|| format!("no value for {column:?}"))?, column)?;
        if id.trim().is_empty() {
            return Err(format!("{column:?} is blank"));
        }
        Ok(id)
    }

    fn event<'a>(&self, cell: Option<&'a [u8]>, column: &str) -> Result<&'a str, String> {
        let event = self.text(cell.unwrap_or_default(), column)?;
        Ok(if event.trim().is_empty() { "" } else { event })
    }

    fn text<'a>(&self, bytes: &'a [u8], column: &str) -> Result<&'a str, String> {
        if bytes.len() > self.options.max_field_bytes {
            return Err(format!("{column:?} is larger than {} bytes", self.options.max_field_bytes));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| format!("{column:?} is not valid UTF-8"))?;
        if text.contains('\0') {
            return Err(format!("{column:?} contains a NUL character"));
        }
        Ok(text)
    }

    fn time(&mut self, cell: Option<TimeCell<'_>>, column: &str) -> Result<i64, String> {
        let cell = cell.ok_or_else(|| format!("no value for {column:?}"))?;
        let parsed = match cell {
            TimeCell::Text(text) => parse_time(text),
            TimeCell::Integer(value) => unix_integer(value),
            TimeCell::Float(value) => unix_float(value),
            TimeCell::Micros(value) => Some(value),
        };
        if let Some(time) = parsed {
            self.tally.any_time_parsed = true;
            return Ok(time);
        }
        let found = match cell {
            TimeCell::Text(text) if text.trim_ascii().is_empty() => return Err(format!("{column:?} is blank")),
            TimeCell::Text(text) => String::from_utf8_lossy(&text[..text.len().min(100)]),
            TimeCell::Integer(value) | TimeCell::Micros(value) => Cow::Owned(value.to_string()),
            TimeCell::Float(value) => Cow::Owned(value.to_string()),
        };
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

/// The places of `wanted` in `columns`.
pub(super) fn locate(columns: &[String], wanted: Wanted<&str>) -> Result<Wanted<usize>, TabularError> {
    wanted.try_map(|name| {
        let place = columns.iter().position(|column| column == name);
        place.ok_or_else(|| TabularError::MissingColumn { column: name.to_owned(), available: columns.to_vec() })
    })
}
