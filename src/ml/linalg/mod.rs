//! Dense linear algebra, mostly in 32-bit floats. The only folder that names faer.
//!
//! Matrices are slices by rows; a symmetric matrix looks the same by columns.

mod inverse;
mod symmetric;

pub use inverse::invert_in_place;
pub use symmetric::{Pencil, gram};

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::prelude::{Reborrow, ReborrowMut};
use faer::{Accum, MatMut, MatRef, Par};

use crate::ml::error::{MlError, MlResult};

/// `out (m × n) = a (m × k) · bᵀ (n × k)`, on the calling thread.
pub fn times_transposed(a: &[f32], b: &[f32], k: usize, out: &mut [f32]) {
    let (m, n) = (a.len() / k.max(1), b.len() / k.max(1));
    let a = MatRef::from_row_major_slice(&a[..m * k], m, k);
    let b = MatRef::from_row_major_slice(&b[..n * k], n, k);
    let out = MatMut::from_row_major_slice_mut(&mut out[..m * n], m, n);
    faer::linalg::matmul::matmul(out, Accum::Replace, a, b.transpose(), 1.0, Par::Seq);
}

/// `out (m × n) = a (m × k) · b (k × n)`, on the calling thread.
pub fn times(a: &[f32], b: &[f32], k: usize, out: &mut [f32]) {
    let (m, n) = (a.len() / k.max(1), b.len() / k.max(1));
    let a = MatRef::from_row_major_slice(&a[..m * k], m, k);
    let b = MatRef::from_row_major_slice(&b[..k * n], k, n);
    let out = MatMut::from_row_major_slice_mut(&mut out[..m * n], m, n);
    faer::linalg::matmul::matmul(out, Accum::Replace, a, b, 1.0, Par::Seq);
}

/// Adds `aᵀ · a` of `a (n × k)` to the lower triangle of `out (k × k, by columns)`, on the calling thread.
pub fn add_gram_lower(a: &[f32], k: usize, out: &mut [f32]) {
    let n = a.len() / k.max(1);
    let a = MatRef::from_row_major_slice(&a[..n * k], n, k);
    let out = MatMut::from_column_major_slice_mut(&mut out[..k * k], k, k);
    triangular::matmul(
        out,
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

/// Copies the lower triangle of a `k × k` matrix (by columns) onto the upper one.
pub fn mirror_lower(matrix: &mut [f32], k: usize) {
    for col in 0..k {
        for row in col + 1..k {
            matrix[row * k + col] = matrix[col * k + row];
        }
    }
}

/// Memory that Cholesky factorisations of one size need, kept from one to the next.
pub struct CholeskyScratch {
    k: usize,
    buffer: MemBuffer,
}

impl CholeskyScratch {
    /// Scratch for `k × k` on the calling thread.
    pub fn new(k: usize) -> Self {
        let factor = llt::factor::cholesky_in_place_scratch::<f32>(k, Par::Seq, Default::default());
        let solve = llt::solve::solve_in_place_scratch::<f32>(k, 1, Par::Seq);
        CholeskyScratch { k, buffer: MemBuffer::new(factor.or(solve)) }
    }

    /// Solves `matrix · x = rhs` for a positive definite matrix given by its lower triangle (by columns).
    /// The matrix is overwritten; the solution replaces `rhs`.
    pub fn solve(&mut self, matrix: &mut [f32], rhs: &mut [f32]) -> MlResult<()> {
        let k = self.k;
        let stack = MemStack::new(&mut self.buffer);
        let mut a = MatMut::from_column_major_slice_mut(&mut matrix[..k * k], k, k);
        llt::factor::cholesky_in_place(a.rb_mut(), Default::default(), Par::Seq, stack, Default::default())
            .map_err(|_| not_definite("least squares"))?;
        let rhs = MatMut::from_column_major_slice_mut(&mut rhs[..k], k, 1);
        llt::solve::solve_in_place(a.rb(), rhs, Par::Seq, stack);
        Ok(())
    }
}

fn not_definite(what: &str) -> MlError {
    MlError::NotFinite(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spd(k: usize) -> Vec<f32> {
        let rows: Vec<f32> = (0..3 * k * k).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect();
        let mut gram = vec![0f32; k * k];
        add_gram_lower(&rows, k, &mut gram);
        mirror_lower(&mut gram, k);
        (0..k).for_each(|i| gram[i * k + i] += 1.0);
        gram
    }

    #[test]
    fn inverse_and_solution_undo_the_matrix() {
        for k in [1, 2, 7, 40, 300] {
            let a = spd(k);
            let mut inverse = a.clone();
            invert_in_place(&mut inverse, k, &|| Ok(())).unwrap();
            let mut product = vec![0f32; k * k];
            times_transposed(&a, &inverse, k, &mut product);
            for (i, value) in product.iter().enumerate() {
                let wanted = if i / k == i % k { 1.0 } else { 0.0 };
                assert!((value - wanted).abs() < 1e-3, "{k}: {value} at {i}");
            }
            let mut x: Vec<f32> = a[..k].to_vec();
            CholeskyScratch::new(k).solve(&mut a.clone(), &mut x).unwrap();
            assert!((x[0] - 1.0).abs() < 1e-3 && x[1..].iter().all(|v| v.abs() < 1e-3), "{x:?}");
        }
    }

    #[test]
    fn indefinite_matrices_are_refused() {
        assert!(invert_in_place(&mut [-1.0], 1, &|| Ok(())).is_err());
        assert!(CholeskyScratch::new(1).solve(&mut [f32::NAN], &mut [1.0]).is_err());
    }
}
