//! The vector part of conjugate gradients.

use super::lanes::Lanes;
use super::{Kernel, Kernels};

/// The vectors of conjugate gradients, all of one length.
#[derive(Debug)]
pub struct Descent<'a> {
    /// Solution so far.
    pub x: &'a mut [f32],
    /// Right-hand side minus the matrix times the solution so far.
    pub residual: &'a mut [f32],
    /// Direction of the step.
    pub direction: &'a mut [f32],
    /// The matrix times the direction.
    pub product: &'a [f32],
}

impl Kernels {
    /// Moves `length` along the direction and finds the next one. `before` is the previous squared length of the residual;
    /// returns the new one.
    pub fn advance(self, descent: Descent<'_>, length: f32, before: f32) -> f32 {
        let Descent { x, residual, direction, product } = &descent;
        let k = x.len();
        assert!(k.is_multiple_of(super::PAD) && [residual.len(), direction.len(), product.len()] == [k; 3]);
        // SAFETY: lengths were just checked.
        unsafe { self.run(Advance { descent, length, before }) }
    }
}

struct Advance<'a> {
    descent: Descent<'a>,
    length: f32,
    before: f32,
}

impl Kernel for Advance<'_> {
    type Output = f32;
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) -> f32 {
        // SAFETY: `L` exists here; `advance` checked that all four vectors are `k` long, a multiple of 16, which every vector of
        // `L` divides.
        unsafe {
            let k = self.descent.x.len();
            let (x, r) = (self.descent.x.as_mut_ptr(), self.descent.residual.as_mut_ptr());
            let (p, ap) = (self.descent.direction.as_mut_ptr(), self.descent.product.as_ptr());
            let (forward, back) = (L::splat(self.length), L::splat(-self.length));
            let mut squares = L::zero();
            for i in (0..k).step_by(L::N) {
                L::store(x.add(i), L::fma(forward, L::load(p.add(i)), L::load(x.add(i))));
                let rest = L::fma(back, L::load(ap.add(i)), L::load(r.add(i)));
                L::store(r.add(i), rest);
                squares = L::fma(rest, rest, squares);
            }
            let now = L::sums([squares, L::zero(), L::zero(), L::zero()])[0];
            let keep = L::splat(now / self.before);
            for i in (0..k).step_by(L::N) {
                L::store(p.add(i), L::fma(keep, L::load(p.add(i)), L::load(r.add(i))));
            }
            now
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_steps_alike() {
        for kernels in Kernels::all() {
            let (mut x, mut r, mut p, ap) = ([1f32; 48], [4f32; 48], [2f32; 48], [6f32; 48]);
            let descent = Descent { x: &mut x, residual: &mut r, direction: &mut p, product: &ap };
            assert_eq!(kernels.advance(descent, 0.5, 96.0), 48.0, "{kernels:?}");
            assert_eq!((x, r, p), ([2.0; 48], [1.0; 48], [2.0; 48]), "{kernels:?}");
        }
    }
}
