//! Confidence intervals by resampling users with replacement (Efron 1979), percentile method.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Computes the 95 % intervals of several statistics that are computed together from one resample.
///
/// `statistics` gets the users of a resample, `n` draws from `0..n`, and must return the same number of values each time. The
/// draws depend on the seed only.
pub(super) fn intervals(
    n: usize,
    resamples: usize,
    seed: u64,
    mut statistics: impl FnMut(&[u32]) -> Vec<f64>,
) -> Vec<(f64, f64)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn = vec![0u32; n];
    let mut found: Vec<Vec<f64>> = Vec::new();
    for _ in 0..resamples {
        drawn.iter_mut().for_each(|user| *user = rng.random_range(0..n as u32));
        let values = statistics(&drawn);
        found.resize(values.len(), Vec::new());
        found.iter_mut().zip(values).for_each(|(all, value)| all.push(value));
    }
    found.into_iter().map(percentiles).collect()
}

/// Returns the 2.5th and 97.5th percentile.
fn percentiles(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| values.get((values.len().saturating_sub(1) as f64 * share).round() as usize).copied().unwrap_or(0.0);
    (at(0.025), at(0.975))
}
