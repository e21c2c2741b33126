//! Products of the rows of a matrix with one vector: the scores of factor models.
//!
//! Each has the bits of [`Kernels::dot`], for any number of rows and any instruction set: 16 sums, which are added by halves.
//! Several rows are multiplied side by side, each with sums of its own: one addition after another would wait for the one before.

use super::lanes::Lanes;
use super::pairs::total;
use super::rows::prefetch;
use super::{Kernel, Kernels, PAD};

/// Rows that are multiplied side by side.
const TOGETHER: usize = 4;
/// The most vectors that 16 sums take.
const MOST_VECTORS: usize = 4;

impl Kernels {
    /// Returns the product of two rows, whose length is a multiple of [`PAD`].
    pub fn dot(self, a: &[f32], b: &[f32]) -> f32 {
        // SAFETY: the kernel checks the lengths.
        unsafe { self.run(Dot { a, b }) }
    }

    /// Computes the product of every row with `x`. Rows are as long as `x`, a multiple of [`PAD`]; `out` has a place for each.
    pub fn products(self, rows: &[f32], x: &[f32], out: &mut [f32]) {
        // SAFETY: the kernel checks the lengths.
        unsafe { self.run(Products { rows, x, out }) }
    }

    /// Computes the product of each picked row with `x`; `out` is parallel to `picked`. Panics when a row does not exist.
    pub fn picked_products(self, rows: &[f32], x: &[f32], picked: &[u32], out: &mut [f32]) {
        // SAFETY: the kernel checks the lengths.
        unsafe { self.run(PickedProducts { rows, x, picked, out }) }
    }
}

/// Returns the products of some rows with `x`, of which each has `x.len()` floats or more.
///
/// # Safety
/// The processor must have the instruction set, and the rows the floats.
#[inline(always)]
unsafe fn dots<L: Lanes, const R: usize>(rows: [*const f32; R], x: &[f32]) -> [f32; R] {
    let (len, vectors, x) = (x.len() / PAD * PAD, PAD / L::N, x.as_ptr());
    let mut products = [0f32; R];
    // SAFETY: the caller guarantees the instruction set and `len` floats; 16 of them are `vectors` vectors.
    unsafe {
        let mut sums = [[L::zero(); MOST_VECTORS]; R];
        let mut at = 0;
        while at < len {
            for v in 0..vectors {
                let factor = L::load(x.add(at + v * L::N));
                for row in 0..R {
                    sums[row][v] = L::add(sums[row][v], L::mul(L::load(rows[row].add(at + v * L::N)), factor));
                }
            }
            at += PAD;
        }
        for row in 0..R {
            let mut lanes = [0f32; PAD];
            for v in 0..vectors {
                L::store(lanes.as_mut_ptr().add(v * L::N), sums[row][v]);
            }
            products[row] = total(lanes);
        }
    }
    products
}

struct Dot<'a> {
    a: &'a [f32],
    b: &'a [f32],
}

impl Kernel for Dot<'_> {
    type Output = f32;

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) -> f32 {
        let n = self.a.len().min(self.b.len());
        // SAFETY: `L` exists here, and both rows have `n` floats.
        unsafe { dots::<L, 1>([self.a.as_ptr()], &self.b[..n])[0] }
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
        let Products { rows, x, out } = self;
        let width = x.len().max(PAD);
        let n = out.len().min(rows.len() / width);
        let row = |at: usize| rows[at * width..][..width].as_ptr();
        let mut at = 0;
        // SAFETY: `L` exists here, and each row has as many floats as `x`.
        unsafe {
            while at + TOGETHER <= n {
                let products = dots::<L, TOGETHER>([row(at), row(at + 1), row(at + 2), row(at + 3)], x);
                out[at..at + TOGETHER].copy_from_slice(&products);
                at += TOGETHER;
            }
            while at < n {
                out[at] = dots::<L, 1>([row(at)], x)[0];
                at += 1;
            }
        }
    }
}

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
        let PickedProducts { rows, x, picked, out } = self;
        let (width, n) = (x.len(), picked.len());
        let out = &mut out[..n];
        let row = |at: usize| rows[picked[at] as usize * width..][..width].as_ptr();
        let mut at = 0;
        // SAFETY: `L` exists here, and each row has as many floats as `x`.
        unsafe {
            while at + TOGETHER <= n {
                for soon in at + TOGETHER..(at + 2 * TOGETHER).min(n) {
                    // A prefetch of an invalid address does nothing.
                    prefetch(rows.as_ptr().wrapping_add(picked[soon] as usize * width), width);
                }
                let products = dots::<L, TOGETHER>([row(at), row(at + 1), row(at + 2), row(at + 3)], x);
                out[at..at + TOGETHER].copy_from_slice(&products);
                at += TOGETHER;
            }
            while at < n {
                out[at] = dots::<L, 1>([row(at)], x)[0];
                at += 1;
            }
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
