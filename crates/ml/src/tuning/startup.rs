//! The first trials of an algorithm: near the middle of its space, then at points that fill it evenly.
//!
//! Ranges are usually drawn around good values, so a first trial in the middle says more about an algorithm than one
//! anywhere. The rest is Roberts' additive recurrence (2018, "The unreasonable effectiveness of quasirandom sequences"):
//! steps along each axis by powers of the inverse of the generalised golden ratio, from a start that the seed decides.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::axes::Axis;

/// Trials of an algorithm before the estimator takes over.
pub const TRIALS: usize = 4;
/// Width around the middle in which the first trial lies, as a share of the range.
const MIDDLE: f64 = 0.2;

/// Returns the point of number `index`, from 0, for the algorithm of number `arm`.
pub fn point(axes: &[Axis], seed: u64, arm: usize, index: usize) -> Vec<f64> {
    let ratio = golden_ratio(axes.len());
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // Trials draw from the streams with low numbers.
    rng.set_stream(u64::MAX - arm as u64);
    let mut step = 1.0;
    let coordinate = |axis: &Axis| {
        step /= ratio;
        let start = rng.random::<f64>();
        match axis {
            Axis::Unit { .. } if index == 0 => 0.5 + MIDDLE * (start - 0.5),
            _ => axis.place((start + index as f64 * step).fract()),
        }
    };
    axes.iter().map(coordinate).collect()
}

/// Returns the positive root of xᵈ⁺¹ = x + 1.
fn golden_ratio(dimensions: usize) -> f64 {
    let power = 1.0 / (dimensions as f64 + 1.0);
    (0..40).fold(2.0, |root: f64, _| (1.0 + root).powf(power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_fill_the_space_evenly() {
        let axes = [Axis::Unit { step: 0.0 }, Axis::Unit { step: 0.0 }, Axis::Set(2)];
        let points: Vec<Vec<f64>> = (1..65).map(|index| point(&axes, 3, 1, index)).collect();
        for part in 0..8 {
            let within = |point: &&Vec<f64>| {
                let half = |at: usize| usize::from(point[at] >= 0.5);
                half(0) + 2 * half(1) + 4 * point[2] as usize == part
            };
            let count = points.iter().filter(within).count();
            assert!((4..=12).contains(&count), "{count}");
        }
    }

    #[test]
    fn the_first_point_is_near_the_middle_and_another_for_each_seed_and_algorithm() {
        let axes = [Axis::Unit { step: 0.0 }];
        let first = |seed, arm| point(&axes, seed, arm, 0)[0];
        assert!(first(1, 1) != first(2, 1) && first(1, 1) != first(1, 2));
        assert!((0..50).all(|seed| (first(seed, 0) - 0.5).abs() <= MIDDLE / 2.0));
    }
}
