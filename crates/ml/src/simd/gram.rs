//! Products of a matrix with its own transpose, and of a few rows with one vector.

use super::lanes::Lanes;
use super::{Kernel, Kernels, PAD};

impl Kernels {
    /// Adds `rowsᵀ · rows` to the lower triangle of `out` (`width × width`, by columns). Parts of the upper triangle are written
    /// too, with meaningless values.
    pub fn add_gram_lower(self, rows: &[f32], width: usize, out: &mut [f32]) {
        assert!(width > 0 && width.is_multiple_of(PAD) && rows.len().is_multiple_of(width) && out.len() == width * width);
        // SAFETY: lengths were just checked.
        unsafe { self.run(Gram { rows, width, out }) }
    }

    /// Adds `scale · rows_r · x` to each `out_r`.
    pub fn add_products(self, rows: &[f32], x: &[f32], scale: f32, out: &mut [f32]) {
        assert!(!x.is_empty() && x.len().is_multiple_of(PAD) && rows.len() == x.len() * out.len());
        // SAFETY: lengths were just checked.
        unsafe { self.run(Products { rows, x, scale, out }) }
    }

    /// Adds `Σ_r factors_r · rows_r` to `out`.
    pub fn add_combination(self, rows: &[f32], factors: &[f32], out: &mut [f32]) {
        assert!(out.len().is_multiple_of(PAD) && rows.len() == out.len() * factors.len());
        // SAFETY: lengths were just checked.
        unsafe { self.run(Combination { rows, factors, out }) }
    }
}

struct Gram<'a> {
    rows: &'a [f32],
    width: usize,
    out: &'a mut [f32],
}

/// Rows of the factor that are read for one tile after another before the next rows are: they stay in the first cache.
const STRIP_FLOATS: usize = 4096;

impl Kernel for Gram<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Gram { rows, width, out } = self;
        let strip = (STRIP_FLOATS / width).max(16) * width;
        for rows in rows.chunks(strip) {
            // SAFETY: `L` exists here; `add_gram_lower` checked the lengths, and a strip is whole rows.
            unsafe { lower_triangle::<L>(rows, width, out) };
        }
    }
}

/// Computes the tiles of the triangle, each a few columns wide and up to four vectors high, kept in registers while all rows are
/// read.
///
/// # Safety
/// `L` must exist, `width` be a multiple of [`PAD`], `rows` be whole rows of this width, and `out` be `width × width`.
#[inline(always)]
unsafe fn lower_triangle<L: Lanes>(rows: &[f32], width: usize, out: &mut [f32]) {
    const COLUMNS: usize = 4;
    let highest = if L::MANY_REGISTERS { 4 } else { 2 };
    for column in (0..width).step_by(COLUMNS) {
        let mut top = column / L::N;
        while top * L::N < width {
            let high = (width / L::N - top).min(highest);
            // SAFETY: `high` vectors from `top` end within `width`, by the minimum above, and so do four columns, since `width` is
            // a multiple of 16; the rest is guaranteed by the caller.
            unsafe {
                match high {
                    4 => tile::<L, 4, COLUMNS>(rows, width, top * L::N, column, out),
                    3 => tile::<L, 3, COLUMNS>(rows, width, top * L::N, column, out),
                    2 => tile::<L, 2, COLUMNS>(rows, width, top * L::N, column, out),
                    _ => tile::<L, 1, COLUMNS>(rows, width, top * L::N, column, out),
                }
            }
            top += high;
        }
    }
}

/// Computes one tile of the triangle, with the sums in registers.
///
/// # Safety
/// The conditions of [`lower_triangle`] must hold; `V` vectors from `top` and `C` columns from `column` must lie within `width`.
#[inline(always)]
unsafe fn tile<L: Lanes, const V: usize, const C: usize>(rows: &[f32], width: usize, top: usize, column: usize, out: &mut [f32]) {
    // SAFETY: each of the `rows.len() / width` rows has `width` floats from `row` on, and `out` as many columns of `width` floats;
    // the caller keeps the tile within both.
    unsafe {
        let mut sums = [[L::zero(); V]; C];
        let mut row = rows.as_ptr();
        for _ in 0..rows.len() / width {
            let mut high = [L::zero(); V];
            for v in 0..V {
                high[v] = L::load(row.add(top + v * L::N));
            }
            for c in 0..C {
                let factor = L::splat(*row.add(column + c));
                for v in 0..V {
                    sums[c][v] = L::fma(factor, high[v], sums[c][v]);
                }
            }
            row = row.add(width);
        }
        for c in 0..C {
            let to = out.as_mut_ptr().add((column + c) * width + top);
            for v in 0..V {
                L::store(to.add(v * L::N), L::add(sums[c][v], L::load(to.add(v * L::N))));
            }
        }
    }
}

struct Products<'a> {
    rows: &'a [f32],
    x: &'a [f32],
    scale: f32,
    out: &'a mut [f32],
}

impl Kernel for Products<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: `L` exists here; `add_products` checked that `x` is a multiple of 16 long, which every vector divides, and that
        // `rows` has a row of that length for each of `out`. A number of a row stays below `n`.
        unsafe {
            let k = self.x.len();
            let n = self.out.len();
            let mut at = 0;
            while at < n {
                let mut dots = [L::zero(); 4];
                for i in (0..k).step_by(L::N) {
                    let x = L::load(self.x.as_ptr().add(i));
                    for r in 0..4 {
                        let row = self.rows.as_ptr().add((at + r).min(n - 1) * k);
                        dots[r] = L::fma(L::load(row.add(i)), x, dots[r]);
                    }
                }
                let dots = L::sums(dots);
                for r in 0..4.min(n - at) {
                    *self.out.get_unchecked_mut(at + r) += self.scale * dots[r];
                }
                at += 4;
            }
        }
    }
}

struct Combination<'a> {
    rows: &'a [f32],
    factors: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for Combination<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: `L` exists here; `add_combination` checked that `out` is a multiple of 16 long, which every vector divides, and
        // that `rows` has a row of that length for each factor. Missing rows of the last four are the first row, times zero.
        unsafe {
            let (k, n) = (self.out.len(), self.factors.len());
            let mut at = 0;
            while at < n {
                let mut factors = [L::zero(); 4];
                let mut rows = [self.rows.as_ptr(); 4];
                for r in 0..4.min(n - at) {
                    factors[r] = L::splat(*self.factors.get_unchecked(at + r));
                    rows[r] = self.rows.as_ptr().add((at + r) * k);
                }
                for i in (0..k).step_by(L::N) {
                    let to = self.out.as_mut_ptr().add(i);
                    let mut sum = L::load(to);
                    for r in 0..4 {
                        sum = L::fma(factors[r], L::load(rows[r].add(i)), sum);
                    }
                    L::store(to, sum);
                }
                at += 4;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, step: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * step % 97) as f32 - 48.0) / 48.0).collect()
    }

    #[test]
    fn every_instruction_set_agrees_with_plain_loops() {
        for (width, n) in [(16, 0), (16, 1), (32, 5), (48, 7), (64, 300), (80, 3), (112, 9)] {
            let (rows, x, factors) = (numbers(n * width, 31), numbers(width, 7), numbers(n, 13));
            let at = |r: usize, i: usize| rows[r * width + i];
            for kernels in Kernels::all() {
                let mut gram = vec![1f32; width * width];
                kernels.add_gram_lower(&rows, width, &mut gram);
                for (i, j) in (0..width).flat_map(|i| (0..=i).map(move |j| (i, j))) {
                    let wanted = 1.0 + (0..n).map(|r| at(r, i) * at(r, j)).sum::<f32>();
                    assert!((gram[j * width + i] - wanted).abs() < 1e-3, "{kernels:?} {width} {n}: {i} {j}");
                }
                let mut products = vec![1f32; n];
                kernels.add_products(&rows, &x, -2.0, &mut products);
                let wanted = |r: usize| 1.0 - 2.0 * (0..width).map(|i| at(r, i) * x[i]).sum::<f32>();
                assert!((0..n).all(|r| (products[r] - wanted(r)).abs() < 1e-3), "{kernels:?} {width} {n}");
                let mut sums = vec![1f32; width];
                kernels.add_combination(&rows, &factors, &mut sums);
                let wanted = |i: usize| 1.0 + (0..n).map(|r| at(r, i) * factors[r]).sum::<f32>();
                assert!((0..width).all(|i| (sums[i] - wanted(i)).abs() < 1e-3), "{kernels:?} {width} {n}");
            }
        }
    }
}
