//! Products of two sparse matrices of which only the best entries of each row are kept:
//! what all neighbourhood and random-walk models are made of.

use rayon::prelude::*;

use crate::ml::context::Context;
use crate::ml::error::MlResult;
use crate::ml::sparse::Csr;

/// A sparse matrix whose values are replaced by others, in double precision.
pub(super) struct Weighted<'a> {
    pub pattern: &'a Csr,
    /// Parallel to the entries of `pattern`.
    pub values: Vec<f64>,
}

impl<'a> Weighted<'a> {
    /// The matrix with its own values.
    pub fn plain(pattern: &'a Csr) -> Self {
        Weighted { pattern, values: pattern.values.iter().map(|&v| f64::from(v)).collect() }
    }

    /// The matrix with values computed from row, column and own value.
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

    /// Sum of squares of each column.
    pub fn column_squares(&self) -> Vec<f64> {
        let mut sums = vec![0f64; self.pattern.n_cols];
        for (&col, &val) in self.pattern.indices.iter().zip(&self.values) {
            sums[col as usize] += val * val;
        }
        sums
    }

    /// Sum of squares of each row.
    pub fn row_squares(&self) -> Vec<f64> {
        (0..self.pattern.n_rows).map(|row| self.row(row).1.iter().map(|v| v * v).sum()).collect()
    }
}

/// Rows handed to a thread at a time: small, because rows of popular items cost much more than others.
const ROWS_AT_A_TIME: usize = 16;

/// For each row of `left · right`: turns the dot products into similarities, and keeps the `top_k`
/// greatest (equal ones by smaller column). Columns that share nothing with the row are never kept.
pub(super) fn top_rows(
    left: &Weighted<'_>,
    right: &Weighted<'_>,
    top_k: usize,
    ctx: &Context,
    similarity: &(dyn Fn(usize, usize, f64) -> f64 + Sync),
) -> MlResult<Csr> {
    let n_rows = left.pattern.n_rows;
    let n_cols = right.pattern.n_cols;
    let starts: Vec<usize> = (0..n_rows).step_by(ROWS_AT_A_TIME).collect();
    let done = std::sync::atomic::AtomicU64::new(0);
    let blocks: MlResult<Vec<Rows>> = ctx.install(|| {
        let work = |row: &mut Accumulator, &start: &usize| {
            ctx.check()?;
            let mut rows = Rows::default();
            for at in start..(start + ROWS_AT_A_TIME).min(n_rows) {
                row.multiply(left.row(at), right);
                row.keep_best(top_k, |col, dot| similarity(at, col, dot));
                row.move_to(&mut rows);
            }
            let done = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            ctx.progress(done, starts.len() as u64);
            Ok(rows)
        };
        starts.par_iter().map_init(|| Accumulator::new(n_cols), work).collect()
    });
    Ok(Rows::join(blocks?, n_rows, n_cols))
}

/// Finished rows.
#[derive(Default)]
struct Rows {
    lens: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl Rows {
    fn join(blocks: Vec<Rows>, n_rows: usize, n_cols: usize) -> Csr {
        let mut joined = Csr::empty(n_rows, n_cols);
        let nnz = blocks.iter().map(|block| block.indices.len()).sum();
        joined.indices.reserve_exact(nnz);
        joined.values.reserve_exact(nnz);
        let mut row = 0;
        for block in blocks {
            for len in block.lens {
                joined.indptr[row + 1] = joined.indptr[row] + len;
                row += 1;
            }
            joined.indices.extend_from_slice(&block.indices);
            joined.values.extend_from_slice(&block.values);
        }
        joined
    }
}

/// One row of the product while it is being made.
struct Accumulator {
    sums: Vec<f64>,
    touched: Vec<bool>,
    columns: Vec<u32>,
    best: Vec<(f64, u32)>,
}

impl Accumulator {
    fn new(n_cols: usize) -> Self {
        Accumulator { sums: vec![0.0; n_cols], touched: vec![false; n_cols], columns: Vec::new(), best: Vec::new() }
    }

    fn multiply(&mut self, (cols, vals): (&[u32], &[f64]), right: &Weighted<'_>) {
        for (&middle, &left) in cols.iter().zip(vals) {
            let (cols, vals) = right.row(middle as usize);
            for (&col, &val) in cols.iter().zip(vals) {
                let at = col as usize;
                if !self.touched[at] {
                    self.touched[at] = true;
                    self.columns.push(col);
                }
                self.sums[at] += left * val;
            }
        }
    }

    /// Moves the best entries to `best`, by column, and clears the sums.
    fn keep_best(&mut self, top_k: usize, similarity: impl Fn(usize, f64) -> f64) {
        self.best.clear();
        for &col in &self.columns {
            let at = col as usize;
            self.best.push((similarity(at, self.sums[at]), col));
            self.sums[at] = 0.0;
            self.touched[at] = false;
        }
        self.columns.clear();
        if self.best.len() > top_k {
            if top_k > 0 {
                self.best.select_nth_unstable_by(top_k - 1, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            }
            self.best.truncate(top_k);
        }
        self.best.sort_unstable_by_key(|&(_, col)| col);
    }

    fn move_to(&self, rows: &mut Rows) {
        rows.lens.push(self.best.len());
        rows.indices.extend(self.best.iter().map(|&(_, col)| col));
        rows.values.extend(self.best.iter().map(|&(value, _)| value as f32));
    }
}

/// Bytes of two weighted matrices, the accumulators and the result of [`top_rows`].
pub(super) fn top_rows_bytes(nnz: usize, n_rows: usize, n_cols: usize, top_k: usize, threads: usize) -> u64 {
    let (nnz, n_rows, n_cols) = (nnz as u64, n_rows as u64, n_cols as u64);
    let kept = n_rows * n_cols.min(top_k as u64);
    // Transposed pattern and two sets of doubles; accumulators; rows before and after joining.
    nnz * (8 + 16) + threads as u64 * n_cols * 30 + kept * 16 + n_rows * 16
}
