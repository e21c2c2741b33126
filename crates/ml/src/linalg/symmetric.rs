//! Gram matrices and eigenvectors of symmetric matrices in 64-bit floats: what subspace iterations need.

use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatRef, Par};
use rayon::prelude::*;

use crate::error::{MlError, MlResult};

/// Partial sums of a Gram matrix: fixed, so that the number of threads does not matter.
const PARTS: usize = 8;
/// Rows converted at once.
const ROWS: usize = 256;

/// Computes `aᵀ · a` of `a (n × k)` in double precision, both triangles, in the rayon pool of the caller.
pub fn gram(a: &[f32], k: usize) -> Vec<f64> {
    let n = a.len() / k.max(1);
    let part = n.div_ceil(PARTS).max(1) * k;
    let parts: Vec<Vec<f64>> = a[..n * k].par_chunks(part.max(1)).map(|rows| gram_of_part(rows, k)).collect();
    let mut sum = vec![0f64; k * k];
    parts.iter().for_each(|part| sum.iter_mut().zip(part).for_each(|(sum, x)| *sum += x));
    for col in 0..k {
        for row in col + 1..k {
            sum[row * k + col] = sum[col * k + row];
        }
    }
    sum
}

/// Computes the lower triangle of a part, by columns.
fn gram_of_part(rows: &[f32], k: usize) -> Vec<f64> {
    let mut out = Mat::<f64>::zeros(k, k);
    let mut block = Vec::with_capacity(ROWS * k);
    for rows in rows.chunks(ROWS * k) {
        block.clear();
        block.extend(rows.iter().map(|&x| f64::from(x)));
        let a = MatRef::from_row_major_slice(&block, rows.len() / k, k);
        triangular::matmul(
            out.as_mut(),
            BlockStructure::TriangularLower,
            Accum::Add,
            a.transpose(),
            BlockStructure::Rectangular,
            a,
            BlockStructure::Rectangular,
            1.0,
            Par::Seq,
        );
    }
    (0..k * k).map(|at| out[(at % k, at / k)]).collect()
}

/// Eigenvectors of A·x = λ·B·x.
#[derive(Debug, Clone)]
pub struct Pencil {
    /// Eigenvalues, greatest first. Those that are negligible against the first are left out.
    pub values: Vec<f64>,
    /// The eigenvector of each, concatenated, with x·B·x = 1.
    pub vectors: Vec<f64>,
}

/// Directions of B (scaled to a diagonal of ones) weaker than this are noise of 32-bit floats.
const NOISE: f64 = 1e-9;

impl Pencil {
    /// Solves for symmetric `n × n` matrices without negative eigenvalues.
    pub fn solve(a: &[f64], b: &[f64], n: usize) -> MlResult<Self> {
        let scale: Vec<f64> = (0..n).map(|i| if b[i * n + i] > 0.0 { b[i * n + i].sqrt().recip() } else { 0.0 }).collect();
        let scaled = Mat::from_fn(n, n, |i, j| scale[i] * b[i * n + j] * scale[j]);
        let (lengths, axes) = eigen(scaled.as_ref())?;
        // Changes to coordinates in which B is the unit matrix, without the directions in which it vanishes.
        let kept: Vec<usize> = (0..n).rev().filter(|&j| lengths[j] > NOISE * lengths[n - 1]).collect();
        let basis = Mat::from_fn(n, kept.len(), |i, j| scale[i] * axes[(i, kept[j])] / lengths[kept[j]].sqrt());
        let a = MatRef::from_row_major_slice(&a[..n * n], n, n);
        let inner = product(product(basis.transpose(), a).as_ref(), basis.as_ref());
        let (values, vectors) = eigen(inner.as_ref())?;
        let rank = kept.len();
        let strong: Vec<usize> = (0..rank).rev().filter(|&j| values[j] > NOISE * values[rank - 1].max(0.0)).collect();
        let vectors = product(basis.as_ref(), vectors.as_ref());
        Ok(Pencil {
            values: strong.iter().map(|&j| values[j]).collect(),
            vectors: strong.iter().flat_map(|&j| (0..n).map(move |i| (i, j))).map(|at| vectors[at]).collect(),
        })
    }
}

fn product(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    matmul(out.as_mut(), Accum::Replace, a, b, 1.0, Par::Seq);
    out
}

/// Computes the eigenvalues in rising order, and the eigenvectors as columns.
fn eigen(a: MatRef<'_, f64>) -> MlResult<(Vec<f64>, Mat<f64>)> {
    let n = a.nrows();
    let scratch = self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::Yes, Par::Seq, Default::default());
    let mut buffer = MemBuffer::new(scratch);
    let (mut values, mut vectors) = (vec![0f64; n], Mat::<f64>::zeros(n, n));
    let into = DiagMut::from_slice_mut(&mut values);
    let stack = MemStack::new(&mut buffer);
    self_adjoint_evd(a, into, Some(vectors.as_mut()), Par::Seq, stack, Default::default())
        .map_err(|_| MlError::NotFinite("eigenvectors".to_owned()))?;
    if values.iter().any(|value| !value.is_finite()) {
        return Err(MlError::NotFinite("eigenvectors".to_owned()));
    }
    Ok((values, vectors))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvectors_of_a_pencil_solve_it() {
        let numbers = |n: usize, step: usize| -> Vec<f32> { (0..n).map(|i| (i * step % 101) as f32 / 50.0 - 1.0).collect() };
        for k in [1, 3, 20] {
            let (a, mut b) = (gram(&numbers(50 * k, 37), k), gram(&numbers(40 * k, 29), k));
            (0..k).for_each(|i| b[i * k + i] += 1.0);
            let Pencil { values, vectors } = Pencil::solve(&a, &b, k).unwrap();
            assert!(values.windows(2).all(|pair| pair[0] >= pair[1]));
            for (value, x) in values.iter().zip(vectors.chunks_exact(k)) {
                let times = |m: &[f64], i: usize| (0..k).map(|j| m[i * k + j] * x[j]).sum::<f64>();
                assert!((0..k).all(|i| (times(&a, i) - value * times(&b, i)).abs() < 1e-6 * values[0]), "{k}");
                let length: f64 = (0..k).map(|i| x[i] * times(&b, i)).sum();
                assert!((length - 1.0).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn directions_that_vanish_are_left_out() {
        // The second column is twice the first, the third is zero.
        let rows: Vec<f32> = (1..9).flat_map(|x| [x as f32, 2.0 * x as f32, 0.0]).collect();
        let gram = gram(&rows, 3);
        let Pencil { values, .. } = Pencil::solve(&gram, &gram, 3).unwrap();
        assert_eq!(values.len(), 1);
        assert!((values[0] - 1.0).abs() < 1e-9);
        assert!(Pencil::solve(&[f64::NAN], &[1.0], 1).is_err());
    }
}
