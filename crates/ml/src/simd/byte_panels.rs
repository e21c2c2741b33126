//! Finding the rows of bytes whose product with a vector of bytes is close to a threshold.
//!
//! Bytes approximate real numbers; the bounds include the error, so no row whose true product reaches the threshold is missed. A
//! row takes a quarter of the memory of floats, and one instruction multiplies 32 or 64 bytes.

use super::Kernels;
#[cfg(target_arch = "x86_64")]
use super::Level;

/// Rows of a panel.
pub const BYTE_PANEL: usize = 32;
/// Adjacent bytes of a row that are multiplied and added at once.
pub const BYTE_GROUP: usize = 4;
/// Offset added to the bytes of rows to make them unsigned.
pub const BYTE_ZERO: u8 = 128;

/// A group of the vector's bytes, in the forms that the instruction sets multiply with.
#[derive(Debug, Clone, Copy)]
pub struct ByteGroup {
    bytes: [i8; BYTE_GROUP],
    /// The bytes without their signs.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "an instruction of x86-64 needs it"))]
    magnitudes: [u8; BYTE_GROUP],
    /// The bits to flip in the bytes of a row so that they are signed, and all bits where the vector's byte is negative.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "an instruction of x86-64 needs it"))]
    flips: [u8; BYTE_GROUP],
}

impl ByteGroup {
    /// Creates a group of bytes from −127 to 127.
    pub fn new(bytes: [i8; BYTE_GROUP]) -> Self {
        let flip = |byte: i8| if byte < 0 { !BYTE_ZERO } else { BYTE_ZERO };
        Self { bytes, magnitudes: bytes.map(i8::unsigned_abs), flips: bytes.map(flip) }
    }
}

/// Panels of rows, and the vector to multiply them with. All numbers below are in units of the vector's scale.
#[derive(Debug, Clone, Copy)]
pub struct BytePanels<'a> {
    /// `BYTE_PANEL` groups of `BYTE_GROUP` bytes for each group of the vector, one panel after another; 1 to 255, with
    /// [`BYTE_ZERO`] as zero.
    pub bytes: &'a [u8],
    /// Value of one unit of each row's bytes; `BYTE_PANEL` of them for each panel.
    pub scales: &'a [f32],
    /// Upper bound of the rows' lengths for each panel, never rising.
    pub lengths: &'a [f32],
    /// Upper bound, for each panel, of the distance between a row and the numbers its bytes approximate.
    pub blurs: &'a [f32],
    /// The vector.
    pub vector: &'a [ByteGroup],
    /// The sum of all bytes of the vector.
    pub vector_sum: i32,
    /// The sum of its negative bytes.
    pub vector_below_zero: i32,
    /// Possible error of the product for each unit of a panel's blur; also the greatest product for each unit of its length.
    pub per_blur: f32,
    /// Possible error of the product for each unit of a panel's length.
    pub per_length: f32,
    /// Possible error of the product in every panel.
    pub always: f32,
}

/// A panel with rows that may reach the threshold.
#[derive(Debug, Clone)]
pub struct Near {
    /// A bit for each row that may.
    pub rows: u32,
    /// The products of the bytes.
    pub products: [f32; BYTE_PANEL],
    /// Largest difference between the true products and those.
    pub room: f32,
}

impl Default for Near {
    fn default() -> Self {
        Near { rows: 0, products: [0.0; BYTE_PANEL], room: 0.0 }
    }
}

impl Kernels {
    /// Finds the first panel from number `from` on with a row whose true product may be at least the threshold; `None` when there
    /// is none.
    pub fn next_near(self, panels: &BytePanels<'_>, from: usize, threshold: f32, near: &mut Near) -> Option<usize> {
        let n = panels.lengths.len();
        let panel_len = panels.vector.len() * BYTE_GROUP * BYTE_PANEL;
        assert!(panels.bytes.len() == n * panel_len && panels.scales.len() == n * BYTE_PANEL && panels.blurs.len() == n);
        // SAFETY: lengths were just checked; `Kernels::detect` makes a level only where it has found its instructions, and VNNI was
        // just found.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            match self.0 {
                Level::Portable => {}
                Level::Avx512 if is_x86_feature_detected!("avx512vnni") => {
                    return x86::next_near_vnni(panels, from, threshold, near);
                }
                Level::Avx2 | Level::Avx512 => return x86::next_near_avx2(panels, from, threshold, near),
            }
            next_near::<Plain>(panels, from, threshold, near)
        }
    }
}

/// Sums of the products of one panel. Methods are unsafe because they may only run where the instructions exist, and because a
/// panel's groups must be behind `rows` and its scales behind `scales`.
trait Sums: Copy {
    unsafe fn zero() -> Self;
    /// Adds the products of a group of the vector with the groups of all rows, which start at `rows`.
    unsafe fn add(&mut self, rows: *const u8, group: &ByteGroup);
    /// Returns the amount by which the sums are too great.
    fn excess(panels: &BytePanels<'_>) -> i32 {
        // The bytes of rows count as unsigned.
        panels.vector_sum * i32::from(BYTE_ZERO)
    }
    /// Writes the products, scaled, and returns a bit for each that is at least `least`.
    unsafe fn finish(self, excess: i32, scales: *const f32, least: f32, products: &mut [f32; BYTE_PANEL]) -> u32;
}

/// Finds the next panel, as [`Kernels::next_near`] does, with the sums `S`.
///
/// # Safety
/// The instruction set must exist and the lengths must be as [`Kernels::next_near`] checks.
#[inline(always)]
unsafe fn next_near<S: Sums>(panels: &BytePanels<'_>, from: usize, threshold: f32, near: &mut Near) -> Option<usize> {
    let excess = S::excess(panels);
    let panel_len = panels.vector.len() * BYTE_GROUP * BYTE_PANEL;
    for panel in from..panels.lengths.len() {
        let (length, blur) = (panels.lengths[panel], panels.blurs[panel]);
        if panels.per_blur * length + panels.always < threshold {
            return None;
        }
        let room = panels.per_blur * blur + panels.per_length * length + panels.always;
        // SAFETY: the instructions exist here; `Kernels::next_near` checked that each panel has its bytes and scales, and `panel` is
        // the number of one.
        unsafe {
            let mut rows = panels.bytes.as_ptr().add(panel * panel_len);
            let mut sums = S::zero();
            for group in panels.vector {
                sums.add(rows, group);
                rows = rows.add(BYTE_GROUP * BYTE_PANEL);
            }
            let scales = panels.scales.as_ptr().add(panel * BYTE_PANEL);
            near.rows = sums.finish(excess, scales, threshold - room, &mut near.products);
        }
        if near.rows != 0 {
            near.room = room;
            return Some(panel);
        }
    }
    None
}

#[derive(Clone, Copy)]
struct Plain([i32; BYTE_PANEL]);

impl Sums for Plain {
    #[inline(always)]
    unsafe fn zero() -> Self {
        Plain([0; BYTE_PANEL])
    }

    #[inline(always)]
    unsafe fn add(&mut self, rows: *const u8, group: &ByteGroup) {
        // SAFETY: the caller guarantees a group of each row there; bytes need no alignment.
        let rows = unsafe { &*rows.cast::<[[u8; BYTE_GROUP]; BYTE_PANEL]>() };
        let group = group.bytes.map(i32::from);
        for (sum, row) in self.0.iter_mut().zip(rows) {
            *sum += (0..BYTE_GROUP).map(|at| i32::from(row[at]) * group[at]).sum::<i32>();
        }
    }

    #[inline(always)]
    unsafe fn finish(self, excess: i32, scales: *const f32, least: f32, products: &mut [f32; BYTE_PANEL]) -> u32 {
        // SAFETY: the caller guarantees a scale of each row there, in a slice of floats, which are aligned.
        let scales = unsafe { &*scales.cast::<[f32; BYTE_PANEL]>() };
        for row in 0..BYTE_PANEL {
            products[row] = (self.0[row] - excess) as f32 * scales[row];
        }
        (0..BYTE_PANEL).fold(0, |bits, row| bits | u32::from(products[row] >= least) << row)
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{BYTE_PANEL, ByteGroup, BytePanels, Near, Sums, next_near};

    #[derive(Clone, Copy)]
    struct Vnni([__m512i; 2]);

    impl Sums for Vnni {
        #[inline(always)]
        unsafe fn zero() -> Self {
            // SAFETY: the caller guarantees AVX-512F.
            unsafe { Vnni([_mm512_setzero_si512(); 2]) }
        }

        #[inline(always)]
        unsafe fn add(&mut self, rows: *const u8, group: &ByteGroup) {
            // SAFETY: the caller guarantees AVX-512F, VNNI and the 128 bytes of a group of each row, which are two vectors at any
            // alignment.
            unsafe {
                let [first, second, third, fourth] = group.bytes;
                let group = [first as u8, second as u8, third as u8, fourth as u8];
                let group = _mm512_set1_epi32(i32::from_ne_bytes(group));
                for (v, sum) in self.0.iter_mut().enumerate() {
                    *sum = _mm512_dpbusd_epi32(*sum, _mm512_loadu_si512(rows.add(v * 64).cast()), group);
                }
            }
        }

        #[inline(always)]
        unsafe fn finish(self, excess: i32, scales: *const f32, least: f32, products: &mut [f32; BYTE_PANEL]) -> u32 {
            let mut bits = 0;
            for (v, &sum) in self.0.iter().enumerate() {
                // SAFETY: the caller guarantees AVX-512F and 32 scales; these and the products are two vectors at any alignment.
                unsafe {
                    let whole = _mm512_cvtepi32_ps(_mm512_sub_epi32(sum, _mm512_set1_epi32(excess)));
                    let product = _mm512_mul_ps(whole, _mm512_loadu_ps(scales.add(v * 16)));
                    _mm512_storeu_ps(products.as_mut_ptr().add(v * 16), product);
                    bits |= u32::from(_mm512_cmp_ps_mask::<_CMP_GE_OQ>(product, _mm512_set1_ps(least))) << (v * 16);
                }
            }
            bits
        }
    }

    #[derive(Clone, Copy)]
    struct Avx2([__m256i; 4]);

    impl Sums for Avx2 {
        #[inline(always)]
        unsafe fn zero() -> Self {
            // SAFETY: the caller guarantees AVX2.
            unsafe { Avx2([_mm256_setzero_si256(); 4]) }
        }

        /// Adds pairs of products in 16 bits, which two products of signed bytes do not exceed; hence the sign moves from the
        /// vector to the rows. Flipping all bits of a number negates it and subtracts one, which [`Self::excess`] makes up for.
        #[inline(always)]
        unsafe fn add(&mut self, rows: *const u8, group: &ByteGroup) {
            // SAFETY: the caller guarantees AVX2 and the 128 bytes of a group of each row, which are four vectors at any alignment.
            unsafe {
                let magnitudes = _mm256_set1_epi32(i32::from_ne_bytes(group.magnitudes));
                let flips = _mm256_set1_epi32(i32::from_ne_bytes(group.flips));
                let ones = _mm256_set1_epi16(1);
                for (v, sum) in self.0.iter_mut().enumerate() {
                    let row = _mm256_xor_si256(_mm256_loadu_si256(rows.add(v * 32).cast()), flips);
                    let pairs = _mm256_maddubs_epi16(magnitudes, row);
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
                }
            }
        }

        fn excess(panels: &BytePanels<'_>) -> i32 {
            panels.vector_below_zero
        }

        #[inline(always)]
        unsafe fn finish(self, excess: i32, scales: *const f32, least: f32, products: &mut [f32; BYTE_PANEL]) -> u32 {
            let mut bits = 0;
            for (v, &sum) in self.0.iter().enumerate() {
                // SAFETY: the caller guarantees AVX2 and 32 scales; these and the products are four vectors at any alignment.
                unsafe {
                    let whole = _mm256_cvtepi32_ps(_mm256_sub_epi32(sum, _mm256_set1_epi32(excess)));
                    let product = _mm256_mul_ps(whole, _mm256_loadu_ps(scales.add(v * 8)));
                    _mm256_storeu_ps(products.as_mut_ptr().add(v * 8), product);
                    let reached = _mm256_cmp_ps::<_CMP_GE_OQ>(product, _mm256_set1_ps(least));
                    bits |= (_mm256_movemask_ps(reached) as u32) << (v * 8);
                }
            }
            bits
        }
    }

    /// Runs [`next_near`], compiled for VNNI.
    ///
    /// # Safety
    /// The processor must have AVX-512F, VNNI, AVX2 and FMA, and the conditions of [`next_near`] must hold.
    #[target_feature(enable = "avx512f,avx512vnni,avx2,fma")]
    pub unsafe fn next_near_vnni(panels: &BytePanels<'_>, from: usize, threshold: f32, near: &mut Near) -> Option<usize> {
        // SAFETY: this function may only be called where AVX-512F and VNNI exist, with lengths as checked.
        unsafe { next_near::<Vnni>(panels, from, threshold, near) }
    }

    /// Runs [`next_near`], compiled for AVX2.
    ///
    /// # Safety
    /// The processor must have AVX2 and FMA, and the conditions of [`next_near`] must hold.
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn next_near_avx2(panels: &BytePanels<'_>, from: usize, threshold: f32, near: &mut Near) -> Option<usize> {
        // SAFETY: this function may only be called where AVX2 exists, with lengths as checked.
        unsafe { next_near::<Avx2>(panels, from, threshold, near) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_finds_the_same_rows() {
        for groups in [4, 16, 36] {
            let n_panels = 3;
            // Every byte from 1 to 255, extremes in runs, so that sums of pairs reach their limits.
            let bytes: Vec<u8> = (0..n_panels * groups * BYTE_GROUP * BYTE_PANEL)
                .map(|i| if i % 512 < 128 { if i % 1024 < 512 { 1 } else { 255 } } else { (i * 31 % 255 + 1) as u8 })
                .collect();
            let group = |g: usize| match g % 3 {
                0 => [127, -127, 127, 127],
                1 => [-127, -127, g as i8, 0],
                _ => [g as i8, -3, 0, -127],
            };
            let vector: Vec<[i8; BYTE_GROUP]> = (0..groups).map(group).collect();
            let in_groups: Vec<ByteGroup> = vector.iter().copied().map(ByteGroup::new).collect();
            let sum = |part: fn(i32) -> i32| vector.as_flattened().iter().map(|&byte| part(byte.into())).sum();
            let scales: Vec<f32> = (0..n_panels * BYTE_PANEL).map(|i| 1.0 + (i % 5) as f32).collect();
            let panels = BytePanels {
                bytes: &bytes,
                scales: &scales,
                lengths: &[3.0, 2.0, 1.0],
                blurs: &[0.5, 0.25, 0.125],
                vector: &in_groups,
                vector_sum: sum(|byte| byte),
                vector_below_zero: sum(|byte| byte.min(0)),
                per_blur: 1e6,
                per_length: 2.0,
                always: 1.0,
            };
            let product = |row: usize| {
                let panel = &bytes[row / BYTE_PANEL * groups * BYTE_GROUP * BYTE_PANEL..];
                let byte = |g: usize, at: usize| i32::from(panel[(g * BYTE_PANEL + row % BYTE_PANEL) * BYTE_GROUP + at]) - 128;
                let places = (0..groups).flat_map(|g| (0..BYTE_GROUP).map(move |at| (g, at)));
                places.map(|(g, at)| byte(g, at) * i32::from(vector[g][at])).sum::<i32>() as f32 * scales[row]
            };
            for kernels in Kernels::all() {
                for threshold in [f32::NEG_INFINITY, 0.0, 3e5, 9e5, 1.5e6, 4e6, f32::INFINITY] {
                    let (mut near, mut from, mut found) = (Near::default(), 0, Vec::new());
                    while let Some(panel) = kernels.next_near(&panels, from, threshold, &mut near) {
                        let rows = (0..BYTE_PANEL).filter(|row| near.rows >> row & 1 == 1);
                        assert!((0..BYTE_PANEL).all(|row| near.products[row] == product(panel * BYTE_PANEL + row)));
                        found.extend(rows.map(|row| panel * BYTE_PANEL + row));
                        from = panel + 1;
                    }
                    let within = |panel: usize| 1e6 * panels.lengths[panel] + 1.0 >= threshold;
                    let room = |panel: usize| 1e6 * panels.blurs[panel] + 2.0 * panels.lengths[panel] + 1.0;
                    let wanted: Vec<usize> = (0..n_panels * BYTE_PANEL)
                        .filter(|&row| within(row / BYTE_PANEL) && product(row) >= threshold - room(row / BYTE_PANEL))
                        .collect();
                    assert_eq!(found, wanted, "{kernels:?} {groups} {threshold}");
                }
            }
        }
    }
}
