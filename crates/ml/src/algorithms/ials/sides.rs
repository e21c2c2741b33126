//! The interactions as each half of an epoch needs them: by users, and by items.

use std::borrow::Cow;

use super::settings::{Scaling, Settings};
use crate::sparse::Csr;

/// The weights of the interactions of one side.
#[derive(Debug, Clone)]
pub(super) enum Confidences<'a> {
    /// One weight for all, as without event weights.
    All(f32),
    /// One for each interaction.
    Each(Cow<'a, [f32]>),
}

/// The weights of one row.
#[derive(Debug, Clone, Copy)]
pub(super) enum RowConfidences<'a> {
    All(f32),
    /// Parallel to the row's indices.
    Each(&'a [f32]),
}

/// Interactions by rows.
#[derive(Debug)]
pub(super) struct Side<'a> {
    indptr: Cow<'a, [usize]>,
    indices: Cow<'a, [u32]>,
    confidences: Confidences<'a>,
}

/// One row: the numbers of the other side that it interacted with, and their weights.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    /// Numbers of the other side.
    pub indices: &'a [u32],
    /// Indices of the rows after this one.
    pub upcoming: &'a [u32],
    /// Weight of each interaction.
    pub confidences: RowConfidences<'a>,
    /// What the penalty pulls it to, padded; `None` for zero.
    pub prior: Option<&'a [f32]>,
}

impl<'a> Side<'a> {
    /// Returns the interactions by users. Copies only values that have to be scaled.
    pub fn of_users(train: &'a Csr, settings: &Settings) -> Self {
        let confidence = |value| settings.scaling.one(value, settings.epsilon);
        let first = train.values.first().copied().unwrap_or(1.0);
        let confidences = if train.values.iter().all(|&value| value == first) {
            Confidences::All(confidence(first))
        } else if settings.scaling == Scaling::None {
            Confidences::Each(Cow::Borrowed(&train.values))
        } else {
            Confidences::Each(train.values.iter().map(|&value| confidence(value)).collect())
        };
        Side { indptr: Cow::Borrowed(&train.indptr), indices: Cow::Borrowed(&train.indices), confidences }
    }

    /// Returns the interactions by the other side, which has `n` rows.
    pub fn transposed(&self, n: usize) -> Side<'static> {
        let mut indptr = vec![0usize; n + 1];
        self.indices.iter().for_each(|&index| indptr[index as usize + 1] += 1);
        (0..n).for_each(|at| indptr[at + 1] += indptr[at]);
        let mut next = indptr.clone();
        let mut indices = vec![0u32; self.indices.len()];
        let mut values = match &self.confidences {
            Confidences::All(_) => Vec::new(),
            Confidences::Each(values) => vec![0f32; values.len()],
        };
        for row in 0..self.len() {
            for from in self.indptr[row]..self.indptr[row + 1] {
                let to = &mut next[self.indices[from] as usize];
                indices[*to] = row as u32;
                if let Confidences::Each(from_values) = &self.confidences {
                    values[*to] = from_values[from];
                }
                *to += 1;
            }
        }
        let confidences = match self.confidences {
            Confidences::All(value) => Confidences::All(value),
            Confidences::Each(_) => Confidences::Each(Cow::Owned(values)),
        };
        Side { indptr: Cow::Owned(indptr), indices: Cow::Owned(indices), confidences }
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.indptr.len() - 1
    }

    /// Returns one row.
    pub fn row(&self, row: usize) -> Row<'_> {
        let range = self.indptr[row]..self.indptr[row + 1];
        let confidences = match &self.confidences {
            Confidences::All(value) => RowConfidences::All(*value),
            Confidences::Each(values) => RowConfidences::Each(&values[range.clone()]),
        };
        Row { indices: &self.indices[range.clone()], upcoming: &self.indices[range.end..], confidences, prior: None }
    }
}
