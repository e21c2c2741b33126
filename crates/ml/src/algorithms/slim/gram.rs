//! The Gram matrix of the items: how often two of them occur in the same history.

use rayon::prelude::*;

use crate::context::Context;
use crate::error::MlResult;
use crate::simd::{Aligned, padded};
use crate::sparse::Csr;

/// A row is dense when at least one entry in this many is not zero: twice the memory at most, and faster.
const DENSE_FROM: usize = 4;

/// `trainᵀ · train` by rows, each sparse or dense, whichever is better.
pub(super) struct Gram {
    rows: Vec<GramRow>,
    diagonal: Vec<f32>,
}

/// One row of a Gram matrix.
pub(super) enum GramRow {
    /// All entries, padded with zeros.
    Dense(Aligned),
    /// Columns in rising order with their values.
    Sparse(Vec<(u32, f32)>),
}

impl Gram {
    /// Returns an upper bound of the matrix' size, in bytes.
    pub fn bytes_at_most(train: &Csr) -> u64 {
        let n = train.n_cols;
        let mut meetings = vec![0usize; n];
        for user in 0..train.n_rows {
            let len = train.row_len(user);
            train.row_indices(user).iter().for_each(|&item| meetings[item as usize] += len);
        }
        let row = |&met: &usize| if is_dense(met, n) { padded(n) * 4 } else { met * 8 };
        meetings.iter().map(|met| row(met) as u64 + 40).sum()
    }

    /// Computes the matrix.
    pub fn new(train: &Csr, ctx: &Context) -> MlResult<Self> {
        let by_item = train.transpose();
        let n = train.n_cols;
        let rows: MlResult<Vec<GramRow>> = ctx.install(|| {
            let row = |sums: &mut Aligned, item: usize| {
                ctx.check()?;
                let (users, values) = by_item.row(item);
                for (&user, &value) in users.iter().zip(values) {
                    let (items, others) = train.row(user as usize);
                    items.iter().zip(others).for_each(|(&other, &v)| sums[other as usize] += value * v);
                }
                Ok(GramRow::take(sums, n))
            };
            (0..n).into_par_iter().with_max_len(16).map_init(|| Aligned::zeros(padded(n)), row).collect()
        });
        let diagonal = (0..n).map(|item| by_item.row(item).1.iter().map(|v| v * v).sum()).collect();
        Ok(Gram { rows: rows?, diagonal })
    }

    /// Returns the number of rows and of columns.
    pub fn n_items(&self) -> usize {
        self.rows.len()
    }

    /// Returns one row.
    pub fn row(&self, item: u32) -> &GramRow {
        &self.rows[item as usize]
    }

    /// Returns an entry of the diagonal.
    pub fn diagonal(&self, item: u32) -> f32 {
        self.diagonal[item as usize]
    }
}

fn is_dense(entries: usize, n: usize) -> bool {
    entries * DENSE_FROM >= n
}

impl GramRow {
    /// Moves the sums into a row and leaves zeros.
    fn take(sums: &mut Aligned, n: usize) -> Self {
        let entries = sums.iter().filter(|sum| **sum != 0.0).count();
        if is_dense(entries, n) {
            return GramRow::Dense(std::mem::replace(sums, Aligned::zeros(padded(n))));
        }
        let mut row = Vec::with_capacity(entries);
        row.extend(sums.iter().enumerate().filter(|(_, sum)| **sum != 0.0).map(|(col, &sum)| (col as u32, sum)));
        row.iter().for_each(|&(col, _)| sums[col as usize] = 0.0);
        GramRow::Sparse(row)
    }
}
