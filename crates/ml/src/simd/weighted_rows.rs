//! Sums of weighted rows of a dense matrix, a strip of columns at a time.

use super::{Kernels, Lanes, Level, Portable};

/// Columns of a strip: this many sums stay in registers, and the strips of a few thousand rows in the cache.
pub const STRIP: usize = 64;

impl Kernels {
    /// Computes `out = Σ weight · row` over `STRIP` columns from column `start`; without weights each row counts once.
    ///
    /// Rows of `matrix` are `n_cols` long. Each column is summed in the order of `rows`.
    pub fn sum_strip(
        self,
        matrix: &[f32],
        n_cols: usize,
        start: usize,
        rows: &[u32],
        weights: Option<&[f32]>,
        out: &mut [f32; STRIP],
    ) {
        let n_rows = matrix.len() / n_cols.max(1);
        assert!(start + STRIP <= n_cols && rows.iter().all(|&row| (row as usize) < n_rows));
        assert!(weights.is_none_or(|weights| weights.len() == rows.len()));
        // SAFETY: positions were just checked, and `Kernels::detect` makes a level only where it has found its instructions.
        unsafe {
            match self.0 {
                Level::Portable => sum_rows::<Portable, 8>(matrix, n_cols, start, rows, weights, out),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => x86::sum_rows_avx2(matrix, n_cols, start, rows, weights, out),
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => x86::sum_rows_avx512(matrix, n_cols, start, rows, weights, out),
            }
        }
    }
}

/// Sums `V` vectors at a time.
///
/// # Safety
/// The instruction set must exist; the strip must lie within every row, and `V` vectors must divide it.
#[inline(always)]
unsafe fn sum_rows<L: Lanes, const V: usize>(
    matrix: &[f32],
    n_cols: usize,
    start: usize,
    rows: &[u32],
    weights: Option<&[f32]>,
    out: &mut [f32; STRIP],
) {
    for piece in (0..STRIP).step_by(V * L::N) {
        // SAFETY: `L` exists here; the piece lies within the strip, the strip within every row and within `out`, and `sum_strip`
        // checked that `matrix` has each of `rows`.
        unsafe {
            // A matrix without rows has no such place.
            let from = matrix.as_ptr().wrapping_add(start + piece);
            let mut sums = [L::zero(); V];
            for (at, &row) in rows.iter().enumerate() {
                let row = from.wrapping_add(row as usize * n_cols);
                let weight = L::splat(weights.map_or(1.0, |weights| weights[at]));
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = L::fma(weight, L::load(row.add(v * L::N)), *sum);
                }
            }
            for (v, &sum) in sums.iter().enumerate() {
                L::store(out.as_mut_ptr().add(piece + v * L::N), sum);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::super::x86::{Avx2, Avx512};
    use super::{STRIP, sum_rows};

    /// Runs [`sum_rows`], compiled for AVX2.
    ///
    /// # Safety
    /// The processor must have AVX2 and FMA, and the conditions of [`sum_rows`] must hold.
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn sum_rows_avx2(
        matrix: &[f32],
        n_cols: usize,
        start: usize,
        rows: &[u32],
        weights: Option<&[f32]>,
        out: &mut [f32; STRIP],
    ) {
        // SAFETY: this function may only be called where AVX2 and FMA exist; 8 vectors of 8 are the strip.
        unsafe { sum_rows::<Avx2, 8>(matrix, n_cols, start, rows, weights, out) }
    }

    /// Runs [`sum_rows`], compiled for AVX-512.
    ///
    /// # Safety
    /// The processor must have AVX-512F, AVX2 and FMA, and the conditions of [`sum_rows`] must hold.
    #[target_feature(enable = "avx512f,avx2,fma")]
    pub unsafe fn sum_rows_avx512(
        matrix: &[f32],
        n_cols: usize,
        start: usize,
        rows: &[u32],
        weights: Option<&[f32]>,
        out: &mut [f32; STRIP],
    ) {
        // SAFETY: this function may only be called where AVX-512F exists; 4 vectors of 16 are the strip.
        unsafe { sum_rows::<Avx512, 4>(matrix, n_cols, start, rows, weights, out) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_agrees_with_plain_loops() {
        let n_cols = 70;
        let matrix: Vec<f32> = (0..9 * n_cols).map(|i| ((i * 31 % 97) as f32 - 48.0) / 8.0).collect();
        let (rows, weights) = ([8u32, 0, 3, 3], [0.5f32, -2.0, 1.0, 4.0]);
        for kernels in Kernels::all() {
            for (weights, rows) in [(None, &rows[..]), (Some(&weights[..]), &rows[..]), (None, &[])] {
                let mut out = [f32::NAN; STRIP];
                kernels.sum_strip(&matrix, n_cols, 5, rows, weights, &mut out);
                for (col, sum) in out.iter().enumerate() {
                    let weight = |at: usize| weights.map_or(1.0, |weights| weights[at]);
                    let terms = rows.iter().enumerate().map(|(at, &row)| weight(at) * matrix[row as usize * n_cols + 5 + col]);
                    assert!((sum - terms.sum::<f32>()).abs() < 1e-4, "{kernels:?} {col}");
                }
            }
        }
    }
}
