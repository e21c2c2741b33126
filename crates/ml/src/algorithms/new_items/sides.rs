//! A matrix of weights between items as the product of two matrices of few columns.
//!
//! For the weights W (row: the item known, column: the item scored) it finds W ≈ Q · Rᵀ with orthonormal Q, by randomised
//! subspace iteration (Halko, Martinsson & Tropp 2011): a row of Q says what knowing an item means, a row of R what it is scored by.

use rayon::prelude::*;

use crate::algorithms::recommender::ItemWeights;
use crate::algorithms::singular::{random_block, times, turned};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::linalg::{self, Dense, Pencil};
use crate::simd::{Kernels, PAD, padded};
use crate::sparse::Csr;
use crate::tensors::{TensorReader, TensorWriter};

/// Columns of the product. A map from features is smooth: what finer structure the weights have, features do not explain.
const RANK: usize = 128;
/// Passes over the weights in each direction.
const PASSES: usize = 3;
/// Any seed: the result depends on it only through rounding.
const SEED: u64 = 1;
/// Rows that a thread takes at a time.
const ROWS: usize = 64;

/// Two matrices by rows of `width` whose product approximates the weights between items.
pub(in crate::algorithms) struct Sides {
    /// What knowing an item means.
    pub known: Vec<f32>,
    /// What an item is scored by.
    pub scored: Vec<f32>,
    /// Length of the rows, padded with zeros.
    pub width: usize,
}

impl Sides {
    /// Finds the two matrices; the same for the same weights on any number of threads.
    pub fn of(weights: ItemWeights<'_>, n_items: usize, ctx: &Context) -> MlResult<Self> {
        let columns = RANK.min(n_items);
        let width = padded(columns);
        let operator = Operator::new(weights, n_items);
        let mut scored = random_block(n_items, columns, width, SEED);
        for pass in 1..=PASSES {
            let known = orthonormal(&operator.times(&scored, width, ctx)?, width, ctx)?;
            scored = operator.times_transposed(&known, width, ctx)?;
            if pass == PASSES {
                return Ok(Sides { known, scored, width });
            }
            scored = orthonormal(&scored, width, ctx)?;
        }
        Ok(Sides { known: Vec::new(), scored, width })
    }
}

impl Sides {
    /// Computes what knowing some items means.
    pub fn meaning(&self, items: &[u32], values: &[f32]) -> Vec<f32> {
        let mut meaning = vec![0f32; self.width];
        Kernels::detect().add_rows(&self.known, items, values, &mut meaning);
        meaning
    }

    /// Computes what items behind these are scored by, from weights between all of them.
    pub fn scored_behind(&self, weights: &Csr) -> Vec<f32> {
        let n_own = self.known.len() / self.width;
        let mut scored = vec![0f32; weights.n_cols.saturating_sub(n_own) * self.width];
        for (row, known) in self.known.chunks_exact(self.width).enumerate() {
            let (items, values) = weights.row(row);
            let first = items.partition_point(|&item| (item as usize) < n_own);
            for (&item, weight) in items[first..].iter().zip(&values[first..]) {
                let to = &mut scored[(item as usize - n_own) * self.width..][..self.width];
                to.iter_mut().zip(known).for_each(|(to, known)| *to += weight * known);
            }
        }
        scored
    }

    /// Adds both to a container, under names that begin with `prefix`.
    pub fn save<'a>(&'a self, out: &mut TensorWriter<'a>, prefix: &str) {
        let shape = [self.known.len() / self.width, self.width];
        out.f32s(&format!("{prefix}.known"), &shape, &self.known);
        out.f32s(&format!("{prefix}.scored"), &shape, &self.scored);
    }

    /// Reads both back.
    pub fn load(input: &TensorReader<'_>, prefix: &str, n_items: usize, width: usize) -> MlResult<Self> {
        if width == 0 || !width.is_multiple_of(PAD) {
            return Err(MlError::BadArtifact(format!("the width of {prefix}.known is not a multiple of {PAD}")));
        }
        let side = |name: &str| input.f32s_shaped(&format!("{prefix}.{name}"), &[n_items, width]);
        Ok(Sides { known: side("known")?, scored: side("scored")?, width })
    }

    /// Returns the bytes held on the heap.
    pub fn heap_bytes(&self) -> u64 {
        (self.known.len() + self.scored.len()) as u64 * 4
    }
}

/// Weights that can be multiplied from both sides.
enum Operator<'a> {
    Sparse { rows: &'a Csr, columns: Csr },
    Dense { weights: &'a [f32], n_items: usize },
}

impl<'a> Operator<'a> {
    fn new(weights: ItemWeights<'a>, n_items: usize) -> Self {
        match weights {
            ItemWeights::Sparse(rows) => Operator::Sparse { rows, columns: rows.transpose() },
            ItemWeights::Dense(weights) => Operator::Dense { weights, n_items },
        }
    }

    fn times(&self, block: &[f32], width: usize, ctx: &Context) -> MlResult<Vec<f32>> {
        match self {
            Operator::Sparse { rows, .. } => times(rows, block, width, ctx),
            Operator::Dense { weights, n_items } => {
                let mut out = vec![0f32; block.len()];
                ctx.install(|| {
                    let rows = weights.par_chunks(ROWS * n_items).zip(out.par_chunks_mut(ROWS * width));
                    rows.try_for_each(|(rows, out)| {
                        ctx.check()?;
                        linalg::multiply(Dense::new(rows, *n_items), Dense::new(block, width), out);
                        Ok(())
                    })
                })?;
                Ok(out)
            }
        }
    }

    fn times_transposed(&self, block: &[f32], width: usize, ctx: &Context) -> MlResult<Vec<f32>> {
        match self {
            Operator::Sparse { columns, .. } => times(columns, block, width, ctx),
            Operator::Dense { weights, n_items } => {
                let mut out = vec![0f32; block.len()];
                let all = Dense::new(weights, *n_items);
                ctx.install(|| {
                    out.par_chunks_mut(ROWS * width).enumerate().try_for_each(|(at, out)| {
                        ctx.check()?;
                        let columns = all.columns(at * ROWS, out.len() / width);
                        linalg::multiply(columns.transposed(), Dense::new(block, width), out);
                        Ok(())
                    })
                })?;
                Ok(out)
            }
        }
    }
}

/// Returns a block whose columns span the same space and are orthonormal; columns beyond its rank are zero.
fn orthonormal(block: &[f32], width: usize, ctx: &Context) -> MlResult<Vec<f32>> {
    let gram = ctx.install(|| linalg::gram(block, width));
    let axes = Pencil::solve(&gram, &gram, width)?;
    Ok(turned(block, width, &axes, width, |_| 1.0, ctx))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_matrices_are_rebuilt_from_both_forms() {
        let n = 50;
        let value =
            |row: usize, column: usize| if (row * 3 + column * 5).is_multiple_of(7) { (row % 5) as f32 - 1.5 } else { 0.0 };
        let dense: Vec<f32> = (0..n * n).map(|at| value(at / n, at % n)).collect();
        let pairs = (0..n * n).filter(|&at| dense[at] != 0.0).map(|at| ((at / n) as u32, (at % n) as u32));
        let (rows, columns): (Vec<u32>, Vec<u32>) = pairs.unzip();
        let mut sparse = Csr::from_pairs(n, n, &rows, &columns).unwrap();
        sparse.values = dense.iter().copied().filter(|value| *value != 0.0).collect();
        for weights in [ItemWeights::Dense(&dense), ItemWeights::Sparse(&sparse)] {
            let Sides { known, scored, width } = Sides::of(weights, n, &Context::new(0, 2)).unwrap();
            for at in 0..n * n {
                let (row, column) = (&known[at / n * width..][..width], &scored[at % n * width..][..width]);
                let product: f32 = row.iter().zip(column).map(|(a, b)| a * b).sum();
                assert!((product - dense[at]).abs() < 1e-3, "{at}: {product} {}", dense[at]);
            }
        }
    }
}
