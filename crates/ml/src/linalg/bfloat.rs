//! Products in bfloat16, for networks: factors keep 8 binary digits, sums keep 24. Training does as well with it as with floats
//! as long as weights and sums stay floats (Kalamkar et al. 2019, "A study of BFLOAT16 for deep learning training").
//!
//! Processors without instructions for it round in the same way and multiply floats, so that a result depends on the processor no
//! more than on the order of a sum.

use super::{Dense, multiply};
#[cfg(target_arch = "x86_64")]
use crate::simd::BfloatKernels;
use crate::simd::{Aligned, Kernels, Words, round_to_bfloat};

/// Rounded operands, kept from one product to the next.
#[derive(Debug, Default)]
pub struct BfloatScratch {
    words: [Words; 2],
    floats: [Aligned; 2],
}

/// Computes `out = a · b` by rows, with the numbers of `a` and `b` rounded to bfloat16; on the calling thread. The rows of both
/// are contiguous.
pub fn multiply_bfloat(a: Dense<'_>, b: Dense<'_>, out: &mut [f32], scratch: &mut BfloatScratch) {
    #[cfg(target_arch = "x86_64")]
    if let Some(kernels) = Kernels::detect().bfloat() {
        return multiply_packed(kernels, a, b, out, &mut scratch.words);
    }
    multiply_rounded(a, b, out, &mut scratch.floats);
}

#[cfg(target_arch = "x86_64")]
fn multiply_packed(kernels: BfloatKernels, a: Dense<'_>, b: Dense<'_>, out: &mut [f32], words: &mut [Words; 2]) {
    let [left, right] = words;
    let left = match a.transposed {
        false => kernels.left(a.packed(), a.columns, left),
        true => kernels.left_transposed(a.packed(), a.columns, left),
    };
    let right = match b.transposed {
        false => kernels.right(b.packed(), b.columns, right),
        true => kernels.right_transposed(b.packed(), b.columns, right),
    };
    let n = left.rows() * right.columns();
    kernels.multiply(left, right, &mut out[..n]);
}

impl<'a> Dense<'a> {
    fn packed(self) -> &'a [f32] {
        assert_eq!(self.stride, self.columns, "rows lie apart");
        &self.data[..self.rows * self.columns]
    }
}

fn multiply_rounded(a: Dense<'_>, b: Dense<'_>, out: &mut [f32], floats: &mut [Aligned; 2]) {
    let [left, right] = floats;
    multiply(round(a, left), round(b, right), out);
}

fn round<'a>(matrix: Dense<'_>, room: &'a mut Aligned) -> Dense<'a> {
    let from = matrix.packed();
    let to = room.room(from.len());
    to.iter_mut().zip(from).for_each(|(to, &value)| *to = round_to_bfloat(value));
    Dense { data: to, rows: matrix.rows, columns: matrix.columns, stride: matrix.stride, transposed: matrix.transposed }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn both_ways_give_the_product_of_the_rounded_numbers() {
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        for (m, k, n) in [(1, 1, 1), (5, 3, 17), (6, 2, 64), (13, 9, 130), (40, 33, 79), (7, 256, 200)] {
            let mut numbers = |count: usize| -> Vec<f32> { (0..count).map(|_| rng.random_range(-1.0..1.0)).collect() };
            let (a, b) = (numbers(m * k), numbers(k * n));
            for (by_columns, other_by_columns) in [(false, false), (false, true), (true, false), (true, true)] {
                let left = if by_columns { Dense::new(&a, m).transposed() } else { Dense::new(&a, k) };
                let right = if other_by_columns { Dense::new(&b, k).transposed() } else { Dense::new(&b, n) };
                let at = |row: usize, column: usize| -> f64 {
                    let term = |at: usize| {
                        let x = if by_columns { a[at * m + row] } else { a[row * k + at] };
                        let y = if other_by_columns { b[column * k + at] } else { b[at * n + column] };
                        f64::from(round_to_bfloat(x)) * f64::from(round_to_bfloat(y))
                    };
                    (0..k).map(term).sum()
                };
                let (mut packed, mut plain) = (vec![f32::NAN; m * n], vec![f32::NAN; m * n]);
                multiply_bfloat(left, right, &mut packed, &mut BfloatScratch::default());
                multiply_rounded(left, right, &mut plain, &mut Default::default());
                for place in 0..m * n {
                    let wanted = at(place / n, place % n);
                    for found in [packed[place], plain[place]] {
                        let off = (f64::from(found) - wanted).abs();
                        assert!(off < 1e-5, "{m} x {k} x {n}, {by_columns} {other_by_columns}: {off} at {place}");
                    }
                }
            }
        }
    }

    #[test]
    fn numbers_round_to_the_nearest_with_eight_digits() {
        assert_eq!(round_to_bfloat(1.0 + 1.0 / 512.0), 1.0);
        assert_eq!(round_to_bfloat(1.0 + 3.0 / 256.0), 1.0 + 4.0 / 256.0);
        assert_eq!(round_to_bfloat(-5.3), -5.3125);
        assert_eq!(round_to_bfloat(f32::MAX), f32::INFINITY);
        assert!(round_to_bfloat(f32::from_bits(0x7fff_ffff)).is_nan());
    }
}
