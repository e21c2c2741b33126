//! Products of the rows of a matrix with one vector: the scores of factor models.
//!
//! Each has the bits of [`Kernels::dot`], for any number of rows and any instruction set.

use super::lanes::Lanes;
use super::pairs::total;
use super::rows::prefetch;
use super::{Kernel, Kernels, PAD};

impl Kernels {
    /// Returns the product of two rows, whose length is a multiple of [`PAD`].
    pub fn dot(self, a: &[f32], b: &[f32]) -> f32 {
        // SAFETY: this kernel relies on no lengths.
        unsafe { self.run(Dot { a, b }) }
    }

    /// Computes the product of every row with `x`. Rows are as long as `x`, a multiple of [`PAD`]; `out` has a place for each.
    pub fn products(self, rows: &[f32], x: &[f32], out: &mut [f32]) {
        // SAFETY: as above.
        unsafe { self.run(Products { rows, x, out }) }
    }

    /// Computes the product of each picked row with `x`; `out` is parallel to `picked`. Panics when a row does not exist.
    pub fn picked_products(self, rows: &[f32], x: &[f32], picked: &[u32], out: &mut [f32]) {
        // SAFETY: as above.
        unsafe { self.run(PickedProducts { rows, x, picked, out }) }
    }
}

/// Computes a product as 16 sums side by side, whatever the instruction set; so its bits are always the same. The compiler does not
/// find vectors for them by itself.
///
/// # Safety
/// The processor must have the instruction set.
#[inline(always)]
unsafe fn dot<L: Lanes>(a: &[f32], b: &[f32]) -> f32 {
    const MOST_VECTORS: usize = 4;
    let len = a.len().min(b.len()) / PAD * PAD;
    let (a, b) = (a.as_ptr(), b.as_ptr());
    let mut lanes = [0f32; PAD];
    // SAFETY: the caller guarantees the instruction set; both rows have `len` floats, a multiple of 16, which `L::N` divides into at
    // most four vectors, and so have the lanes.
    unsafe {
        let mut sums = [L::zero(); MOST_VECTORS];
        let mut at = 0;
        while at < len {
            for v in 0..MOST_VECTORS {
                if v < PAD / L::N {
                    let place = at + v * L::N;
                    sums[v] = L::add(sums[v], L::mul(L::load(a.add(place)), L::load(b.add(place))));
                }
            }
            at += PAD;
        }
        for v in 0..MOST_VECTORS {
            if v < PAD / L::N {
                L::store(lanes.as_mut_ptr().add(v * L::N), sums[v]);
            }
        }
    }
    total(lanes)
}

struct Dot<'a> {
    a: &'a [f32],
    b: &'a [f32],
}

impl Kernel for Dot<'_> {
    type Output = f32;

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) -> f32 {
        // SAFETY: `L` exists here.
        unsafe { dot::<L>(self.a, self.b) }
    }
}

struct Products<'a> {
    rows: &'a [f32],
    x: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        for (out, row) in self.out.iter_mut().zip(self.rows.chunks_exact(self.x.len().max(PAD))) {
            // SAFETY: `L` exists here.
            *out = unsafe { dot::<L>(row, self.x) };
        }
    }
}

/// Picked rows that are prefetched.
const AHEAD: usize = 4;

struct PickedProducts<'a> {
    rows: &'a [f32],
    x: &'a [f32],
    picked: &'a [u32],
    out: &'a mut [f32],
}

impl Kernel for PickedProducts<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let width = self.x.len();
        for (at, (out, &row)) in self.out.iter_mut().zip(self.picked).enumerate() {
            if let Some(&soon) = self.picked.get(at + AHEAD) {
                // A prefetch of an invalid address does nothing.
                prefetch(self.rows.as_ptr().wrapping_add(soon as usize * width), width);
            }
            // SAFETY: `L` exists here.
            *out = unsafe { dot::<L>(&self.rows[row as usize * width..][..width], self.x) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn every_way_of_asking_gives_the_same_bits() {
        for width in [16, 48, 144] {
            let numbers = |n: usize, step: usize| (0..n).map(|i| ((i * step % 97) as f32 - 48.0) / 7.0).collect::<Vec<f32>>();
            let (rows, x) = (numbers(9 * width, 31), numbers(width, 29));
            let wanted: Vec<u32> = rows.chunks(width).map(|row| Kernels(Level::Portable).dot(row, &x).to_bits()).collect();
            for kernels in Kernels::all() {
                let (mut all, mut some) = ([0f32; 9], [0f32; 3]);
                kernels.products(&rows, &x, &mut all);
                kernels.picked_products(&rows, &x, &[8, 0, 3], &mut some);
                assert_eq!(all.map(f32::to_bits).to_vec(), wanted, "{kernels:?}");
                assert_eq!(some.map(f32::to_bits), [wanted[8], wanted[0], wanted[3]], "{kernels:?}");
            }
        }
    }
}
