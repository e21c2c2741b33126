//! Coordinate descent on small quadratic problems, and sums of long rows: the inner loops of SLIM and NMF.

#[cfg(target_arch = "x86_64")]
use super::x86::{Avx2, Avx512};
use super::{Kernels, Lanes, Level, PAD, Portable};

/// What the quadratic is penalised with: `l2 / 2 ‖w‖² + l1 ‖w‖₁`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Penalty {
    /// Weight of the absolute values.
    pub l1: f32,
    /// Weight of half the squares.
    pub l2: f32,
    /// Whether solutions may not be negative.
    pub positive_only: bool,
}

impl Penalty {
    /// How far the gradient exceeds what the penalty holds at zero; zero when zero is optimal.
    #[inline(always)]
    pub fn excess(self, gradient: f32) -> f32 {
        if gradient > self.l1 {
            gradient - self.l1
        } else if !self.positive_only && gradient < -self.l1 {
            gradient + self.l1
        } else {
            0.0
        }
    }
}

/// `to += factor · row`
///
/// # Safety
/// The instruction set must exist; both point to `len` floats, a multiple of [`PAD`].
#[inline(always)]
unsafe fn add_scaled<L: Lanes>(row: *const f32, factor: f32, to: *mut f32, len: usize) {
    unsafe {
        let factor = L::splat(factor);
        let mut i = 0;
        while i < len {
            L::store(to.add(i), L::fma(factor, L::load(row.add(i)), L::load(to.add(i))));
            i += L::N;
        }
    }
}

/// See [`Kernels::sweep`].
///
/// # Safety
/// The instruction set must exist; `residual` holds a multiple of [`PAD`] floats, not fewer than `w`, and `q` as many
/// for each of `w`.
#[inline(always)]
unsafe fn sweep<L: Lanes>(q: &[f32], penalty: Penalty, w: &mut [f32], residual: &mut [f32]) -> f32 {
    let width = residual.len();
    let mut largest = 0f32;
    for (k, weight) in w.iter_mut().enumerate() {
        let row = &q[k * width..][..width];
        let (old, curvature) = (*weight, row[k]);
        let scale = curvature + penalty.l2;
        // Where nothing is known the weight is zero; not a division by zero.
        let new = if scale > 0.0 { penalty.excess(residual[k] + curvature * old) / scale } else { 0.0 };
        let change = new - old;
        if change != 0.0 {
            *weight = new;
            largest = largest.max(change.abs());
            unsafe { add_scaled::<L>(row.as_ptr(), -change, residual.as_mut_ptr(), width) };
        }
    }
    largest
}

/// See [`Kernels::subtract_rows`].
///
/// # Safety
/// The instruction set must exist; `out` and all rows hold the same multiple of [`PAD`] floats.
#[inline(always)]
unsafe fn subtract_rows<L: Lanes>(rows: &[(&[f32], f32)], out: &mut [f32]) {
    /// Floats of the output that stay in registers or at least in the cache while all rows pass by.
    const STRIP: usize = 64;
    let mut start = 0;
    unsafe {
        while start < out.len() {
            let len = STRIP.min(out.len() - start);
            let to = out.as_mut_ptr().add(start);
            for &(row, factor) in rows {
                add_scaled::<L>(row.as_ptr().add(start), -factor, to, len);
            }
            start += len;
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn sweep_avx2(q: &[f32], penalty: Penalty, w: &mut [f32], residual: &mut [f32]) -> f32 {
    unsafe { sweep::<Avx2>(q, penalty, w, residual) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn sweep_avx512(q: &[f32], penalty: Penalty, w: &mut [f32], residual: &mut [f32]) -> f32 {
    unsafe { sweep::<Avx512>(q, penalty, w, residual) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn subtract_rows_avx2(rows: &[(&[f32], f32)], out: &mut [f32]) {
    unsafe { subtract_rows::<Avx2>(rows, out) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn subtract_rows_avx512(rows: &[(&[f32], f32)], out: &mut [f32]) {
    unsafe { subtract_rows::<Avx512>(rows, out) }
}

impl Kernels {
    /// Minimises ½ wᵀQw − bᵀw + penalty over each coordinate of `w` in turn, once, and gives the largest change.
    ///
    /// `q` holds a row for each of `w`, each as long as `residual`, which is b − Q·w before and after.
    pub fn sweep(self, q: &[f32], penalty: Penalty, w: &mut [f32], residual: &mut [f32]) -> f32 {
        let width = residual.len();
        assert!(width.is_multiple_of(PAD) && w.len() <= width && q.len() >= w.len() * width);
        // SAFETY: lengths were just checked, and a level exists only where its instructions do.
        unsafe {
            match self.0 {
                Level::Portable => sweep::<Portable>(q, penalty, w, residual),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => sweep_avx2(q, penalty, w, residual),
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => sweep_avx512(q, penalty, w, residual),
            }
        }
    }

    /// `out −= Σ factor · row`.
    pub fn subtract_rows(self, rows: &[(&[f32], f32)], out: &mut [f32]) {
        assert!(out.len().is_multiple_of(PAD) && rows.iter().all(|(row, _)| row.len() == out.len()));
        // SAFETY: lengths were just checked, and a level exists only where its instructions do.
        unsafe {
            match self.0 {
                Level::Portable => subtract_rows::<Portable>(rows, out),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => subtract_rows_avx2(rows, out),
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => subtract_rows_avx512(rows, out),
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
    fn every_instruction_set_descends_alike() {
        for (n, width) in [(1, 16), (20, 32), (33, 48), (16, 16)] {
            let mut q = numbers(n * width, 31);
            (0..n).for_each(|k| q[k * width + k] = 30.0);
            for positive_only in [true, false] {
                let penalty = Penalty { l1: 0.2, l2: 1.5, positive_only };
                let (mut w, mut residual) = (vec![0f32; n], numbers(width, 7));
                for k in 0..n {
                    let new = penalty.excess(residual[k] + 30.0 * w[k]) / 31.5;
                    let change = new - w[k];
                    (0..width).for_each(|i| residual[i] -= change * q[k * width + i]);
                    w[k] = new;
                }
                assert!(!positive_only || w.iter().all(|&x| x >= 0.0));
                let largest = w.iter().fold(0f32, |most, x| most.max(x.abs()));
                for kernels in Kernels::all() {
                    let (mut ours, mut left) = (vec![0f32; n], numbers(width, 7));
                    let change = kernels.sweep(&q, penalty, &mut ours, &mut left);
                    assert!((change - largest).abs() < 1e-6, "{kernels:?}");
                    assert!(ours.iter().zip(&w).all(|(a, b)| (a - b).abs() < 1e-6), "{kernels:?}");
                    assert!(left.iter().zip(&residual).all(|(a, b)| (a - b).abs() < 1e-5), "{kernels:?}");
                }
            }
        }
    }

    #[test]
    fn every_instruction_set_sums_rows_alike() {
        for (n, width) in [(0, 16), (1, 16), (5, 80), (9, 144)] {
            let (q, factors) = (numbers(n * width, 31), numbers(n, 3));
            let rows: Vec<(&[f32], f32)> = q.chunks_exact(width).zip(factors.iter().copied()).collect();
            let mut wanted = numbers(width, 5);
            rows.iter().for_each(|(row, f)| wanted.iter_mut().zip(*row).for_each(|(w, x)| *w -= f * x));
            for kernels in Kernels::all() {
                let mut out = numbers(width, 5);
                kernels.subtract_rows(&rows, &mut out);
                assert!(out.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-5), "{kernels:?} {n} {width}");
            }
        }
    }
}
