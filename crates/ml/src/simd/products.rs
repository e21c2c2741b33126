//! Products of the rows of a matrix with one vector: the scores of factor models.
//!
//! Each has the bits of [`Kernels::dot`], for any number of rows and any instruction set.

use super::pairs::dot_plain;
use super::rows::prefetch;
use super::{Kernels, Level, PAD, dispatched};

dispatched! {
    /// Computes the product of every row with `x`. Rows are as long as `x`, a multiple of [`PAD`]; `out` has a place for each.
    products(rows: &[f32], x: &[f32], out: &mut [f32]), products_plain
}

dispatched! {
    /// Computes the product of each picked row with `x`; `out` is parallel to `picked`. Panics when a row does not exist.
    picked_products(rows: &[f32], x: &[f32], picked: &[u32], out: &mut [f32]), picked_products_plain
}

#[inline(always)]
fn products_plain(rows: &[f32], x: &[f32], out: &mut [f32]) {
    for (out, row) in out.iter_mut().zip(rows.chunks_exact(x.len().max(PAD))) {
        *out = dot_plain(row, x);
    }
}

/// Picked rows that are prefetched.
const AHEAD: usize = 4;

#[inline(always)]
fn picked_products_plain(rows: &[f32], x: &[f32], picked: &[u32], out: &mut [f32]) {
    let width = x.len();
    for (at, (out, &row)) in out.iter_mut().zip(picked).enumerate() {
        if let Some(&soon) = picked.get(at + AHEAD) {
            // A prefetch of an invalid address does nothing.
            prefetch(rows.as_ptr().wrapping_add(soon as usize * width), width);
        }
        *out = dot_plain(&rows[row as usize * width..][..width], x);
    }
}

#[cfg(test)]
mod tests {
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
