//! Random numbers that are nearly normal, for starting values and sampling.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Rows drawn from one stream of random numbers: fixed, so that the number of threads does not matter.
const ROWS_PER_STREAM: usize = 256;

/// Draws a number with mean 0 and deviation 1: the sum of four uniform numbers of 16 bits, which is close enough to a normal one
/// for all uses in networks and factorisations, and is bounded.
pub(super) fn nearly_normal(rng: &mut ChaCha8Rng) -> f32 {
    // Four uniform numbers on 0..65536 have this standard deviation.
    const DEVIATION: f32 = 37_837.23;
    let bits = rng.next_u64();
    let sum: u64 = (0..4).map(|part| (bits >> (16 * part)) & 0xffff).sum();
    (sum as f32 - 131_070.0) / DEVIATION
}

/// Fills the first `k` numbers of every row of `width`, in parallel.
pub(super) fn fill_rows(rows: &mut [f32], width: usize, k: usize, deviation: f32, seed: u64, first_stream: u64) {
    rows.par_chunks_mut(ROWS_PER_STREAM * width).enumerate().for_each(|(block, rows)| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(first_stream + block as u64);
        for row in rows.chunks_exact_mut(width) {
            row[..k].iter_mut().for_each(|value| *value = deviation * nearly_normal(&mut rng));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_a_normal_distribution() {
        let mut rows = vec![0f32; 4000 * 16];
        fill_rows(&mut rows, 16, 10, 2.0, 1, 0);
        let drawn: Vec<f64> = rows.chunks(16).flat_map(|row| &row[..10]).map(|&v| f64::from(v)).collect();
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        let variance = drawn.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / drawn.len() as f64;
        assert!(mean.abs() < 0.04 && (variance - 4.0).abs() < 0.1, "{mean} {variance}");
        assert!(rows.chunks(16).all(|row| row[10..].iter().all(|&v| v == 0.0)));
    }
}
