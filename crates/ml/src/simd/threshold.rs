//! Scores of which only those that reach a threshold matter: found among many, or while they are computed as products of a tile
//! of rows with a panel of columns.
//!
//! The products stay in registers: those below their row's threshold are never written to memory.

use super::{Kernels, Lanes, Level, Portable};

/// Rows of a tile.
pub const TILE_ROWS: usize = 12;
/// Columns of a panel.
pub const PANEL: usize = 32;

/// The products that reached the threshold.
#[derive(Debug, Clone)]
pub struct Reached {
    /// For each row, a bit for each column whose product is at least the row's threshold.
    pub columns: [u32; TILE_ROWS],
    /// The products by rows; those without a bit have no meaning.
    pub products: [[f32; PANEL]; TILE_ROWS],
}

impl Default for Reached {
    fn default() -> Self {
        Reached { columns: [0; TILE_ROWS], products: [[0.0; PANEL]; TILE_ROWS] }
    }
}

impl Kernels {
    /// Returns the index of the first score that is at least the threshold. NaN never is.
    pub fn first_at_least(self, scores: &[f32], threshold: f32) -> Option<usize> {
        // SAFETY: `Kernels::detect` makes a level only where it has found its instructions.
        unsafe {
            match self.0 {
                Level::Portable => first_at_least::<Portable>(scores, threshold),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => x86::first_at_least_avx2(scores, threshold),
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => x86::first_at_least_avx512(scores, threshold),
            }
        }
    }

    /// Multiplies a tile of rows (`TILE_ROWS` values for each place) by a panel of columns (`PANEL` values for each place) and
    /// reports which products are at least the threshold of their row. NaN never is.
    ///
    /// Products are summed from the first place to the last, in every tile.
    pub fn reach(self, rows: &[f32], panel: &[f32], thresholds: &[f32; TILE_ROWS], reached: &mut Reached) {
        let width = rows.len() / TILE_ROWS;
        assert!(rows.len() == width * TILE_ROWS && panel.len() == width * PANEL);
        // SAFETY: lengths were just checked, and `Kernels::detect` makes a level only where it has found its instructions.
        unsafe {
            match self.0 {
                Level::Portable => reach::<Portable, 4, 2>(rows, panel, thresholds, reached),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => x86::reach_avx2(rows, panel, thresholds, reached),
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => x86::reach_avx512(rows, panel, thresholds, reached),
            }
        }
    }
}

/// Lanes that can be compared. The method is unsafe as those of [`Lanes`] are.
trait Compare: Lanes {
    /// Returns a bit for each lane where `a >= b`.
    unsafe fn at_least(a: Self::V, b: Self::V) -> u32;
}

impl Compare for Portable {
    #[inline(always)]
    unsafe fn at_least(a: Self::V, b: Self::V) -> u32 {
        (0..4).fold(0, |bits, i| bits | u32::from(a[i] >= b[i]) << i)
    }
}

/// Finds the first score, as [`Kernels::first_at_least`] does.
///
/// # Safety
/// The instruction set must exist.
#[inline(always)]
unsafe fn first_at_least<L: Compare>(scores: &[f32], threshold: f32) -> Option<usize> {
    let mut at = 0;
    while at + 4 * L::N <= scores.len() {
        let mut bits = 0;
        // SAFETY: `L` exists here, and four vectors are left.
        unsafe {
            let least = L::splat(threshold);
            for v in 0..4 {
                let found = u64::from(L::at_least(L::load(scores.as_ptr().add(at + v * L::N)), least));
                bits |= found << (v * L::N);
            }
        }
        if bits != 0 {
            return Some(at + bits.trailing_zeros() as usize);
        }
        at += 4 * L::N;
    }
    while at < scores.len() {
        if scores[at] >= threshold {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Goes through tile and panel in pieces of `R` rows by `V` vectors, sized to fill the registers.
///
/// # Safety
/// The instruction set must exist; `rows` and `panel` must be as for [`Kernels::reach`], `R` must divide [`TILE_ROWS`] and `V`
/// vectors [`PANEL`].
#[inline(always)]
unsafe fn reach<L: Compare, const R: usize, const V: usize>(
    rows: &[f32],
    panel: &[f32],
    thresholds: &[f32; TILE_ROWS],
    reached: &mut Reached,
) {
    reached.columns = [0; TILE_ROWS];
    for first in (0..TILE_ROWS).step_by(R) {
        for column in (0..PANEL).step_by(V * L::N) {
            // SAFETY: the conditions hold, and pieces of `R` rows by `V` vectors divide the tile and the panel.
            unsafe { reach_piece::<L, R, V>(rows, panel, thresholds, reached, first, column) };
        }
    }
}

/// Multiplies one piece of the tile and the panel, with the sums in registers.
///
/// # Safety
/// The conditions of [`reach`] must hold; the piece from row `first` and column `column` must lie within the tile and the panel.
#[inline(always)]
unsafe fn reach_piece<L: Compare, const R: usize, const V: usize>(
    rows: &[f32],
    panel: &[f32],
    thresholds: &[f32; TILE_ROWS],
    reached: &mut Reached,
    first: usize,
    column: usize,
) {
    // SAFETY: `L` exists here; `reach` checked that there are as many places of `TILE_ROWS` values in `rows` as of `PANEL` values in
    // `panel`, and the piece lies within both. Only the last step, after which nothing is read, leads behind the end.
    unsafe {
        let mut sums = [[L::zero(); V]; R];
        let (mut row, mut col) = (rows.as_ptr().wrapping_add(first), panel.as_ptr().wrapping_add(column));
        for _ in 0..rows.len() / TILE_ROWS {
            let mut items = [L::zero(); V];
            for v in 0..V {
                items[v] = L::load(col.add(v * L::N));
            }
            for r in 0..R {
                let x = L::splat(*row.add(r));
                for v in 0..V {
                    sums[r][v] = L::fma(x, items[v], sums[r][v]);
                }
            }
            (row, col) = (row.wrapping_add(TILE_ROWS), col.wrapping_add(PANEL));
        }
        for r in 0..R {
            let threshold = L::splat(thresholds[first + r]);
            let mut bits = 0;
            for v in 0..V {
                bits |= L::at_least(sums[r][v], threshold) << (v * L::N);
            }
            if bits != 0 {
                reached.columns[first + r] |= bits << column;
                let to = reached.products[first + r].as_mut_ptr().add(column);
                for v in 0..V {
                    L::store(to.add(v * L::N), sums[r][v]);
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::super::x86::{Avx2, Avx512};
    use super::{Compare, Reached, TILE_ROWS, first_at_least, reach};

    impl Compare for Avx2 {
        #[inline(always)]
        unsafe fn at_least(a: Self::V, b: Self::V) -> u32 {
            // SAFETY: the caller guarantees AVX2.
            unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(a, b)) as u32 }
        }
    }

    impl Compare for Avx512 {
        #[inline(always)]
        unsafe fn at_least(a: Self::V, b: Self::V) -> u32 {
            // SAFETY: the caller guarantees AVX-512F.
            unsafe { u32::from(_mm512_cmp_ps_mask::<_CMP_GE_OQ>(a, b)) }
        }
    }

    /// Runs [`first_at_least`], compiled for AVX2.
    ///
    /// # Safety
    /// The processor must have AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn first_at_least_avx2(scores: &[f32], threshold: f32) -> Option<usize> {
        // SAFETY: this function may only be called where AVX2 and FMA exist.
        unsafe { first_at_least::<Avx2>(scores, threshold) }
    }

    /// Runs [`first_at_least`], compiled for AVX-512.
    ///
    /// # Safety
    /// The processor must have AVX-512F, AVX2 and FMA.
    #[target_feature(enable = "avx512f,avx2,fma")]
    pub unsafe fn first_at_least_avx512(scores: &[f32], threshold: f32) -> Option<usize> {
        // SAFETY: this function may only be called where AVX-512F exists.
        unsafe { first_at_least::<Avx512>(scores, threshold) }
    }

    /// Runs [`reach`], compiled for AVX2.
    ///
    /// # Safety
    /// The processor must have AVX2 and FMA, and the conditions of [`reach`] must hold.
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn reach_avx2(rows: &[f32], panel: &[f32], thresholds: &[f32; TILE_ROWS], reached: &mut Reached) {
        // SAFETY: this function may only be called where AVX2 and FMA exist; 6 divides 12 rows, and 2 vectors of 8 divide 32 columns.
        unsafe { reach::<Avx2, 6, 2>(rows, panel, thresholds, reached) }
    }

    /// Runs [`reach`], compiled for AVX-512.
    ///
    /// # Safety
    /// The processor must have AVX-512F, AVX2 and FMA, and the conditions of [`reach`] must hold.
    #[target_feature(enable = "avx512f,avx2,fma")]
    pub unsafe fn reach_avx512(rows: &[f32], panel: &[f32], thresholds: &[f32; TILE_ROWS], reached: &mut Reached) {
        // SAFETY: this function may only be called where AVX-512F exists; 12 rows are the tile, and 2 vectors of 16 the panel.
        unsafe { reach::<Avx512, 12, 2>(rows, panel, thresholds, reached) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_found_wherever_it_stands() {
        for (len, at) in [
            (0, None),
            (1, Some(0)),
            (7, Some(6)),
            (64, Some(63)),
            (200, Some(0)),
            (200, Some(131)),
            (200, Some(199)),
            (150, None),
        ] {
            let mut scores: Vec<f32> = (0..len).map(|i| if i % 3 == 0 { f32::NAN } else { 0.5 }).collect();
            at.into_iter().for_each(|at: usize| scores[at] = 1.0);
            for kernels in Kernels::all() {
                assert_eq!(kernels.first_at_least(&scores, 1.0), at, "{kernels:?} {len}");
            }
        }
    }

    #[test]
    fn every_instruction_set_finds_what_plain_loops_find() {
        for width in [1, 5, 16, 64] {
            let numbers = |n: usize, step: usize| -> Vec<f32> { (0..n).map(|i| ((i * step % 97) as f32 - 48.0) / 8.0).collect() };
            let (rows, panel) = (numbers(width * TILE_ROWS, 31), numbers(width * PANEL, 29));
            let product = |r: usize, c: usize| (0..width).map(|k| rows[k * TILE_ROWS + r] * panel[k * PANEL + c]).sum::<f32>();
            let mut thresholds: [f32; TILE_ROWS] = std::array::from_fn(|r| r as f32 * 3.0 - 8.0 + 0.001);
            (thresholds[3], thresholds[4], thresholds[5]) = (f32::NEG_INFINITY, f32::INFINITY, f32::NAN);
            for kernels in Kernels::all() {
                let mut reached = Reached::default();
                kernels.reach(&rows, &panel, &thresholds, &mut reached);
                for (r, c) in (0..TILE_ROWS).flat_map(|r| (0..PANEL).map(move |c| (r, c))) {
                    let wanted = product(r, c);
                    let found = reached.columns[r] >> c & 1 == 1;
                    assert_eq!(found, wanted >= thresholds[r], "{kernels:?} {width} {r} {c}");
                    assert!(!found || (reached.products[r][c] - wanted).abs() < 1e-2, "{kernels:?} {r} {c}");
                }
            }
            let mut nan = rows.clone();
            nan[0] = f32::NAN;
            let mut reached = Reached::default();
            Kernels::detect().reach(&nan, &panel, &[f32::NEG_INFINITY; TILE_ROWS], &mut reached);
            assert_eq!((reached.columns[0], reached.columns[1]), (0, u32::MAX));
        }
    }
}
