//! The basis in which the dense part of the problem is diagonal.
//!
//! Every row's problem contains α0 · othersᵀ · others, and multiplying by that matrix would be most of the work for rows with few
//! interactions. But scores, penalties and the steps of conjugate gradients stay the same when users and items are rotated by one
//! orthogonal matrix. In the basis of the matrix' eigenvectors it is diagonal: one product of two matrices in each half of an
//! epoch replaces several products with a vector for each row.

use rayon::prelude::*;

use super::not_finite;
use crate::error::MlResult;
use crate::linalg;
use crate::simd::{Kernels, padded};

/// Most parts into which a sum over rows is split; the parts are added in order, so that the sum is the same on any number of
/// threads.
const SUM_PARTS: usize = 64;

/// Rows rotated at a time.
pub(super) const ROWS_AT_A_TIME: usize = 512;

/// Returns the rows of one part of a sum: enough that all partial Gram matrices take no more memory than half the factors.
fn rows_per_part(n_rows: usize, width: usize) -> usize {
    n_rows.div_ceil(SUM_PARTS).max(512).max(2 * width)
}

/// Returns the bytes of the partial Gram matrices of `n_rows` rows.
pub(super) fn gram_bytes(n_rows: usize, width: usize) -> u64 {
    (n_rows.div_ceil(rows_per_part(n_rows, width)) as u64 + 1) * (width as u64).pow(2) * 4
}

/// Rotates factors and `others` (rows of `k` floats, padded) so that `factorsᵀ · factors` is diagonal, and returns the diagonal
/// times `alpha0`, padded with zeros. With `alpha0` zero it rotates nothing.
pub(super) fn align<const N: usize>(factors: &mut [f32], others: [&mut [f32]; N], k: usize, alpha0: f32) -> MlResult<Vec<f32>> {
    if alpha0 == 0.0 {
        return Ok(vec![0.0; padded(k)]);
    }
    let gram = gram_lower(factors, k);
    if !gram.iter().all(|value| value.is_finite()) {
        return Err(not_finite());
    }
    let axes = linalg::eigenvectors(&gram, k)?;
    turn(factors, k, &axes);
    others.into_iter().for_each(|others| turn(others, k, &axes));
    Ok(energy(factors, k, alpha0))
}

/// Computes `alpha0 · Σ q²` of each component.
fn energy(factors: &[f32], k: usize, alpha0: f32) -> Vec<f32> {
    let width = padded(k);
    let part = |rows: &[f32]| {
        let mut part = vec![0f32; width];
        for row in rows.chunks_exact(width) {
            part.iter_mut().zip(row).for_each(|(sum, value)| *sum += value * value);
        }
        part
    };
    let mut total = sum_of_parts(factors, width, part);
    total.iter_mut().for_each(|sum| *sum *= alpha0);
    total
}

/// Computes the lower triangle of `factorsᵀ · factors` (`k × k`, by columns, without padding).
fn gram_lower(factors: &[f32], k: usize) -> Vec<f32> {
    let width = padded(k);
    let kernels = Kernels::detect();
    let part = |rows: &[f32]| {
        let mut part = vec![0f32; width * width];
        kernels.add_gram_lower(rows, width, &mut part);
        part
    };
    let wide = sum_of_parts(factors, width, part);
    wide.chunks_exact(width).take(k).flat_map(|column| &column[..k]).copied().collect()
}

fn sum_of_parts(factors: &[f32], width: usize, part: impl Fn(&[f32]) -> Vec<f32> + Sync) -> Vec<f32> {
    let rows = rows_per_part(factors.len() / width, width);
    let parts: Vec<Vec<f32>> = factors.par_chunks(rows * width).map(&part).collect();
    let add = |mut sum: Vec<f32>, part: Vec<f32>| {
        sum.iter_mut().zip(&part).for_each(|(sum, part)| *sum += part);
        sum
    };
    // Inputs without rows have no parts.
    parts.into_iter().reduce(add).unwrap_or_else(|| part(&[]))
}

/// Replaces each row by its products with the axes.
fn turn(factors: &mut [f32], k: usize, axes: &[f32]) {
    let width = padded(k);
    factors.par_chunks_mut(ROWS_AT_A_TIME * width).for_each_init(Vec::new, |before, rows| {
        before.clear();
        before.extend_from_slice(rows);
        linalg::times_columns(before, width, axes, k, rows);
    });
}
