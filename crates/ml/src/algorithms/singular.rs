//! The largest singular values of a sparse matrix and their vectors, by randomised subspace iteration
//! (Halko, Martinsson & Tropp 2011).
//!
//! Each step multiplies a block of item vectors by XᵀX and turns it to the Ritz vectors (Rayleigh & Ritz), so that its columns
//! stay apart however far the singular values do; Gram matrices are summed in double precision. A share of the previous block is
//! subtracted, which speeds up convergence as Chebyshev polynomials do (Xu, He, De Sa, Mitliagkas & Ré 2018, "Accelerated
//! stochastic power iteration"). The iteration ends when the wanted singular values have settled: the result does not depend on
//! the seed except for signs and rounding.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::TrainShape;
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::linalg::{self, Dense, Pencil};
use crate::simd::{Kernels, padded};
use crate::sparse::Csr;

/// Singular vectors by rows, padded with zeros.
pub(super) struct Singular {
    /// Columns that count. Beyond the rank of the matrix they are zero.
    pub k: usize,
    /// Left vectors, times the singular values.
    pub users: Vec<f32>,
    /// Right vectors, orthonormal.
    pub items: Vec<f32>,
    /// Singular values, greatest first; no more than the rank of the matrix.
    pub values: Vec<f64>,
}

/// Largest number of steps. Only matrices with long runs of nearly equal singular values reach it.
const STEPS: u64 = 100;
/// Change of the square of a singular value in one step, relative to the square, that counts as none. Rounding alone changes it
/// by some 2e-7.
const SETTLED: f64 = 1e-6;
/// First step in which the previous block is subtracted.
const MOMENTUM_FROM: u64 = 3;

/// Returns the number of columns of the block: the requested ones and those that speed up convergence.
fn block_len(k: usize) -> usize {
    k + (k / 2).clamp(16, 64)
}

/// Estimates the peak memory of the decomposition.
pub(super) fn singular_bytes(k: usize, shape: TrainShape) -> u64 {
    let smaller = shape.n_users.min(shape.n_items);
    let (width, rows) = (padded(block_len(k).min(smaller)) as u64, (shape.n_users + shape.n_items) as u64);
    // Blocks of both sides and their inputs, the transposed matrix, small matrices of doubles.
    rows * width * 16 + shape.nnz as u64 * 8 + shape.n_items as u64 * 8 + 24 * width * width * 8
}

/// Computes the `k` largest singular values with their vectors; fewer if the matrix has fewer rows or columns.
pub(super) fn top_singular(train: &Csr, by_item: &Csr, k: usize, seed: u64, ctx: &Context) -> MlResult<Singular> {
    let smaller = train.n_rows.min(train.n_cols);
    let k = k.min(smaller).max(1);
    let columns = block_len(k).min(smaller);
    let width = padded(columns);
    let mut items = random_block(train.n_cols, columns, width, seed);
    let mut earlier = vec![0f32; items.len()];
    let mut before = vec![0f64; k];
    for step in 1..=STEPS {
        ctx.check()?;
        let users = times(train, &items, width, ctx)?;
        let (ours, theirs) = ctx.install(|| (linalg::gram(&users, width), linalg::gram(&items, width)));
        let ritz = Pencil::solve(&ours, &theirs, width)?;
        let settled = before.iter().zip(&ritz.values).all(|(old, new)| (new - old).abs() <= SETTLED * new);
        ctx.progress(step, STEPS);
        if settled || step == STEPS {
            let vectors = |block: &[f32]| turned(block, width, &ritz, k, |_| 1.0, ctx);
            let values = ritz.values.iter().take(k).map(|square| square.sqrt()).collect();
            return finite(Singular { k, users: vectors(&users), items: vectors(&items), values });
        }
        let scaled = |block: &[f32]| turned(block, width, &ritz, width, |square| 1.0 / square, ctx);
        let mut next = times(by_item, &scaled(&users), width, ctx)?;
        // Components below the block's least Ritz value are damped. Before the first steps that value is unreliable.
        if step >= MOMENTUM_FROM && ritz.values.len() == columns {
            let share = (ritz.values[columns - 1].powi(2) / 4.0) as f32;
            next.iter_mut().zip(scaled(&earlier)).for_each(|(next, earlier)| *next -= share * earlier);
        }
        earlier = scaled(&items);
        items = next;
        before.iter_mut().zip(&ritz.values).for_each(|(old, &new)| *old = new);
    }
    Err(MlError::NotFinite("singular values".into()))
}

fn finite(found: Singular) -> MlResult<Singular> {
    let finite = found.users.iter().chain(&found.items).all(|value| value.is_finite());
    if finite { Ok(found) } else { Err(MlError::NotFinite("singular vectors".into())) }
}

/// Rows that a thread takes at a time.
const ROWS: usize = 64;

/// Computes `matrix · block`, where the block's rows are `width` long.
pub(super) fn times(matrix: &Csr, block: &[f32], width: usize, ctx: &Context) -> MlResult<Vec<f32>> {
    let kernels = Kernels::detect();
    let mut out = vec![0f32; matrix.n_rows * width];
    ctx.install(|| {
        out.par_chunks_mut(ROWS * width).enumerate().try_for_each(|(at, rows)| {
            ctx.check()?;
            for (row, to) in rows.chunks_exact_mut(width).enumerate() {
                let (indices, values) = matrix.row(at * ROWS + row);
                to.fill(0.0);
                kernels.add_rows(block, indices, values, to);
            }
            Ok(())
        })
    })?;
    Ok(out)
}

/// Multiplies the block by the Ritz vectors, each scaled by `scale` of its value; `k` columns, padded.
pub(super) fn turned(
    block: &[f32],
    width: usize,
    ritz: &Pencil,
    k: usize,
    scale: impl Fn(f64) -> f64,
    ctx: &Context,
) -> Vec<f32> {
    let to = padded(k);
    let mut turn = vec![0f32; width * to];
    for (vector, column) in ritz.vectors.chunks_exact(width).enumerate().take(k) {
        let scale = scale(ritz.values[vector]);
        column.iter().enumerate().for_each(|(row, &value)| turn[row * to + vector] = (value * scale) as f32);
    }
    let mut out = vec![0f32; block.len() / width * to];
    ctx.install(|| {
        let rows = block.par_chunks(ROWS * width).zip(out.par_chunks_mut(ROWS * to));
        rows.for_each(|(rows, out)| linalg::multiply(Dense::new(rows, width), Dense::new(&turn, to), out));
    });
    out
}

/// Draws numbers of mean zero, as good as normal ones for a start.
pub(super) fn random_block(n: usize, columns: usize, width: usize, seed: u64) -> Vec<f32> {
    let mut block = vec![0f32; n * width];
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for row in block.chunks_exact_mut(width) {
        row[..columns].iter_mut().for_each(|value| *value = (rng.next_u32() as i32) as f32 / 2e9);
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(n_users: usize, n_items: usize) -> Csr {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let (mut rows, mut cols) = (Vec::new(), Vec::new());
        for user in 0..n_users as u32 {
            for _ in 0..10 {
                let share = f64::from(rng.next_u32()) / f64::from(u32::MAX);
                rows.push(user);
                cols.push(((share * share * n_items as f64) as u32 + user % 4 * 3) % n_items as u32);
            }
        }
        Csr::from_pairs(n_users, n_items, &rows, &cols).unwrap()
    }

    fn found(train: &Csr, k: usize, seed: u64) -> Singular {
        top_singular(train, &train.transpose(), k, seed, &Context::new(0, 2)).unwrap()
    }

    #[test]
    fn vectors_are_orthonormal_and_singular() {
        let train = sample(200, 90);
        let Singular { k, users, items, values } = found(&train, 10, 1);
        let width = padded(k);
        let gram = linalg::gram(&items, width);
        assert!((0..k * k).all(|at| {
            let (i, j) = (at / k, at % k);
            (gram[i * width + j] - f64::from(u8::from(i == j))).abs() < 1e-4
        }));
        assert!(values.windows(2).all(|pair| pair[0] >= pair[1]));
        // Xᵀ · (U Σ) = V Σ²
        let back = times(&train.transpose(), &users, width, &Context::new(0, 1)).unwrap();
        for (row, vector) in back.chunks_exact(width).zip(items.chunks_exact(width)) {
            for i in 0..k {
                let wanted = f64::from(vector[i]) * values[i] * values[i];
                assert!((f64::from(row[i]) - wanted).abs() < 2e-3 * values[0] * values[0], "{i}: {} {wanted}", row[i]);
            }
        }
    }

    #[test]
    fn the_seed_does_not_matter() {
        let train = sample(300, 120);
        let (a, b) = (found(&train, 8, 1), found(&train, 8, 2));
        assert!(a.values.iter().zip(&b.values).all(|(x, y)| (x - y).abs() < 1e-5 * x));
        for user in [0, 7, 299] {
            let score =
                |s: &Singular, item: usize| -> f32 { (0..8).map(|i| s.users[user * 16 + i] * s.items[item * 16 + i]).sum() };
            assert!((0..120).all(|item| (score(&a, item) - score(&b, item)).abs() < 2e-3));
        }
    }

    #[test]
    fn a_matrix_of_low_rank_is_rebuilt() {
        // Two kinds of users.
        let pairs = (0..30u32).flat_map(|user| (0..6).map(move |n| (user, n + user % 2 * 5)));
        let (rows, cols): (Vec<u32>, Vec<u32>) = pairs.unzip();
        let train = Csr::from_pairs(30, 12, &rows, &cols).unwrap();
        let Singular { users, items, values, .. } = found(&train, 5, 3);
        assert_eq!(values.len(), 2);
        for user in 0..30 {
            for item in 0..12 {
                let score: f32 = (0..5).map(|i| users[user * 16 + i] * items[item * 16 + i]).sum();
                let wanted = f32::from(u8::from(train.row_indices(user).contains(&(item as u32))));
                assert!((score - wanted).abs() < 1e-4, "{user} {item}: {score}");
            }
        }
    }
}
