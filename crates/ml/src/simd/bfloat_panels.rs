//! Products of matrices whose numbers are rounded to bfloat16, the upper half of a 32-bit float, and summed in 32 bits.
//!
//! Processors with an instruction for it multiply twice as many such numbers as floats in the same time. Neighbours along the
//! summed dimension share one word, the first of them in its lower half; where their number is odd, the last one has zero beside
//! it.

use super::Kernels;
#[cfg(target_arch = "x86_64")]
use super::{Level, padded};

/// Columns of a panel of the right matrix; the last panel has the remaining ones, rounded up to a multiple of 16.
#[cfg(target_arch = "x86_64")]
const PANEL: usize = 64;

/// Words of packed matrices, kept from one to the next.
#[derive(Debug, Default)]
pub struct Words(Vec<u32>);

impl Words {
    /// Returns room for `len` words whose values do not matter.
    fn room(&mut self, len: usize) -> &mut [u32] {
        if self.0.len() < len {
            self.0.resize(len, 0);
        }
        &mut self.0[..len]
    }
}

/// A matrix for the left of a product.
#[derive(Debug, Clone, Copy)]
pub struct LeftWords<'a> {
    words: &'a [u32],
    rows: usize,
    pairs: usize,
    /// Words from a row to the next.
    row_stride: usize,
    /// Words from a pair of neighbours to the next.
    pair_stride: usize,
}

/// A matrix for the right of a product: for each panel of columns and each pair of neighbours a word for each column.
#[derive(Debug, Clone, Copy)]
pub struct RightWords<'a> {
    words: &'a [u32],
    columns: usize,
    pairs: usize,
}

impl LeftWords<'_> {
    /// Returns the number of rows of the product.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

impl RightWords<'_> {
    /// Returns the number of columns of the product.
    pub fn columns(&self) -> usize {
        self.columns
    }
}

/// Kernels for products of numbers in bfloat16.
#[derive(Debug, Clone, Copy)]
pub struct BfloatKernels(());

impl Kernels {
    /// Returns the kernels for bfloat16, if this processor has instructions for it.
    pub fn bfloat(self) -> Option<BfloatKernels> {
        #[cfg(target_arch = "x86_64")]
        if self.0 == Level::Avx512 && is_x86_feature_detected!("avx512bf16") {
            return Some(BfloatKernels(()));
        }
        None
    }
}

/// Rounds a float to the nearest number of bfloat16, to the even one of two that are equally near.
pub fn round_to_bfloat(value: f32) -> f32 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) & 0xffff_0000;
    // The carry may turn NaN into a number.
    f32::from_bits(if value.is_nan() { bits | 0x0040_0000 } else { rounded })
}

#[cfg(target_arch = "x86_64")]
impl BfloatKernels {
    /// Packs rows of `len` numbers for the left.
    pub fn left<'a>(self, rows: &[f32], len: usize, words: &'a mut Words) -> LeftWords<'a> {
        let (n, pairs) = (rows.len() / len.max(1), len.div_ceil(2));
        let words = words.room(n * pairs);
        // SAFETY: `Kernels::bfloat` makes these kernels only where it has found AVX-512F and its instructions for bfloat16.
        unsafe { x86::pack_rows(rows, len, words) };
        LeftWords { words, rows: n, pairs, row_stride: pairs, pair_stride: 1 }
    }

    /// Packs the transpose of rows of `len` numbers for the left.
    pub fn left_transposed<'a>(self, rows: &[f32], len: usize, words: &'a mut Words) -> LeftWords<'a> {
        let pairs = (rows.len() / len.max(1)).div_ceil(2);
        let words = words.room(pairs * len);
        // SAFETY: `Kernels::bfloat` makes these kernels only where it has found AVX-512F and its instructions for bfloat16.
        unsafe { x86::pack_columns(rows, len, len, words) };
        LeftWords { words, rows: len, pairs, row_stride: 1, pair_stride: len }
    }

    /// Packs rows of `columns` numbers for the right.
    pub fn right<'a>(self, rows: &[f32], columns: usize, words: &'a mut Words) -> RightWords<'a> {
        let pairs = (rows.len() / columns.max(1)).div_ceil(2);
        let words = words.room(pairs * padded(columns));
        for (first, panel) in (0..columns).step_by(PANEL).zip(words.chunks_mut((PANEL * pairs).max(1))) {
            let wide = (columns - first).min(PANEL);
            // SAFETY: `Kernels::bfloat` makes these kernels only where it has found AVX-512F and its instructions for bfloat16.
            unsafe { x86::pack_columns(&rows[first..], columns, wide, panel) };
        }
        RightWords { words, columns, pairs }
    }

    /// Packs the transpose of rows of `len` numbers for the right.
    pub fn right_transposed<'a>(self, rows: &[f32], len: usize, words: &'a mut Words) -> RightWords<'a> {
        let (columns, pairs) = (rows.len() / len.max(1), len.div_ceil(2));
        let words = words.room(pairs * padded(columns));
        for (rows, panel) in rows.chunks((PANEL * len).max(1)).zip(words.chunks_mut((PANEL * pairs).max(1))) {
            // SAFETY: `Kernels::bfloat` makes these kernels only where it has found AVX-512F and its instructions for bfloat16.
            unsafe { x86::transpose_pairs(rows, len, panel) };
        }
        RightWords { words, columns, pairs }
    }

    /// Computes `out = left · right` by rows.
    pub fn multiply(self, left: LeftWords<'_>, right: RightWords<'_>, out: &mut [f32]) {
        assert!(left.pairs == right.pairs && out.len() == left.rows * right.columns);
        // SAFETY: as above; pairs and output were just checked, and only the methods above make the two sides, with a word for each
        // row or padded column and pair.
        unsafe { x86::multiply(left, right, out) }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::super::padded;
    use super::{LeftWords, PANEL, RightWords};

    /// Words in a vector.
    const LANES: usize = 16;
    /// Rows of the product that are summed at the same time: with four vectors each, they fill the registers.
    const ROWS: usize = 6;

    /// Returns a bit for each of the first lanes.
    fn first_lanes(count: usize) -> u16 {
        if count >= LANES { u16::MAX } else { (1 << count) - 1 }
    }

    /// Loads the first numbers from a place on, at most [`LANES`], followed by zeros.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(from: &[f32]) -> __m512 {
        // SAFETY: the mask ends with `from`, so nothing behind its end is read; the load needs no alignment.
        unsafe { _mm512_maskz_loadu_ps(first_lanes(from.len()), from.as_ptr()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn store(words: __m512i, to: &mut [u32]) {
        // SAFETY: the mask ends with `to`, so nothing behind its end is written; the store needs no alignment.
        unsafe { _mm512_mask_storeu_epi32(to.as_mut_ptr().cast(), first_lanes(to.len()), words) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn bfloats(words: __m512i) -> __m512bh {
        // SAFETY: both are 64 bytes of any value.
        unsafe { std::mem::transmute(words) }
    }

    /// Packs the pairs of up to 32 neighbours.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    fn neighbours(from: &[f32]) -> __m512i {
        let (low, high) = from.split_at(from.len().min(LANES));
        // SAFETY: both are 64 bytes of any value.
        unsafe { std::mem::transmute(_mm512_cvtne2ps_pbh(load(high), load(low))) }
    }

    /// Packs rows of `len` numbers for sums over pairs of neighbours.
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub fn pack_rows(rows: &[f32], len: usize, words: &mut [u32]) {
        for (row, words) in rows.chunks_exact(len.max(1)).zip(words.chunks_exact_mut(len.div_ceil(2).max(1))) {
            for (some, to) in row.chunks(2 * LANES).zip(words.chunks_mut(LANES)) {
                store(neighbours(some), to);
            }
        }
    }

    /// Packs the first `wide` numbers of rows, `len` apart, for sums over the rows; words of a pair begin at a multiple of the
    /// number that one takes when `words` is divided among the pairs.
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub fn pack_columns(rows: &[f32], len: usize, wide: usize, words: &mut [u32]) {
        let n = (rows.len() + len - wide) / len.max(1);
        let pairs = n.div_ceil(2);
        for (pair, words) in words.chunks_exact_mut((words.len() / pairs.max(1)).max(1)).take(pairs).enumerate() {
            let first = &rows[2 * pair * len..][..wide];
            let second = if 2 * pair + 1 < n { &rows[(2 * pair + 1) * len..][..wide] } else { &[][..] };
            for (at, to) in words.chunks_mut(LANES).enumerate().take(wide.div_ceil(LANES)) {
                let rest = |row: &'_ [f32]| -> __m512i {
                    let some = &row[row.len().min(at * LANES)..];
                    // SAFETY: both are 32 bytes of any value.
                    let rounded: __m256i = unsafe { std::mem::transmute(_mm512_cvtneps_pbh(load(some))) };
                    _mm512_cvtepu16_epi32(rounded)
                };
                store(_mm512_or_si512(rest(first), _mm512_slli_epi32::<16>(rest(second))), to);
            }
        }
    }

    /// Packs up to [`PANEL`] rows of `len` numbers as columns of a panel, for sums over pairs of neighbours.
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub fn transpose_pairs(rows: &[f32], len: usize, panel: &mut [u32]) {
        let pairs = len.div_ceil(2);
        let wide = panel.len() / pairs.max(1);
        for (sixteen, rows) in rows.chunks(LANES * len).enumerate() {
            for first in (0..pairs).step_by(LANES) {
                let mut words = [_mm512_setzero_si512(); LANES];
                for (word, row) in words.iter_mut().zip(rows.chunks_exact(len)) {
                    *word = neighbours(&row[2 * first..]);
                }
                let places = panel[first * wide..].chunks_exact_mut(wide);
                for (words, to) in transpose(words).into_iter().zip(places) {
                    store(words, &mut to[sixteen * LANES..][..LANES]);
                }
            }
        }
    }

    /// Returns the transpose of 16 rows of 16 words.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn transpose(rows: [__m512i; LANES]) -> [__m512i; LANES] {
        let mut twos = rows;
        for at in (0..LANES).step_by(2) {
            twos[at] = _mm512_unpacklo_epi32(rows[at], rows[at + 1]);
            twos[at + 1] = _mm512_unpackhi_epi32(rows[at], rows[at + 1]);
        }
        let mut fours = rows;
        for at in (0..LANES).step_by(4) {
            fours[at] = _mm512_unpacklo_epi64(twos[at], twos[at + 2]);
            fours[at + 1] = _mm512_unpackhi_epi64(twos[at], twos[at + 2]);
            fours[at + 2] = _mm512_unpacklo_epi64(twos[at + 1], twos[at + 3]);
            fours[at + 3] = _mm512_unpackhi_epi64(twos[at + 1], twos[at + 3]);
        }
        // Each quarter of a vector now has four rows of one column.
        let mut columns = rows;
        for at in 0..4 {
            let even = _mm512_shuffle_i32x4::<0x88>(fours[at], fours[4 + at]);
            let odd = _mm512_shuffle_i32x4::<0xdd>(fours[at], fours[4 + at]);
            let more_even = _mm512_shuffle_i32x4::<0x88>(fours[8 + at], fours[12 + at]);
            let more_odd = _mm512_shuffle_i32x4::<0xdd>(fours[8 + at], fours[12 + at]);
            columns[at] = _mm512_shuffle_i32x4::<0x88>(even, more_even);
            columns[4 + at] = _mm512_shuffle_i32x4::<0x88>(odd, more_odd);
            columns[8 + at] = _mm512_shuffle_i32x4::<0xdd>(even, more_even);
            columns[12 + at] = _mm512_shuffle_i32x4::<0xdd>(odd, more_odd);
        }
        columns
    }

    /// Computes `out = left · right` by rows.
    ///
    /// # Safety
    /// Both must have the same number of pairs, and all words of their rows or padded columns; `out` must have a place for each
    /// product.
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub unsafe fn multiply(left: LeftWords<'_>, right: RightWords<'_>, out: &mut [f32]) {
        let RightWords { words, columns, pairs } = right;
        for first in (0..columns).step_by(PANEL) {
            let wide = (columns - first).min(PANEL);
            let panel = &words[first * pairs..][..padded(wide) * pairs];
            for row in (0..left.rows).step_by(ROWS) {
                let high = (left.rows - row).min(ROWS);
                // SAFETY: `high` rows from `row` on are in the left matrix and in `out`, and `panel` has the vectors of `wide` columns
                // for each pair.
                unsafe {
                    let from = left.words.as_ptr().wrapping_add(row * left.row_stride);
                    let to = Tile { to: out.as_mut_ptr().add(row * columns + first), stride: columns, wide };
                    match high {
                        ROWS => rows::<ROWS>(left, from, panel, to),
                        5 => rows::<5>(left, from, panel, to),
                        4 => rows::<4>(left, from, panel, to),
                        3 => rows::<3>(left, from, panel, to),
                        2 => rows::<2>(left, from, panel, to),
                        _ => rows::<1>(left, from, panel, to),
                    }
                }
            }
        }
    }

    /// Destination of sums.
    #[derive(Clone, Copy)]
    struct Tile {
        to: *mut f32,
        stride: usize,
        /// Columns that are written.
        wide: usize,
    }

    /// Computes `R` rows of a panel of the product.
    ///
    /// # Safety
    /// The conditions of [`tile`] must hold.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn rows<const R: usize>(left: LeftWords<'_>, from: *const u32, panel: &[u32], to: Tile) {
        // SAFETY: guaranteed by the caller; the number of vectors is that of the panel.
        unsafe {
            match to.wide.div_ceil(LANES) {
                4 => tile::<R, 4>(left, from, panel, to),
                3 => tile::<R, 3>(left, from, panel, to),
                2 => tile::<R, 2>(left, from, panel, to),
                _ => tile::<R, 1>(left, from, panel, to),
            }
        }
    }

    /// Computes `R` rows by `V` vectors of the product, with the sums in registers.
    ///
    /// # Safety
    /// The left matrix must have `R` rows from the word `from` on, `panel` `V` vectors for each of its pairs, and the output `R`
    /// rows.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn tile<const R: usize, const V: usize>(left: LeftWords<'_>, from: *const u32, panel: &[u32], to: Tile) {
        // SAFETY: the function may only be called where AVX-512F and bfloat16 exist; the caller guarantees that `words` and `columns`
        // reach words that are there for each pair, at any alignment, and the mask ends each row of the output.
        unsafe {
            let mut sums = [[_mm512_setzero_ps(); V]; R];
            let (mut words, mut columns) = (from, panel.as_ptr());
            for _ in 0..left.pairs {
                let mut right = [_mm512_setzero_si512(); V];
                for v in 0..V {
                    right[v] = _mm512_loadu_si512(columns.add(v * LANES).cast());
                }
                for r in 0..R {
                    let word = _mm512_set1_epi32((*words.add(r * left.row_stride)).cast_signed());
                    for v in 0..V {
                        sums[r][v] = _mm512_dpbf16_ps(sums[r][v], bfloats(word), bfloats(right[v]));
                    }
                }
                words = words.wrapping_add(left.pair_stride);
                columns = columns.wrapping_add(V * LANES);
            }
            for r in 0..R {
                for v in 0..V {
                    let some = first_lanes(to.wide - v * LANES);
                    _mm512_mask_storeu_ps(to.to.add(r * to.stride + v * LANES), some, sums[r][v]);
                }
            }
        }
    }
}
