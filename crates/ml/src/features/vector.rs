//! Vectors made elsewhere, such as embeddings of a language model.

use std::collections::BTreeMap;

use super::blocks::in_blocks;
use super::cells::{Cell, Told, quoted};
use super::scratch::Entry;
use super::source::Source;
use crate::context::Context;
use crate::error::MlResult;

/// Most numbers of a vector.
pub(super) const WIDEST: usize = 4096;

/// Returns the width of the vectors of training items; `None` if no item has one. Where widths differ, it is the most frequent
/// one, of equally frequent ones the first, and vectors of another width are refused.
pub(super) fn fit(source: &Source<'_>, rows: &[Option<u32>], ctx: &Context) -> MlResult<Option<usize>> {
    let parts = in_blocks(rows, ctx, |first, rows| {
        // By width: how many there are, and the place of the first.
        let mut widths: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        let mut numbers = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            let Some(row) = *row else { continue };
            if source.read(row, |cell| read(&cell, &mut numbers))? {
                widths.entry(numbers.len()).or_insert((0, first + at)).0 += 1;
            }
        }
        Ok(widths)
    })?;
    let mut widths: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for (width, (n, at)) in parts.into_iter().flatten() {
        widths.entry(width).or_insert((0, at)).0 += n;
    }
    let usual = widths.iter().max_by_key(|(_, (n, at))| (*n, std::cmp::Reverse(*at))).map(|(width, _)| *width);
    if let Some(usual) = usual.filter(|_| widths.len() > 1) {
        refuse_others(source, rows, usual, ctx)?;
    }
    Ok(usual)
}

/// Refuses the vectors whose width is not the usual one.
fn refuse_others(source: &Source<'_>, rows: &[Option<u32>], usual: usize, ctx: &Context) -> MlResult<()> {
    in_blocks(rows, ctx, |_, rows| {
        let mut numbers = Vec::new();
        for row in rows.iter().flatten() {
            if source.read(*row, |cell| read(&cell, &mut numbers))? && numbers.len() != usual {
                source.refuse_width(*row, numbers.len(), &format!("and others have {usual}"))?;
            }
        }
        Ok(())
    })?;
    Ok(())
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
            return source.refuse_width(row, numbers.len(), &format!("and the model was trained with {width}"));
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
