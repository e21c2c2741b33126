//! Dense linear algebra, mostly in 32-bit floats. The only folder that names faer.
//!
//! Matrices are slices by rows; a symmetric matrix looks the same by columns.

mod bfloat;
mod inverse;
mod symmetric;

pub use bfloat::{BfloatScratch, multiply_bfloat};
pub use inverse::invert_in_place;
pub use symmetric::{Pencil, gram};

use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::linalg::evd;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::prelude::{Reborrow, ReborrowMut};
use faer::{Accum, MatMut, MatRef, Par};

use crate::error::{MlError, MlResult};

/// Computes `out (m × n) = a (m × k) · bᵀ (n × k)`, on the calling thread.
pub fn times_transposed(a: &[f32], b: &[f32], k: usize, out: &mut [f32]) {
    let (m, n) = (a.len() / k.max(1), b.len() / k.max(1));
    let a = MatRef::from_row_major_slice(&a[..m * k], m, k);
    let b = MatRef::from_row_major_slice(&b[..n * k], n, k);
    let out = MatMut::from_row_major_slice_mut(&mut out[..m * n], m, n);
    faer::linalg::matmul::matmul(out, Accum::Replace, a, b.transpose(), 1.0, Par::Seq);
}

/// A dense matrix by rows that may be read as its transpose, and whose rows may be further apart than they are long.
#[derive(Debug, Clone, Copy)]
pub struct Dense<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    stride: usize,
    transposed: bool,
}

impl<'a> Dense<'a> {
    /// Creates a matrix of contiguous rows of `columns` numbers; an incomplete last row is left out.
    pub fn new(data: &'a [f32], columns: usize) -> Self {
        Dense { data, rows: data.len() / columns.max(1), columns, stride: columns, transposed: false }
    }

    /// Returns `len` columns from `start`, which must exist.
    pub fn columns(self, start: usize, len: usize) -> Self {
        assert!(!self.transposed && start + len <= self.columns);
        let data = if self.rows == 0 { self.data } else { &self.data[start..] };
        Dense { data, columns: len, ..self }
    }

    /// Returns the transpose.
    pub fn transposed(self) -> Self {
        Dense { transposed: !self.transposed, ..self }
    }

    fn view(self) -> MatRef<'a, f32> {
        let view = MatRef::from_row_major_slice_with_stride(self.data, self.rows, self.columns, self.stride);
        if self.transposed { view.transpose() } else { view }
    }
}

/// Computes `out = a · b` by rows, on the calling thread, so that the same shapes give the same bits everywhere.
pub fn multiply(a: Dense<'_>, b: Dense<'_>, out: &mut [f32]) {
    let (a, b) = (a.view(), b.view());
    let (m, n) = (a.nrows(), b.ncols());
    let out = MatMut::from_row_major_slice_mut(&mut out[..m * n], m, n);
    faer::linalg::matmul::matmul(out, Accum::Replace, a, b, 1.0, Par::Seq);
}

/// Replaces the first `k` of each row of `out` by the products of the same row of `a` with the `k` columns of a `k × k`
/// matrix (by columns), on the calling thread. Rows of both are `width` long.
pub fn times_columns(a: &[f32], width: usize, columns: &[f32], k: usize, out: &mut [f32]) {
    let m = a.len() / width.max(1);
    let a = MatRef::from_row_major_slice_with_stride(&a[..m * width], m, k, width);
    let columns = MatRef::from_column_major_slice(&columns[..k * k], k, k);
    // Not `from_row_major_slice_with_stride_mut`: in faer 0.24 that treats the stride as one of columns.
    let out = MatMut::from_column_major_slice_with_stride_mut(&mut out[..m * width], k, m, width);
    faer::linalg::matmul::matmul(out.transpose_mut(), Accum::Replace, a, columns, 1.0, Par::Seq);
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

/// Memory of Cholesky factorisations, kept from one to the next.
pub struct CholeskyScratch {
    largest: usize,
    buffer: MemBuffer,
}

impl CholeskyScratch {
    /// Creates scratch for up to `k × k` on the calling thread; it grows when that is not enough.
    pub fn new(k: usize) -> Self {
        let factor = llt::factor::cholesky_in_place_scratch::<f32>(k, Par::Seq, Default::default());
        let solve = llt::solve::solve_in_place_scratch::<f32>(k, 1, Par::Seq);
        CholeskyScratch { largest: k, buffer: MemBuffer::new(factor.or(solve)) }
    }

    /// Solves `matrix · x = rhs` for a positive definite matrix given by its lower triangle (by columns).
    /// The matrix is overwritten; the solution replaces `rhs`.
    pub fn solve(&mut self, matrix: &mut [f32], rhs: &mut [f32]) -> MlResult<()> {
        self.solve_leading(matrix, rhs.len(), rhs)
    }

    /// Solves as [`CholeskyScratch::solve`] does, for the leading rows and columns (`rhs.len()` of them) of a matrix of order
    /// `order`.
    pub fn solve_leading(&mut self, matrix: &mut [f32], order: usize, rhs: &mut [f32]) -> MlResult<()> {
        let k = rhs.len();
        if k > self.largest {
            *self = Self::new(k);
        }
        let stack = MemStack::new(&mut self.buffer);
        let mut a = MatMut::from_column_major_slice_with_stride_mut(&mut matrix[..order * k], k, k, order);
        llt::factor::cholesky_in_place(a.rb_mut(), Default::default(), Par::Seq, stack, Default::default())
            .map_err(|_| not_definite("least squares"))?;
        let rhs = MatMut::from_column_major_slice_mut(rhs, k, 1);
        llt::solve::solve_in_place(a.rb(), rhs, Par::Seq, stack);
        Ok(())
    }
}

/// Computes the eigenvectors of a symmetric `k × k` matrix (its lower triangle by columns), concatenated, those of the smallest
/// eigenvalues first. On the calling thread.
pub fn eigenvectors(matrix: &[f32], k: usize) -> MlResult<Vec<f32>> {
    let scratch = evd::self_adjoint_evd_scratch::<f32>(k, evd::ComputeEigenvectors::Yes, Par::Seq, Default::default());
    let mut buffer = MemBuffer::new(scratch);
    let (mut values, mut vectors) = (vec![0f32; k], vec![0f32; k * k]);
    evd::self_adjoint_evd(
        MatRef::from_column_major_slice(&matrix[..k * k], k, k),
        DiagMut::from_slice_mut(&mut values),
        Some(MatMut::from_column_major_slice_mut(&mut vectors, k, k)),
        Par::Seq,
        MemStack::new(&mut buffer),
        Default::default(),
    )
    .map_err(|_| MlError::NotFinite("eigenvectors".to_owned()))?;
    Ok(vectors)
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
    fn turning_to_the_eigenvectors_makes_a_gram_matrix_diagonal() {
        for k in [1, 2, 7, 20, 64, 100] {
            let rows: Vec<f32> = (0..3 * k * k).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect();
            let mut gram = vec![0f32; k * k];
            add_gram_lower(&rows, k, &mut gram);
            let mut turned = rows.clone();
            times_columns(&rows, k, &eigenvectors(&gram, k).unwrap(), k, &mut turned);
            let mut gram = vec![0f32; k * k];
            add_gram_lower(&turned, k, &mut gram);
            let largest = gram[k * k - 1];
            for (i, value) in (0..k * k).filter(|i| i % k > i / k).map(|i| (i, gram[i])) {
                assert!(value.abs() < 1e-5 * largest, "{k}: {value} at {i}, {largest}");
            }
        }
    }

    #[test]
    fn indefinite_matrices_are_refused() {
        assert!(invert_in_place(&mut [-1.0], 1, &|| Ok(())).is_err());
        assert!(CholeskyScratch::new(1).solve(&mut [f32::NAN], &mut [1.0]).is_err());
    }
}
