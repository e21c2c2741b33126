//! JSON: an array of records, an object of columns (both as pandas writes them), or a record in each line.

mod columns;
mod lines;
mod table;
mod tokens;
mod values;

use std::collections::HashSet;
use std::io::Read;

use super::blocks::RowBlocks;
use super::collector::{Cells, Collector, MAX_COLUMNS, Row, Tally};
use super::error::TabularError;
use super::findings::whole_number;
use super::format::Kind;
use super::notes::ColumnNote;
use super::options::{Wanted, locate};
use super::text::{HEAD, Text};
use super::times::{TimeCell, TimeSample};
pub(super) use table::read as read_table;
use tokens::{Flaw, Token, Tokens};
pub(super) use values::preview;

const BUFFER: usize = 64 << 10;

/// A JSON text ready to be read.
struct Opened<'s> {
    reader: Box<dyn Read + Send + 's>,
    /// Beginning of the text.
    head: Vec<u8>,
    /// Whether each line holds a record.
    in_lines: bool,
    notes: Vec<ColumnNote>,
}

/// Opens a text by its beginning. Programs write one JSON text and JSON in lines under both names.
fn open<'s>(source: &'s mut (dyn Read + Send), kind: Kind) -> Result<Opened<'s>, TabularError> {
    let mut text = Text::open(source)?;
    let in_lines = match kind {
        Kind::JsonLines => !begins_array_of_records(&text.head),
        _ => begins_with_record(&text.head),
    };
    let notes = std::mem::take(&mut text.notes);
    Ok(Opened { head: text.head.clone(), in_lines, notes, reader: Box::new(text.into_reader()) })
}

fn begins_array_of_records(mut head: &[u8]) -> bool {
    let mut tokens = Tokens::new(&mut head, BUFFER, HEAD);
    let mut is_next = |token| matches!(tokens.next(), Ok(Some(next)) if next == token);
    is_next(Token::ArrayStart) && is_next(Token::ObjectStart)
}

/// Returns whether the first line is an object on its own and holds a plain value where an object of columns would hold a column.
fn begins_with_record(head: &[u8]) -> bool {
    let cut_off = head.len() == HEAD;
    let head = head.trim_ascii_start();
    let end = memchr::memchr(b'\n', head);
    let mut line = &head[..end.unwrap_or(head.len())];
    let mut tokens = Tokens::new(&mut line, BUFFER, HEAD);
    let mut next = || tokens.next().ok().flatten();
    let begins = next() == Some(Token::ObjectStart) && next() == Some(Token::Key);
    let plain = |token| matches!(token, Token::String | Token::Number | Token::True | Token::False | Token::Null);
    if !begins || !next().is_some_and(plain) {
        return false;
    }
    let whole = std::iter::repeat_with(|| tokens.next()).find(|token| !matches!(token, Ok(Some(_))));
    // The end of a line longer than the beginning is not visible.
    matches!(whole, Some(Ok(None))) || end.is_none() && cut_off
}

/// Reads JSON of either kind.
pub(super) fn read(source: &mut (dyn Read + Send), kind: Kind, rows: &mut Collector<'_>) -> Result<(), TabularError> {
    let mut opened = open(source, kind)?;
    rows.tally.report.notes = opened.notes;
    if opened.in_lines {
        rows.times = lines::sample(&opened.head, rows.options).decide();
        return lines::read(&mut opened.reader, rows);
    }
    rows.times = sample(&opened.head, rows).decide();
    read_text(&mut opened.reader, rows)
}

/// Reads as [`read`] does, with the rows going to blocks.
pub(super) fn read_in_blocks<B: Clone + Send, P: Fn(&mut B, Row<'_>) + Sync>(
    source: &mut (dyn Read + Send),
    kind: Kind,
    rows: &mut RowBlocks<'_, B, P>,
) -> Result<Tally, TabularError> {
    let mut opened = open(source, kind)?;
    let mut tally = Tally::default();
    tally.report.notes = opened.notes;
    if opened.in_lines {
        rows.times = lines::sample(&opened.head, rows.options).decide();
        return lines::read_in_blocks(&mut opened.reader, rows, tally);
    }
    rows.read_here(&mut tally, |rows| {
        rows.times = sample(&opened.head, rows).decide();
        read_text(&mut opened.reader, rows)
    })?;
    Ok(tally)
}

/// Samples the times of the first records of an array.
fn sample(mut head: &[u8], rows: &Collector<'_>) -> TimeSample {
    let mut sample = TimeSample::default();
    let mut tokens = Tokens::new(&mut head, BUFFER, rows.options.max_field_bytes);
    let mut record = Record::new(rows.options);
    if !matches!(tokens.next(), Ok(Some(Token::ArrayStart))) {
        return sample;
    }
    while let Ok(Some(token)) = tokens.next() {
        let read = if token == Token::ObjectStart { record.read(&mut tokens) } else { tokens.skip(token) };
        if read.is_err() {
            break;
        }
        record.time().into_iter().for_each(|time| sample.add(time));
    }
    sample
}

/// Reads one JSON text.
fn read_text(source: &mut dyn Read, rows: &mut Collector<'_>) -> Result<(), TabularError> {
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
    let mut record = Record::new(rows.options);
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

/// The kind of value found in the place of a plain one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    Missing,
    Text,
    Number,
    Nested,
    Flawed(Flaw),
    /// The record has the value several times.
    Repeated,
}

impl Cell {
    fn has_text(self) -> bool {
        matches!(self, Cell::Text | Cell::Number)
    }

    /// Returns why a row with it has to be left out, if so.
    fn problem(self, column: &str, max_text: usize) -> Option<String> {
        Some(match self {
            Cell::Missing | Cell::Text | Cell::Number => return None,
            Cell::Nested => format!("{column:?} is neither text nor a number"),
            Cell::Flawed(Flaw::HalfPair) => format!("{column:?} holds half of a surrogate pair, a character that was cut in two"),
            Cell::Flawed(Flaw::TooLarge) => format!("{column:?} is larger than {max_text} bytes"),
            Cell::Repeated => format!("{column:?} is given more than once"),
        })
    }
}

/// The wanted values of one record, in buffers that are used again.
struct Record {
    wanted: Vec<String>,
    /// Index of each column in `wanted` and `cells`.
    places: Wanted<usize>,
    cells: Vec<(Cell, Vec<u8>)>,
    columns: Vec<String>,
    /// The same names as they are written, to find one among very many.
    known: HashSet<Vec<u8>>,
}

impl Record {
    fn new(options: &super::ReadOptions) -> Self {
        let (wanted, places) = options.wanted().distinct();
        let wanted: Vec<String> = wanted.into_iter().map(str::to_owned).collect();
        let cells = vec![(Cell::Missing, Vec::new()); wanted.len()];
        Record { wanted, places, cells, columns: Vec::new(), known: HashSet::new() }
    }

    /// Reads the pairs after `{`.
    fn read(&mut self, tokens: &mut Tokens<'_>) -> Result<(), TabularError> {
        self.cells.iter_mut().for_each(|cell| cell.0 = Cell::Missing);
        let (mut at, mut seen) = (0, 0u8);
        loop {
            tokens.flaw = None;
            if tokens.required()? != Token::Key {
                return Ok(());
            }
            self.note_column(at, &tokens.text);
            at += 1;
            let place = self.wanted.iter().position(|name| tokens.flaw.is_none() && name.as_bytes() == tokens.text);
            tokens.flaw = None;
            let token = tokens.required()?;
            match place {
                Some(place) => {
                    let (cell, text) = &mut self.cells[place];
                    *cell = keep(token, tokens, text)?;
                    if seen >> place & 1 == 1 {
                        *cell = Cell::Repeated;
                    }
                    seen |= 1 << place;
                }
                None => tokens.skip(token)?,
            }
        }
    }

    /// Returns the time of the record, if it has one.
    fn time(&self) -> Option<TimeCell<'_>> {
        let (cell, text) = self.cells.get(self.places.time?)?;
        cell.has_text().then_some(TimeCell::Text(text))
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

    /// Remembers column names in order of first occurrence; records of one file usually agree, so that order is tried first.
    fn note_column(&mut self, at: usize, name: &[u8]) {
        let is_as_before = self.columns.get(at).is_some_and(|column| column.as_bytes() == name);
        if is_as_before || self.columns.len() == MAX_COLUMNS || self.known.contains(name) {
            return;
        }
        self.known.insert(name.to_vec());
        self.columns.push(String::from_utf8_lossy(name).into_owned());
    }

    fn offer(&self, number: u64, rows: &mut Collector<'_>) {
        self.offer_with(number, rows, || self.describe());
    }

    fn offer_with(&self, number: u64, rows: &mut Collector<'_>, raw: impl FnOnce() -> String) {
        let max_text = rows.options.max_field_bytes;
        let mut problems = self.wanted.iter().zip(&self.cells).filter_map(|(name, (cell, _))| cell.problem(name, max_text));
        if let Some(problem) = problems.next() {
            return rows.reject(number, problem, raw);
        }
        let cell = |at: usize| self.cells.get(at).map(|(cell, text)| (*cell, text.as_slice()));
        offer_cells(number, self.places, cell, rows, raw);
    }

    fn describe(&self) -> String {
        let value = |(cell, text): &(Cell, Vec<u8>)| match cell {
            Cell::Text | Cell::Number => format!("{:?}", String::from_utf8_lossy(text)),
            Cell::Missing => "null".to_owned(),
            _ => "…".to_owned(),
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

/// Passes on the cells of a row that has only texts and numbers.
fn offer_cells<'a>(
    number: u64,
    places: Wanted<usize>,
    cell: impl Fn(usize) -> Option<(Cell, &'a [u8])>,
    rows: &mut Collector<'_>,
    raw: impl FnOnce() -> String,
) {
    let text = |at: usize| cell(at).filter(|(cell, _)| cell.has_text()).map(|(_, text)| text);
    let whole = |at: usize| cell(at).filter(|(cell, _)| *cell == Cell::Number).and_then(|(_, text)| whole(text));
    if let Some((_, written)) = whole(places.user) {
        rows.tally.users.whole.add(written);
    }
    if let Some((_, written)) = whole(places.item) {
        rows.tally.items.whole.add(written);
    }
    let id = |at: usize| whole(at).map(|(whole, _)| whole.as_bytes()).or_else(|| text(at));
    let cells = Cells {
        user: id(places.user),
        item: id(places.item),
        time: places.time.and_then(text).map(TimeCell::Text),
        event: places.event.and_then(id),
    };
    rows.offer(number, cells, raw);
}

/// Returns a number whose fraction is all zeros, without it and as it is written.
fn whole(text: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(text).ok()?;
    Some((whole_number(text)?, text))
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
    Ok(match tokens.flaw.take() {
        Some(flaw) => Cell::Flawed(flaw),
        None if token == Token::Number => Cell::Number,
        None => Cell::Text,
    })
}
