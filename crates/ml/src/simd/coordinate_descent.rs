//! Coordinate descent on small penalised quadratics: the inner loop of SLIM and NMF.

use super::{Kernel, Kernels, Lanes, PAD};

/// The penalty of the quadratic: `l2 / 2 ‖w‖² + l1 ‖w‖₁`.
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
    /// Returns how far the gradient exceeds what the penalty holds at zero; zero when zero is optimal.
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

impl Kernels {
    /// Minimises ½ wᵀQw − bᵀw + penalty over each coordinate of `w` in turn, once, and returns the largest change.
    ///
    /// `q` holds a row for each of `w`, each as long as `residual`, which is b − Q·w before and after.
    pub fn sweep(self, q: &[f32], penalty: Penalty, w: &mut [f32], residual: &mut [f32]) -> f32 {
        let width = residual.len();
        assert!(width.is_multiple_of(PAD) && w.len() <= width && q.len() >= w.len() * width);
        // SAFETY: lengths were just checked.
        unsafe { self.run(Sweep { q, penalty, w, residual }) }
    }
}

struct Sweep<'a> {
    q: &'a [f32],
    penalty: Penalty,
    w: &'a mut [f32],
    residual: &'a mut [f32],
}

impl Kernel for Sweep<'_> {
    type Output = f32;
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) -> f32 {
        let width = self.residual.len();
        let mut largest = 0f32;
        for (k, weight) in self.w.iter_mut().enumerate() {
            let row = &self.q[k * width..][..width];
            let (old, curvature) = (*weight, row[k]);
            let scale = curvature + self.penalty.l2;
            // Without curvature the weight is zero; this avoids a division by zero.
            let excess = self.penalty.excess(self.residual[k] + curvature * old);
            let new = if scale > 0.0 { excess / scale } else { 0.0 };
            let change = new - old;
            if change == 0.0 {
                continue;
            }
            *weight = new;
            largest = largest.max(change.abs());
            // SAFETY: `L` exists here; row and residual are `width` long, which `sweep` checked to be a multiple of 16, and every
            // vector divides that.
            unsafe {
                let (from, to, factor) = (row.as_ptr(), self.residual.as_mut_ptr(), L::splat(-change));
                for i in (0..width).step_by(L::N) {
                    L::store(to.add(i), L::fma(factor, L::load(from.add(i)), L::load(to.add(i))));
                }
            }
        }
        largest
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
}
