//! The inverse of a large positive definite matrix, in place: A = L·Lᵀ, then L⁻¹, then L⁻ᵀ·L⁻¹.
//!
//! Each step halves the matrix until a block fits the cache; what remains are products and triangular solves of the off-diagonal
//! parts, which are cut into tiles that run in parallel in the rayon pool of the caller. No part as large as the matrix is ever
//! copied, and the caller can stop the work between any two tiles. Tiles depend on the size of the matrix only, so the result
//! does not depend on the number of threads.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::{triangular_inverse, triangular_solve};
use faer::prelude::{Reborrow, ReborrowMut};
use faer::{Accum, Mat, MatMut, MatRef, Par};

use crate::error::{MlError, MlResult};

/// Blocks on the diagonal up to this size are left to faer.
const BASE: usize = 128;
/// Rows and columns of a tile of a product.
const TILE: usize = 512;
/// Rows or columns solved or multiplied at once by a triangular matrix.
const STRIP: usize = 256;

type Check<'a> = &'a (dyn Fn() -> MlResult<()> + Sync);

/// Replaces a positive definite matrix (its lower triangle by columns) with its inverse, both triangles.
///
/// `check` is called from time to time and may stop the work with an error.
pub fn invert_in_place(matrix: &mut [f32], n: usize, check: Check<'_>) -> MlResult<()> {
    let mut a = MatMut::from_column_major_slice_mut(&mut matrix[..n * n], n, n);
    cholesky(a.rb_mut(), check)?;
    invert_lower(a.rb_mut(), check)?;
    square_lower(a.rb_mut(), check)?;
    mirror(a);
    Ok(())
}

/// Runs both, in parallel if a thread is free.
fn both(one: impl FnOnce() -> MlResult<()> + Send, other: impl FnOnce() -> MlResult<()> + Send) -> MlResult<()> {
    let (first, second) = rayon::join(one, other);
    first.and(second)
}

/// Returns where to split: about the middle, at a whole number of blocks.
fn half(n: usize) -> usize {
    (n / 2).next_multiple_of(BASE / 2).min(n - 1)
}

/// Returns the four parts of a square matrix, split in the middle: both on the diagonal, the one above and the one below.
fn quarters(a: MatMut<'_, f32>) -> (MatMut<'_, f32>, MatMut<'_, f32>, MatMut<'_, f32>, MatMut<'_, f32>) {
    let at = half(a.nrows());
    a.split_at_mut(at, at)
}

/// Replaces the lower triangle by its Cholesky factor.
fn cholesky(a: MatMut<'_, f32>, check: Check<'_>) -> MlResult<()> {
    check()?;
    let n = a.nrows();
    if n <= BASE {
        let mut buffer = MemBuffer::new(llt::factor::cholesky_in_place_scratch::<f32>(n, Par::Seq, Default::default()));
        let stack = MemStack::new(&mut buffer);
        llt::factor::cholesky_in_place(a, Default::default(), Par::Seq, stack, Default::default())
            .map_err(|_| MlError::NotFinite("inversion".to_owned()))?;
        return Ok(());
    }
    let (mut first, _, mut below, mut last) = quarters(a);
    cholesky(first.rb_mut(), check)?;
    divide_rows(below.rb_mut(), first.rb(), Side::Transposed, check)?;
    add_square(last.rb_mut(), below.rb(), -1.0, check)?;
    cholesky(last, check)
}

/// Replaces a lower triangle by its inverse.
fn invert_lower(a: MatMut<'_, f32>, check: Check<'_>) -> MlResult<()> {
    check()?;
    if a.nrows() <= BASE {
        invert_base(a);
        return Ok(());
    }
    let (first, _, mut below, last) = quarters(a);
    // Below: − last⁻¹ · below · first⁻¹
    divide_columns(below.rb_mut(), last.rb(), check)?;
    divide_rows(below.rb_mut(), first.rb(), Side::Plain, check)?;
    both(|| invert_lower(first, check), || invert_lower(last, check))
}

fn invert_base(mut a: MatMut<'_, f32>) {
    let n = a.nrows();
    let mut inverse = Mat::<f32>::zeros(n, n);
    triangular_inverse::invert_lower_triangular(inverse.as_mut(), a.rb(), Par::Seq);
    for col in 0..n {
        for row in col..n {
            a[(row, col)] = inverse[(row, col)];
        }
    }
}

/// Replaces a lower triangle M by the lower triangle of Mᵀ · M.
fn square_lower(a: MatMut<'_, f32>, check: Check<'_>) -> MlResult<()> {
    check()?;
    if a.nrows() <= BASE {
        square_base(a);
        return Ok(());
    }
    let (mut first, _, mut below, last) = quarters(a);
    square_lower(first.rb_mut(), check)?;
    add_square(first, below.rb().transpose(), 1.0, check)?;
    multiply_columns(below.rb_mut(), last.rb(), check)?;
    square_lower(last, check)
}

fn square_base(a: MatMut<'_, f32>) {
    let factor = lower_copy(a.rb());
    triangular::matmul(
        a,
        BlockStructure::TriangularLower,
        Accum::Replace,
        factor.transpose(),
        BlockStructure::TriangularUpper,
        factor.as_ref(),
        BlockStructure::TriangularLower,
        1.0,
        Par::Seq,
    );
}

fn lower_copy(a: MatRef<'_, f32>) -> Mat<f32> {
    Mat::from_fn(a.nrows(), a.ncols(), |row, col| if row >= col { a[(row, col)] } else { 0.0 })
}

/// The triangular system that the rows of a matrix solve.
#[derive(Clone, Copy)]
enum Side {
    /// X·L = B, negated: the result is −B·L⁻¹.
    Plain,
    /// X·Lᵀ = B.
    Transposed,
}

/// Solves for each row of `x` with a lower triangle.
fn divide_rows(x: MatMut<'_, f32>, lower: MatRef<'_, f32>, side: Side, check: Check<'_>) -> MlResult<()> {
    if x.nrows() > STRIP {
        let at = half(x.nrows());
        let (top, bottom) = x.split_at_row_mut(at);
        return both(|| divide_rows(top, lower, side, check), || divide_rows(bottom, lower, side, check));
    }
    check()?;
    let mut columns = x.transpose_mut();
    match side {
        Side::Transposed => triangular_solve::solve_lower_triangular_in_place(lower, columns, Par::Seq),
        Side::Plain => {
            triangular_solve::solve_upper_triangular_in_place(lower.transpose(), columns.rb_mut(), Par::Seq);
            negate(columns);
        }
    }
    Ok(())
}

fn negate(mut x: MatMut<'_, f32>) {
    for row in 0..x.nrows() {
        for col in 0..x.ncols() {
            x[(row, col)] = -x[(row, col)];
        }
    }
}

/// Solves lower · X = B for each column of `x`.
fn divide_columns(x: MatMut<'_, f32>, lower: MatRef<'_, f32>, check: Check<'_>) -> MlResult<()> {
    if x.ncols() > STRIP {
        let at = half(x.ncols());
        let (left, right) = x.split_at_col_mut(at);
        return both(|| divide_columns(left, lower, check), || divide_columns(right, lower, check));
    }
    check()?;
    triangular_solve::solve_lower_triangular_in_place(lower, x, Par::Seq);
    Ok(())
}

/// Computes `x = lowerᵀ · x`.
fn multiply_columns(x: MatMut<'_, f32>, lower: MatRef<'_, f32>, check: Check<'_>) -> MlResult<()> {
    if x.ncols() > STRIP {
        let at = half(x.ncols());
        let (left, right) = x.split_at_col_mut(at);
        return both(|| multiply_columns(left, lower, check), || multiply_columns(right, lower, check));
    }
    check()?;
    multiply_strip(x, lower);
    Ok(())
}

fn multiply_strip(mut x: MatMut<'_, f32>, lower: MatRef<'_, f32>) {
    let n = lower.nrows();
    if n <= BASE {
        let mut product = Mat::<f32>::zeros(n, x.ncols());
        triangular::matmul(
            product.as_mut(),
            BlockStructure::Rectangular,
            Accum::Replace,
            lower.transpose(),
            BlockStructure::TriangularUpper,
            x.rb(),
            BlockStructure::Rectangular,
            1.0,
            Par::Seq,
        );
        x.copy_from(&product);
        return;
    }
    let at = half(n);
    let (first, _, below, last) = lower.split_at(at, at);
    let (mut top, mut bottom) = x.split_at_row_mut(at);
    multiply_strip(top.rb_mut(), first);
    matmul(top, Accum::Add, below.transpose(), bottom.rb(), 1.0, Par::Seq);
    multiply_strip(bottom.rb_mut(), last);
}

/// Adds `sign · x · xᵀ` to a lower triangle.
fn add_square(out: MatMut<'_, f32>, x: MatRef<'_, f32>, sign: f32, check: Check<'_>) -> MlResult<()> {
    if out.nrows() > TILE {
        let at = half(out.nrows());
        let (first, _, below, last) = out.split_at_mut(at, at);
        let (top, bottom) = x.split_at_row(at);
        let diagonal = || both(|| add_square(first, top, sign, check), || add_square(last, bottom, sign, check));
        return both(|| add_product(below, bottom, top, sign, check), diagonal);
    }
    check()?;
    triangular::matmul(
        out,
        BlockStructure::TriangularLower,
        Accum::Add,
        x,
        BlockStructure::Rectangular,
        x.transpose(),
        BlockStructure::Rectangular,
        sign,
        Par::Seq,
    );
    Ok(())
}

/// Adds `sign · a · bᵀ`.
fn add_product(out: MatMut<'_, f32>, a: MatRef<'_, f32>, b: MatRef<'_, f32>, sign: f32, check: Check<'_>) -> MlResult<()> {
    if out.nrows() > TILE && out.nrows() >= out.ncols() {
        let at = half(out.nrows());
        let ((top, bottom), (above, below)) = (out.split_at_row_mut(at), a.split_at_row(at));
        return both(|| add_product(top, above, b, sign, check), || add_product(bottom, below, b, sign, check));
    }
    if out.ncols() > TILE {
        let at = half(out.ncols());
        let ((left, right), (above, below)) = (out.split_at_col_mut(at), b.split_at_row(at));
        return both(|| add_product(left, a, above, sign, check), || add_product(right, a, below, sign, check));
    }
    check()?;
    matmul(out, Accum::Add, a, b.transpose(), sign, Par::Seq);
    Ok(())
}

/// Copies the lower triangle onto the upper one.
fn mirror(a: MatMut<'_, f32>) {
    let n = a.nrows();
    if n > BASE {
        let (first, above, below, last) = quarters(a);
        rayon::join(|| copy_transposed(above, below.rb()), || rayon::join(|| mirror(first), || mirror(last)));
        return;
    }
    let mut a = a;
    for col in 0..n {
        for row in col + 1..n {
            a[(col, row)] = a[(row, col)];
        }
    }
}

fn copy_transposed(mut to: MatMut<'_, f32>, from: MatRef<'_, f32>) {
    let (rows, cols) = (to.nrows(), to.ncols());
    if rows.max(cols) <= BASE {
        to.copy_from(from.transpose());
    } else if rows >= cols {
        let ((top, bottom), (left, right)) = (to.rb_mut().split_at_row_mut(half(rows)), from.split_at_col(half(rows)));
        rayon::join(|| copy_transposed(top, left), || copy_transposed(bottom, right));
    } else {
        let ((left, right), (top, bottom)) = (to.rb_mut().split_at_col_mut(half(cols)), from.split_at_row(half(cols)));
        rayon::join(|| copy_transposed(left, top), || copy_transposed(right, bottom));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Context;

    /// Large enough for every kind of split.
    const N: usize = 1100;

    /// Returns a positive definite matrix without zeros: a band, and a product of two vectors with itself.
    fn matrix() -> Vec<f32> {
        let vectors = |i: usize| ((i % 7) as f32 / 7.0, (i % 11) as f32 / 11.0 - 0.5);
        let entry = |i: usize, j: usize| {
            let ((a, b), (c, d)) = (vectors(i), vectors(j));
            0.8f32.powi(i.abs_diff(j) as i32) + a * c + b * d + f32::from(u8::from(i == j))
        };
        (0..N * N).map(|at| entry(at / N, at % N)).collect()
    }

    fn inverse(threads: usize) -> Vec<f32> {
        let mut inverse = matrix();
        Context::new(0, threads).install(|| invert_in_place(&mut inverse, N, &|| Ok(()))).unwrap();
        inverse
    }

    #[test]
    fn a_matrix_of_many_tiles_is_inverted_alike_by_any_number_of_threads() {
        let inverse = inverse(1);
        let matrix = matrix();
        for row in (0..N).step_by(37) {
            for col in 0..N {
                let product: f64 = (0..N).map(|i| f64::from(matrix[row * N + i]) * f64::from(inverse[col * N + i])).sum();
                let wanted = f64::from(u8::from(row == col));
                assert!((product - wanted).abs() < 1e-3, "{row}, {col}: {product}");
                assert_eq!(inverse[row * N + col], inverse[col * N + row]);
            }
        }
        assert_eq!(inverse, self::inverse(2));
    }

    #[test]
    fn the_caller_may_stop_it_at_any_moment() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let count = AtomicUsize::new(0);
        let mut all = matrix();
        invert_in_place(&mut all, N, &|| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
        .unwrap();
        for allowed in [0, 1, count.load(Ordering::Relaxed) / 2, count.load(Ordering::Relaxed) - 1] {
            let left = AtomicUsize::new(allowed);
            let check = || {
                let more = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
                more.map(|_| ()).map_err(|_| MlError::Cancelled)
            };
            assert_eq!(invert_in_place(&mut matrix(), N, &check), Err(MlError::Cancelled));
        }
    }
}
