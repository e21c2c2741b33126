//! Sums of scattered rows of a table.

use super::{Kernels, Lanes, Level, PAD, Portable};

/// `out += Σ_j weights[j] · table[indices[j]]`.
///
/// # Safety
/// The instruction set must exist; rows of `table` are as long as `out`, a multiple of [`PAD`], and every index is of a row.
#[inline(always)]
unsafe fn add_rows<L: Lanes>(table: &[f32], indices: &[u32], weights: &[f32], out: &mut [f32]) {
    let k = out.len();
    unsafe {
        let mut start = 0;
        while start < k {
            // A strip of the sum stays in registers while all rows pass by.
            let vectors = (k - start) / L::N;
            let width = match vectors {
                16.. if L::N == PAD => add_strip::<L, 16>(table, indices, weights, out, start),
                8.. => add_strip::<L, 8>(table, indices, weights, out, start),
                4.. => add_strip::<L, 4>(table, indices, weights, out, start),
                2.. => add_strip::<L, 2>(table, indices, weights, out, start),
                _ => add_strip::<L, 1>(table, indices, weights, out, start),
            };
            start += width * L::N;
        }
    }
}

/// # Safety
/// As [`add_rows`]; the strip of `W` vectors from `start` lies within a row.
#[inline(always)]
unsafe fn add_strip<L: Lanes, const W: usize>(
    table: &[f32],
    indices: &[u32],
    weights: &[f32],
    out: &mut [f32],
    start: usize,
) -> usize {
    let k = out.len();
    unsafe {
        let to = out.as_mut_ptr().add(start);
        let mut sums = [L::zero(); W];
        for (w, sum) in sums.iter_mut().enumerate() {
            *sum = L::load(to.add(w * L::N));
        }
        for (&index, &weight) in indices.iter().zip(weights) {
            let row = table.as_ptr().add(index as usize * k + start);
            let weight = L::splat(weight);
            for (w, sum) in sums.iter_mut().enumerate() {
                *sum = L::fma(weight, L::load(row.add(w * L::N)), *sum);
            }
        }
        for (w, &sum) in sums.iter().enumerate() {
            L::store(to.add(w * L::N), sum);
        }
    }
    W
}

impl Kernels {
    /// `out += Σ_j weights[j] · table[indices[j]]`, for rows as long as `out`.
    pub fn add_rows(self, table: &[f32], indices: &[u32], weights: &[f32], out: &mut [f32]) {
        let rows = table.len() / out.len().max(1);
        assert!(out.len().is_multiple_of(PAD) && indices.len() == weights.len());
        assert!(indices.iter().all(|&index| (index as usize) < rows));
        // SAFETY: lengths and indices were just checked, and a level exists only where its instructions do.
        unsafe {
            match self.0 {
                Level::Portable => add_rows::<Portable>(table, indices, weights, out),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => add_rows_avx2(table, indices, weights, out),
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => add_rows_avx512(table, indices, weights, out),
            }
        }
    }
}

/// # Safety
/// As [`add_rows`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn add_rows_avx2(table: &[f32], indices: &[u32], weights: &[f32], out: &mut [f32]) {
    unsafe { add_rows::<super::x86::Avx2>(table, indices, weights, out) }
}

/// # Safety
/// As [`add_rows`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn add_rows_avx512(table: &[f32], indices: &[u32], weights: &[f32], out: &mut [f32]) {
    unsafe { add_rows::<super::x86::Avx512>(table, indices, weights, out) }
}

#[cfg(test)]
mod tests {

    #[test]
    fn scattered_rows_add_up() {
        for k in [16usize, 32, 48, 272, 400] {
            let table: Vec<f32> = (0..7 * k).map(|i| (i % 13) as f32).collect();
            let (indices, weights) = ([6u32, 0, 3, 3], [0.5f32, 2.0, -1.0, 4.0]);
            let value = |i: usize| 1.0 + indices.iter().zip(weights).map(|(&r, w)| w * table[r as usize * k + i]).sum::<f32>();
            for kernels in Kernels::all() {
                let mut out = vec![1f32; k];
                kernels.add_rows(&table, &indices, &weights, &mut out);
                assert!((0..k).all(|i| out[i] == value(i)), "{kernels:?} {k}");
            }
        }
    }
}
