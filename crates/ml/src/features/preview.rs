//! What encoded items look like to a person: the terms of one, and the items most like it.

use std::ops::Range;

use serde::Serialize;

use super::encoder::Encoder;
use super::spec::{Field, FieldKind};
use crate::error::{MlError, MlResult};
use crate::ranking::{Candidates, top_k};
use crate::sparse::Csr;

/// Most terms of a field that are shown.
const SHOWN: usize = 30;

/// Terms that two items share and that are shown.
const SHARED: usize = 3;

/// What one field makes of an item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldTerms {
    /// Name of the column.
    pub column: String,
    /// Kind of the field.
    pub kind: FieldKind,
    /// Number of terms; none when the item has nothing that a training item had.
    pub n_terms: usize,
    /// The heaviest ones first, 30 at most.
    pub terms: Vec<Term>,
}

/// A term of an item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Term {
    /// A word or category, the numbers that a number lies between, `missing`, or the width of a vector.
    pub label: String,
    /// Its length in the encoded item.
    pub weight: f32,
}

/// An item like another one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Neighbour {
    /// Its row in the encoded matrix.
    pub row: usize,
    /// Cosine of the angle between the two encoded items.
    pub cosine: f32,
    /// What makes them alike, the heaviest first, 3 at most.
    pub shared: Vec<SharedTerm>,
}

/// A term that two items share.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SharedTerm {
    /// Name of the column.
    pub column: String,
    /// As in [`Term::label`].
    pub label: String,
    /// Its part of the cosine.
    pub weight: f32,
}

impl Encoder {
    /// Returns what each field makes of an encoded item.
    pub fn terms_of(&self, encoded: &Csr, row: usize) -> MlResult<Vec<FieldTerms>> {
        self.require_row(encoded, row)?;
        let (columns, values) = encoded.row(row);
        let squares: Vec<f32> = values.iter().map(|value| value * value).collect();
        let of_field = |(number, field): (usize, &Field)| {
            let term = |(label, square): (String, f32)| Term { label, weight: square.sqrt() };
            let mut terms: Vec<Term> = self.meanings(number, columns, &squares).into_iter().map(term).collect();
            terms.sort_by(|a, b| b.weight.total_cmp(&a.weight));
            let n_terms = terms.len();
            terms.truncate(SHOWN);
            FieldTerms { column: field.column.clone(), kind: field.kind, n_terms, terms }
        };
        Ok(self.spec.fields.iter().enumerate().map(of_field).collect())
    }

    /// Returns for each field the share of the encoded items of which it knows nothing.
    pub fn empty_shares(&self, encoded: &Csr) -> MlResult<Vec<f32>> {
        self.require_width(encoded)?;
        let fields: Vec<Range<usize>> = (0..self.spec.fields.len()).map(|field| self.field_columns(field)).collect();
        let mut empty = vec![0usize; fields.len()];
        for row in 0..encoded.n_rows {
            let columns = encoded.row_indices(row);
            for (field, empty) in fields.iter().zip(&mut empty) {
                *empty += usize::from(part(columns, field).is_empty());
            }
        }
        Ok(empty.into_iter().map(|empty| empty as f32 / encoded.n_rows.max(1) as f32).collect())
    }

    /// Returns the `n` encoded items most like one, by the cosine, without those that have nothing in common with it.
    pub fn nearest(&self, encoded: &Csr, row: usize, n: usize) -> MlResult<Vec<Neighbour>> {
        self.require_row(encoded, row)?;
        let cosines = cosines(encoded, row);
        let best = top_k(&cosines, n, &Candidates { seen: &[row as u32], ..Candidates::default() });
        let like = best.into_iter().filter(|(_, cosine)| *cosine > 0.0);
        let neighbour = |(other, cosine)| {
            let other = other as usize;
            Neighbour { row: other, cosine, shared: self.shared(encoded, row, other) }
        };
        Ok(like.map(neighbour).collect())
    }

    fn shared(&self, encoded: &Csr, one: usize, other: usize) -> Vec<SharedTerm> {
        let lengths = (squares(encoded, one) * squares(encoded, other)).sqrt().max(f32::MIN_POSITIVE);
        let ((columns, values), (others, theirs)) = (encoded.row(one), encoded.row(other));
        let product =
            |(column, value): (&u32, &f32)| Some((*column, value * theirs[others.binary_search(column).ok()?] / lengths));
        let (columns, products): (Vec<u32>, Vec<f32>) = columns.iter().zip(values).filter_map(product).unzip();
        let of_field = |(number, field): (usize, &Field)| {
            let term = |(label, weight)| SharedTerm { column: field.column.clone(), label, weight };
            self.meanings(number, &columns, &products).into_iter().map(term).collect::<Vec<_>>()
        };
        let mut shared: Vec<SharedTerm> = self.spec.fields.iter().enumerate().flat_map(of_field).collect();
        shared.retain(|term| term.weight > 0.0);
        shared.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        shared.truncate(SHARED);
        shared
    }

    /// Names the entries of a field among those of an item.
    fn meanings(&self, field: usize, columns: &[u32], values: &[f32]) -> Vec<(String, f32)> {
        let range = self.field_columns(field);
        let entry = |at: usize| (columns[at] as usize - range.start, values[at]);
        let entries: Vec<(usize, f32)> = part(columns, &range).map(entry).collect();
        self.blocks[field].fitted.meanings(&entries)
    }

    fn require_width(&self, encoded: &Csr) -> MlResult<()> {
        match encoded.n_cols == self.n_columns() {
            true => Ok(()),
            false => Err(MlError::BadInput(format!("{} columns, the encoder has {}", encoded.n_cols, self.n_columns()))),
        }
    }

    fn require_row(&self, encoded: &Csr, row: usize) -> MlResult<()> {
        self.require_width(encoded)?;
        match row < encoded.n_rows {
            true => Ok(()),
            false => Err(MlError::BadInput(format!("row {row} is outside a matrix of {} rows", encoded.n_rows))),
        }
    }
}

/// Returns the places of the columns of a field among those of an item.
fn part(columns: &[u32], field: &Range<usize>) -> Range<usize> {
    let place = |end: usize| columns.partition_point(|column| (*column as usize) < end);
    place(field.start)..place(field.end)
}

/// Computes the cosines between a row and all rows, in one pass.
fn cosines(encoded: &Csr, row: usize) -> Vec<f32> {
    let mut own = vec![0f32; encoded.n_cols];
    let (columns, values) = encoded.row(row);
    columns.iter().zip(values).for_each(|(column, value)| own[*column as usize] = *value);
    let length = squares(encoded, row).sqrt();
    let cosine = |other: usize| {
        let (columns, values) = encoded.row(other);
        let (mut product, mut square) = (0f32, 0f32);
        for (column, value) in columns.iter().zip(values) {
            product += own[*column as usize] * value;
            square += value * value;
        }
        product / (length * square.sqrt()).max(f32::MIN_POSITIVE)
    };
    (0..encoded.n_rows).map(cosine).collect()
}

fn squares(encoded: &Csr, row: usize) -> f32 {
    encoded.row(row).1.iter().map(|value| value * value).sum()
}
