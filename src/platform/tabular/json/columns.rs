//! An object of columns: `{"user_id": {"0": "a", …}, …}` or `{"user_id": ["a", …], …}`.

use std::collections::HashMap;

use super::super::collector::{Cells, Collector, MAX_COLUMNS, TimeCell, Wanted, locate};
use super::super::error::TabularError;
use super::tokens::{Token, Tokens};
use super::{Cell, keep};

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
    while tokens.required()? == Token::Key {
        let place = wanted.iter().position(|name| name.as_bytes() == tokens.text);
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
    offer_rows(&align(columns), places, rows);
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
        let cell = keep(token, tokens, &mut text)?;
        column.push(cell, &text);
        if column.text.len() + column.ends.len() * 18 > room {
            return Err(TabularError::TooLarge { limit: MAX_HELD as u64 });
        }
    }
}

/// Brings the columns into the row order of the first, by their labels.
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

fn offer_rows(columns: &[Column], places: Wanted<usize>, rows: &mut Collector<'_>) {
    let n_rows = columns.iter().map(Column::len).max().unwrap_or(0);
    for row in 0..n_rows {
        let cells: Vec<(Cell, &[u8])> = columns.iter().map(|column| column.get(row)).collect();
        let raw = || {
            let texts = cells.iter().map(|(_, text)| format!("{:?}", String::from_utf8_lossy(text)));
            texts.collect::<Vec<_>>().join(", ")
        };
        if cells.iter().any(|(cell, _)| *cell == Cell::Nested) {
            rows.reject(row as u64 + 1, "a value is neither text nor a number".to_owned(), raw);
            continue;
        }
        let text = |at: usize| cells.get(at).filter(|(cell, _)| *cell == Cell::Text).map(|(_, text)| *text);
        let cells = Cells {
            user: text(places.user),
            item: text(places.item),
            time: places.time.and_then(text).map(TimeCell::Text),
            event: places.event.and_then(text),
        };
        rows.offer(row as u64 + 1, cells, raw);
    }
}
