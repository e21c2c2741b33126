//! Products of two sparse matrices of which only the best entries of each row are kept: the basis of all neighbourhood and
//! random-walk models.

mod row;

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rayon::prelude::*;

use crate::context::Context;
use crate::error::MlResult;
use crate::sparse::Csr;
pub(super) use row::{Best, Sums};

/// A sparse matrix whose values are replaced by others, in double precision.
pub(super) struct Weighted<'a> {
    pub pattern: &'a Csr,
    /// Parallel to the entries of `pattern`.
    pub values: Vec<f64>,
}

impl<'a> Weighted<'a> {
    /// Returns the matrix with its own values.
    pub fn plain(pattern: &'a Csr) -> Self {
        Weighted { pattern, values: pattern.values.iter().map(|&v| f64::from(v)).collect() }
    }

    /// Returns the matrix with values computed from row, column and own value.
    pub fn map(pattern: &'a Csr, value: impl Fn(usize, usize, f64) -> f64) -> Self {
        let mut values = Vec::with_capacity(pattern.nnz());
        for row in 0..pattern.n_rows {
            let (cols, vals) = pattern.row(row);
            values.extend(cols.iter().zip(vals).map(|(&c, &v)| value(row, c as usize, f64::from(v))));
        }
        Weighted { pattern, values }
    }

    fn row(&self, row: usize) -> (&[u32], &[f64]) {
        let range = self.pattern.indptr[row]..self.pattern.indptr[row + 1];
        (&self.pattern.indices[range.clone()], &self.values[range])
    }

    /// Returns whether every value is 1.
    fn is_ones(&self) -> bool {
        self.values.iter().all(|&v| v == 1.0)
    }

    /// Returns the sum of squares of each column.
    pub fn column_squares(&self) -> Vec<f64> {
        let mut sums = vec![0f64; self.pattern.n_cols];
        for (&col, &val) in self.pattern.indices.iter().zip(&self.values) {
            sums[col as usize] += val * val;
        }
        sums
    }

    /// Returns the sum of squares of each row.
    pub fn row_squares(&self) -> Vec<f64> {
        (0..self.pattern.n_rows).map(|row| self.row(row).1.iter().map(|v| v * v).sum()).collect()
    }
}

/// Rows that a thread takes at a time: few, because rows of popular items cost much more than others.
const ROWS_AT_A_TIME: usize = 16;
/// Rows of the right matrix added between two checks for interruption.
const TERMS_AT_A_TIME: usize = 1024;

/// Computes each row of `left · right`, turns the dot products into similarities, and keeps the `top_k` greatest (equal ones by
/// smaller column). Columns whose product is zero are never kept.
///
/// Matrices of ones, the usual case, are multiplied by counting.
pub(super) fn top_rows(
    left: &Weighted<'_>,
    right: &Weighted<'_>,
    top_k: usize,
    ctx: &Context,
    similarity: &(impl Fn(usize, usize, f64) -> f64 + Sync + ?Sized),
) -> MlResult<Csr> {
    let product = Product { left, right, top_k, ctx, similarity };
    match (left.is_ones(), right.is_ones()) {
        (true, true) => product.rows(|sums: &mut Sums<u32>, middle, _| sums.add(right.pattern.row_indices(middle), 1)),
        (false, true) => product.rows(|sums: &mut Sums<f64>, middle, value| sums.add(right.pattern.row_indices(middle), value)),
        _ => product.rows(|sums: &mut Sums<f64>, middle, value| {
            let (cols, values) = right.row(middle);
            sums.add_each(cols, values.iter().map(|&v| value * v));
        }),
    }
}

struct Product<'a, F: ?Sized> {
    left: &'a Weighted<'a>,
    right: &'a Weighted<'a>,
    top_k: usize,
    ctx: &'a Context,
    similarity: &'a F,
}

impl<F: Fn(usize, usize, f64) -> f64 + Sync + ?Sized> Product<'_, F> {
    /// Computes all rows, with `add` adding a multiple of a row of the right matrix to the sums.
    fn rows<S>(&self, add: impl Fn(&mut Sums<S>, usize, f64) + Sync) -> MlResult<Csr>
    where
        S: Copy + Default + PartialEq + AddAssign + Into<f64>,
    {
        let (n_rows, n_cols) = (self.left.pattern.n_rows, self.right.pattern.n_cols);
        let n_blocks = n_rows.div_ceil(ROWS_AT_A_TIME);
        let done = AtomicU64::new(0);
        let work = |(sums, best): &mut (Sums<S>, Best), block: usize| {
            let mut rows = Rows::default();
            for row in (block * ROWS_AT_A_TIME..n_rows).take(ROWS_AT_A_TIME) {
                self.sum_up(row, sums, &add)?;
                sums.drain(|col, dot| best.offer((self.similarity)(row, col as usize, dot.into()), col));
                rows.lens.push(best.finish(&mut rows.indices, &mut rows.values));
            }
            self.ctx.progress(done.fetch_add(1, Relaxed) + 1, n_blocks as u64);
            Ok(rows)
        };
        self.ctx.install(|| {
            let buffers = || (Sums::new(n_cols), Best::new(self.top_k));
            let blocks = (0..n_blocks).into_par_iter().map_init(buffers, work).collect::<MlResult<Vec<Rows>>>()?;
            Ok(Rows::join(blocks, n_rows, n_cols))
        })
    }

    fn sum_up<S>(&self, row: usize, sums: &mut Sums<S>, add: &impl Fn(&mut Sums<S>, usize, f64)) -> MlResult<()>
    where
        S: Copy + Default + PartialEq + AddAssign,
    {
        let (middles, values) = self.left.row(row);
        sums.begin(middles.iter().map(|&middle| self.right.pattern.row_len(middle as usize)).sum());
        for (middles, values) in middles.chunks(TERMS_AT_A_TIME).zip(values.chunks(TERMS_AT_A_TIME)) {
            self.ctx.check()?;
            middles.iter().zip(values).for_each(|(&middle, &value)| add(sums, middle as usize, value));
        }
        Ok(())
    }
}

/// Finished rows.
#[derive(Default)]
struct Rows {
    lens: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl Rows {
    /// Joins all rows into one matrix, in the calling pool.
    fn join(blocks: Vec<Rows>, n_rows: usize, n_cols: usize) -> Csr {
        let mut joined = Csr::empty(n_rows, n_cols);
        for (row, len) in blocks.iter().flat_map(|block| &block.lens).enumerate() {
            joined.indptr[row + 1] = joined.indptr[row] + len;
        }
        let nnz = blocks.iter().map(|block| block.indices.len()).sum();
        joined.indices = vec![0; nnz];
        joined.values = vec![0.0; nnz];
        let (mut indices, mut values) = (&mut joined.indices[..], &mut joined.values[..]);
        let mut parts = Vec::with_capacity(blocks.len());
        for block in blocks {
            let (these, rest) = std::mem::take(&mut indices).split_at_mut(block.indices.len());
            indices = rest;
            let (those, rest) = std::mem::take(&mut values).split_at_mut(block.values.len());
            values = rest;
            parts.push((block, these, those));
        }
        parts.into_par_iter().for_each(|(block, indices, values)| {
            indices.copy_from_slice(&block.indices);
            values.copy_from_slice(&block.values);
        });
        joined
    }
}

/// Returns the bytes of two weighted matrices, the accumulators and the result of [`top_rows`].
pub(super) fn top_rows_bytes(nnz: usize, n_rows: usize, n_cols: usize, top_k: usize, threads: usize) -> u64 {
    let (nnz, n_rows, n_cols) = (nnz as u64, n_rows as u64, n_cols as u64);
    let kept = n_rows * n_cols.min(top_k as u64);
    // Transposed pattern and two sets of doubles; accumulators; rows before and after joining.
    nnz * (8 + 16) + threads as u64 * n_cols * 36 + kept * 16 + n_rows * 16
}
