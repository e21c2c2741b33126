//! Vectors made elsewhere, such as embeddings of a language model.

use super::blocks::in_blocks;
use super::cells::{Cell, Told, quoted};
use super::scratch::Entry;
use super::source::Source;
use crate::context::Context;
use crate::error::MlResult;

/// Most numbers of a vector.
pub(super) const WIDEST: usize = 4096;

/// Returns the common width of the vectors of all training items; `None` if no item has one.
pub(super) fn fit(source: &Source<'_>, rows: &[Option<u32>], ctx: &Context) -> MlResult<Option<usize>> {
    let mut numbers = Vec::new();
    let mut width = None;
    for row in rows.iter().flatten() {
        if source.read(*row, |cell| read(&cell, &mut numbers))? {
            width = Some(numbers.len());
            break;
        }
    }
    let Some(width) = width else { return Ok(None) };
    in_blocks(rows, ctx, |_, rows| {
        let mut numbers = Vec::new();
        for row in rows.iter().flatten() {
            if source.read(*row, |cell| read(&cell, &mut numbers))? && numbers.len() != width {
                return Err(source.wrong_width(*row, numbers.len(), &format!("those before it {width}")));
            }
        }
        Ok(())
    })?;
    Ok(Some(width))
}

/// Appends the entries of the vector of a row.
pub(super) fn encode(
    source: &Source<'_>,
    row: u32,
    (first, width): (u32, usize),
    numbers: &mut Vec<f32>,
    out: &mut Vec<Entry>,
) -> MlResult<()> {
    if source.read(row, |cell| read(&cell, numbers))? {
        if numbers.len() != width {
            return Err(source.wrong_width(row, numbers.len(), &format!("and the model was trained with {width}")));
        }
        let entries = (first..).zip(numbers.iter()).map(|(at, number)| (at, f64::from(*number)));
        out.extend(entries.filter(|(_, number)| *number != 0.0));
    }
    Ok(())
}

/// Reads the numbers of a cell: a JSON array, or a text with numbers between commas or blanks, with or without brackets.
/// Returns whether there are any.
fn read(cell: &Cell<'_>, numbers: &mut Vec<f32>) -> Told<bool> {
    numbers.clear();
    match cell {
        Cell::Missing => return Ok(false),
        Cell::Number(_) => numbers.push(number(cell)?),
        Cell::Text(text) => {
            let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
            for part in inner.split([',', ' ', '\t', '\n', ';']).filter(|part| !part.is_empty()) {
                numbers.push(number(&Cell::Text(part.into()))?);
            }
        }
        Cell::Values(values) => {
            for value in *values {
                numbers.push(number(&Cell::of(value)?)?);
            }
        }
        Cell::Texts(texts) => {
            for text in texts {
                numbers.push(number(&Cell::Text(text.as_ref().into()))?);
            }
        }
    }
    match numbers.len() {
        n if n > WIDEST => Err(format!("has a vector of {n} numbers; at most {WIDEST} are possible")),
        n => Ok(n > 0),
    }
}

fn number(cell: &Cell<'_>) -> Told<f32> {
    match (cell.number()?, cell) {
        (Some(value), _) => Ok(value as f32),
        (None, Cell::Text(text)) => Err(format!("has {} in its vector, which is not a number", quoted(text))),
        (None, _) => Err("has a vector in which a number is missing".to_owned()),
    }
}
