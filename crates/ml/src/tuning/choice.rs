//! Which algorithm the next trial tries: a bandit above the conditional spaces.
//!
//! The aim is the best trial in the end, not the best mean. So an algorithm's chance is its best score so far, plus a possible
//! gain: a random multiple of the spread of its better scores, the smaller the more often it was tried. For an algorithm tried
//! once the spread is unknown; until then, that of all scores is used.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{TrialRecord, TrialState};
use crate::normal;

/// Share of trials that go to any algorithm, so that none is dropped for good.
const ANY: f64 = 0.05;
/// The multiple of the spread that an algorithm may gain, in standard deviations, when it was tried once.
const GAIN: f64 = 2.0;
/// Number of trials that the spread of all scores is weighted as, in addition to those of the algorithm.
const PRIOR_TRIALS: f64 = 1.5;

/// An algorithm that may be tried.
pub struct Arm<'a> {
    /// Its index in the study.
    pub index: usize,
    /// Its trials, the oldest first.
    pub trials: Vec<&'a TrialRecord>,
}

impl Arm<'_> {
    fn scores(&self) -> Vec<f64> {
        let complete = self.trials.iter().filter(|trial| trial.state == TrialState::Complete);
        complete.filter_map(|trial| trial.score.filter(|score| score.is_finite())).collect()
    }
}

/// Returns the arm to try, of at least one.
pub fn choose<'a, 't>(arms: &'a [Arm<'t>], rng: &mut ChaCha8Rng) -> &'a Arm<'t> {
    let fresh: Vec<&Arm<'_>> = arms.iter().filter(|arm| arm.trials.is_empty()).collect();
    if !fresh.is_empty() {
        return fresh[rng.random_range(0..fresh.len())];
    }
    if rng.random::<f64>() < ANY {
        return &arms[rng.random_range(0..arms.len())];
    }
    let scores: Vec<Vec<f64>> = arms.iter().map(Arm::scores).collect();
    let (worst, prior) = extent(scores.iter().flatten().copied());
    let mut potential = |(arm, scores): (&'a Arm<'t>, Vec<f64>)| {
        let (best, spread) = better_half(scores, worst, prior);
        (arm, best + GAIN * spread * normal::sample(rng).abs() / arm.trials.len() as f64)
    };
    let first = (&arms[0], f64::NEG_INFINITY);
    let rated = arms.iter().zip(scores).map(&mut potential);
    rated.fold(first, |top, arm| if arm.1 > top.1 { arm } else { top }).0
}

/// Returns the least value and the standard deviation.
fn extent(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let n = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / n;
    let variance = values.clone().map(|value| (value - mean) * (value - mean)).sum::<f64>() / n;
    let least = values.reduce(f64::min).unwrap_or(0.0);
    // Without any spread, chance alone decides.
    (least, if variance > 0.0 { variance.sqrt() } else { 1.0 })
}

/// Returns the best score, and how far the others of the better half are below it on average. An algorithm without a score,
/// because its trials still run or failed, is assumed to be as good as the `worst`.
fn better_half(mut scores: Vec<f64>, worst: f64, prior: f64) -> (f64, f64) {
    let n_half = scores.len().div_ceil(2).max(2).min(scores.len());
    let n_others = scores.len().saturating_sub(1) as f64;
    if n_half < scores.len() {
        scores.select_nth_unstable_by(n_half, |a, b| b.total_cmp(a));
        scores.truncate(n_half);
    }
    let best = scores.iter().copied().reduce(f64::max).unwrap_or(worst);
    let gap = scores.iter().map(|score| best - score).sum::<f64>() / (n_half.max(2) as f64 - 1.0);
    (best, (n_others * gap + PRIOR_TRIALS * prior) / (n_others + PRIOR_TRIALS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use serde_json::Map;

    fn trial(state: TrialState, score: f64) -> TrialRecord {
        let score = (state == TrialState::Complete).then_some(score);
        TrialRecord { number: 0, algorithm: "A".into(), params: Map::new(), state, score, intermediate: vec![] }
    }

    /// Returns how often each of some arms is chosen in a thousand draws.
    fn shares(arms: &[Vec<TrialRecord>]) -> Vec<usize> {
        let arm = |(index, trials): (usize, &'static [TrialRecord])| Arm { index, trials: trials.iter().collect() };
        let leaked = arms.iter().map(|trials| &*Box::leak(trials.clone().into_boxed_slice()));
        let arms: Vec<Arm<'_>> = leaked.enumerate().map(arm).collect();
        let mut counts = vec![0; arms.len()];
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        (0..1_000).for_each(|_| counts[choose(&arms, &mut rng).index] += 1);
        counts
    }

    fn complete(scores: &[f64]) -> Vec<TrialRecord> {
        scores.iter().map(|score| trial(TrialState::Complete, *score)).collect()
    }

    #[test]
    fn the_best_gets_most_and_none_nothing() {
        let counts = shares(&[complete(&[0.3; 9]), complete(&[0.2; 9]), complete(&[0.1, 0.29, 0.31, 0.3])]);
        assert!(counts[2] > 500 && counts[0] > 5 && counts[1] > 5, "{counts:?}");
    }

    #[test]
    fn an_untried_one_comes_first_and_a_failing_one_last() {
        assert_eq!(shares(&[complete(&[0.9]), vec![]]), [0, 1_000]);
        let failing = (0..5).map(|_| trial(TrialState::Failed, 0.0)).collect();
        let counts = shares(&[failing, complete(&[0.3, 0.4]), complete(&[0.1, 0.2])]);
        assert!(counts[0] < 150 && counts[0] > 5, "{counts:?}");
    }

    #[test]
    fn without_any_score_the_less_tried_are_preferred_to_a_degree() {
        let running = |n: usize| (0..n).map(|_| trial(TrialState::Running, 0.0)).collect();
        let counts = shares(&[running(5), running(1)]);
        assert!(counts[1] > 700 && counts[0] > 10, "{counts:?}");
    }
}
