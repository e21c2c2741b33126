//! An object of columns: `{"user_id": {"0": "a", …}, …}` or `{"user_id": ["a", …], …}`.

use std::collections::HashMap;

use super::super::collector::{Collector, MAX_COLUMNS};
use super::super::error::TabularError;
use super::super::options::{Wanted, locate};
use super::super::times::{TimeCell, TimeSample};
use super::tokens::{Token, Tokens};
use super::{Cell, keep, offer_cells};

/// The wanted columns have to be held in memory until the last of them is read.
const MAX_HELD: usize = 2 << 30;

/// A column: texts one after another in one buffer.
#[derive(Default)]
struct Column {
    text: Vec<u8>,
    ends: Vec<usize>,
    cells: Vec<Cell>,
    /// Row labels, when the column is an object.
    labels: Option<Box<Column>>,
}

impl Column {
    fn push(&mut self, cell: Cell, text: &[u8]) {
        self.text.extend_from_slice(text);
        self.ends.push(self.text.len());
        self.cells.push(cell);
    }

    fn len(&self) -> usize {
        self.cells.len()
    }

    fn slice(&self, at: usize) -> &[u8] {
        let from = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.text[from..self.ends[at]]
    }

    fn get(&self, at: usize) -> (Cell, &[u8]) {
        if at < self.len() { (self.cells[at], self.slice(at)) } else { (Cell::Missing, &[]) }
    }

    /// Samples the times of the column, all of which are in memory.
    fn sample(&self) -> TimeSample {
        let mut sample = TimeSample::default();
        let texts = (0..self.len()).filter(|&at| self.cells[at].has_text()).map(|at| self.slice(at));
        texts.for_each(|text| sample.add(TimeCell::Text(text)));
        sample
    }

    fn held(&self) -> usize {
        self.text.len() + self.ends.len() * 9 + self.labels.as_ref().map_or(0, |labels| labels.held())
    }

    fn same_labels(&self, other: &Column) -> bool {
        match (&self.labels, &other.labels) {
            (Some(a), Some(b)) => a.text == b.text && a.ends == b.ends,
            (None, None) => true,
            _ => false,
        }
    }
}

/// Reads the pairs after `{`.
pub(super) fn read(tokens: &mut Tokens<'_>, rows: &mut Collector<'_>) -> Result<(), TabularError> {
    let (wanted, places) = rows.options.wanted().distinct();
    let mut names = Vec::new();
    let mut columns: Vec<Column> = wanted.iter().map(|_| Column::default()).collect();
    let mut held = 0;
    loop {
        tokens.flaw = None;
        if tokens.required()? != Token::Key {
            break;
        }
        let place = wanted.iter().position(|name| tokens.flaw.is_none() && name.as_bytes() == tokens.text);
        if names.len() < MAX_COLUMNS {
            names.push(String::from_utf8_lossy(&tokens.text).into_owned());
        }
        let token = tokens.required()?;
        match (place, token) {
            (Some(place), Token::ArrayStart | Token::ObjectStart) => {
                columns[place] = read_column(token, tokens, MAX_HELD.saturating_sub(held))?;
                held += columns[place].held();
            }
            (Some(_), _) => {
                return Err(tokens.error("expected a column of values; if each line holds one record, name the file .jsonl"));
            }
            (None, other) => tokens.skip(other)?,
        }
    }
    locate(&names, rows.options.wanted())?;
    rows.tally.report.columns = names;
    let columns = align(columns);
    if let Some(times) = places.time.and_then(|place| columns.get(place)) {
        rows.times = times.sample().decide();
    }
    offer_rows(&columns, places, &wanted, rows);
    Ok(())
}

fn read_column(start: Token, tokens: &mut Tokens<'_>, room: usize) -> Result<Column, TabularError> {
    let mut column = Column::default();
    let mut labels = (start == Token::ObjectStart).then(Column::default);
    let mut text = Vec::new();
    loop {
        let mut token = tokens.required()?;
        if matches!(token, Token::ArrayEnd | Token::ObjectEnd) {
            column.labels = labels.map(Box::new);
            return Ok(column);
        }
        if let Some(labels) = &mut labels {
            labels.push(Cell::Text, &tokens.text);
            token = tokens.required()?;
        }
        tokens.flaw = None;
        let cell = keep(token, tokens, &mut text)?;
        column.push(cell, &text);
        if column.text.len() + column.ends.len() * 18 > room {
            return Err(TabularError::TooLarge { limit: MAX_HELD as u64 });
        }
    }
}

/// Reorders the columns to the row order of the first, by their labels.
fn align(columns: Vec<Column>) -> Vec<Column> {
    let mut columns = columns.into_iter();
    let Some(first) = columns.next() else { return Vec::new() };
    let others: Vec<Column> =
        columns.map(|column| if column.same_labels(&first) { column } else { reorder(&first, &column) }).collect();
    std::iter::once(first).chain(others).collect()
}

fn reorder(first: &Column, column: &Column) -> Column {
    let (Some(order), Some(labels)) = (&first.labels, &column.labels) else {
        let mut same = Column::default();
        (0..column.len()).for_each(|at| same.push(column.cells[at], column.slice(at)));
        return same;
    };
    let places: HashMap<&[u8], usize> = (0..labels.len()).map(|at| (labels.slice(at), at)).collect();
    let mut ordered = Column::default();
    for row in 0..order.len() {
        let (cell, text) = places.get(order.slice(row)).map_or((Cell::Missing, &[][..]), |&at| column.get(at));
        ordered.push(cell, text);
    }
    ordered
}

fn offer_rows(columns: &[Column], places: Wanted<usize>, wanted: &[&str], rows: &mut Collector<'_>) {
    let n_rows = columns.iter().map(Column::len).max().unwrap_or(0);
    let max_text = rows.options.max_field_bytes;
    for row in 0..n_rows {
        let cell = |at: usize| columns.get(at).map(|column| column.get(row));
        let raw = || {
            let texts = columns.iter().map(|column| format!("{:?}", String::from_utf8_lossy(column.get(row).1)));
            texts.collect::<Vec<_>>().join(", ")
        };
        let mut problems = wanted.iter().zip(columns).filter_map(|(name, column)| column.get(row).0.problem(name, max_text));
        match problems.next() {
            Some(problem) => rows.reject(row as u64 + 1, problem, raw),
            None => offer_cells(row as u64 + 1, places, cell, rows, raw),
        }
    }
}
