//! Products of the rows of a matrix with one vector: the scores of factor models.
//!
//! Each has the bits of [`Kernels::dot`], for any number of rows and any instruction set. Several rows are multiplied side by side,
//! each with sums of its own: one addition after another would wait for the one before.

use super::pairs::{dot_plain, total};
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

/// Rows that are multiplied side by side.
const TOGETHER: usize = 4;

/// Returns the products of some rows with `x`, which are as long.
#[inline(always)]
fn dots_plain(rows: [&[f32]; TOGETHER], x: &[f32]) -> [f32; TOGETHER] {
    let (x, _) = x.as_chunks::<PAD>();
    let mut chunks = [x; TOGETHER];
    for of in 0..TOGETHER {
        chunks[of] = &rows[of].as_chunks::<PAD>().0[..x.len()];
    }
    let mut sums = [[0f32; PAD]; TOGETHER];
    for at in 0..x.len() {
        for of in 0..TOGETHER {
            for i in 0..PAD {
                sums[of][i] += chunks[of][at][i] * x[at][i];
            }
        }
    }
    let mut totals = [0.0; TOGETHER];
    for of in 0..TOGETHER {
        totals[of] = total(sums[of]);
    }
    totals
}

#[inline(always)]
fn products_plain(rows: &[f32], x: &[f32], out: &mut [f32]) {
    let width = x.len().max(PAD);
    let n = out.len().min(rows.len() / width);
    let (together, rest) = out[..n].as_chunks_mut::<TOGETHER>();
    let n_together = together.len() * TOGETHER;
    for at in 0..together.len() {
        let mut four = [x; TOGETHER];
        for of in 0..TOGETHER {
            four[of] = &rows[(at * TOGETHER + of) * width..][..width];
        }
        together[at] = dots_plain(four, x);
    }
    for at in 0..rest.len() {
        rest[at] = dot_plain(&rows[(n_together + at) * width..][..width], x);
    }
}

#[inline(always)]
fn picked_products_plain(rows: &[f32], x: &[f32], picked: &[u32], out: &mut [f32]) {
    let width = x.len();
    let row = |picked: u32| &rows[picked as usize * width..][..width];
    let (together, rest) = out[..picked.len()].as_chunks_mut::<TOGETHER>();
    let (groups, last) = picked.as_chunks::<TOGETHER>();
    for at in 0..together.len() {
        let mut four = [x; TOGETHER];
        for of in 0..TOGETHER {
            if at + 1 < groups.len() {
                // A prefetch of an invalid address does nothing.
                prefetch(rows.as_ptr().wrapping_add(groups[at + 1][of] as usize * width), width);
            }
            four[of] = row(groups[at][of]);
        }
        together[at] = dots_plain(four, x);
    }
    for at in 0..rest.len() {
        rest[at] = dot_plain(row(last[at]), x);
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
