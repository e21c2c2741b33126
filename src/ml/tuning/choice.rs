//! Which algorithm the next trial tries: a categorical dimension above the conditional spaces.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::study::Sampler;
use super::{TrialRecord, TrialState};
use crate::ml::search_space::SearchSpace;

/// Trials each algorithm gets before results decide.
const STARTUP: usize = 2;
/// Share of trials counted as good.
const GOOD: f64 = 0.25;
/// Weight of the belief, held before any trial, that all algorithms are alike.
const PRIOR: f64 = 1.0;
/// Trials looked at: what came long before says little, and the time to ask stays the same.
const RECENT: usize = 400;

/// Index of the algorithm to try.
pub fn algorithm(spaces: &[(String, SearchSpace)], history: &[TrialRecord], sampler: Sampler, rng: &mut ChaCha8Rng) -> usize {
    let tried = |index: usize| history.iter().filter(|trial| trial.algorithm == spaces[index].0).count();
    let counts: Vec<usize> = (0..spaces.len()).map(tried).collect();
    // Trying one without parameters again would only repeat its first result.
    let spent = |index: usize| spaces[index].1.is_empty() && counts[index] > 0;
    let open: Vec<usize> = (0..spaces.len()).filter(|index| !spent(*index)).collect();
    if open.is_empty() {
        return 0;
    }
    if sampler == Sampler::Random {
        return open[rng.random_range(0..open.len())];
    }
    let fresh = open.iter().copied().filter(|index| counts[*index] < STARTUP).min_by_key(|index| counts[*index]);
    fresh.unwrap_or_else(|| by_results(spaces, history, &open, rng))
}

/// Draws an algorithm in proportion to how much more often it is among the good trials than among the others.
fn by_results(spaces: &[(String, SearchSpace)], history: &[TrialRecord], open: &[usize], rng: &mut ChaCha8Rng) -> usize {
    let recent = &history[history.len().saturating_sub(RECENT)..];
    let mut scores: Vec<f64> = recent.iter().filter_map(|trial| trial.score).collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    let n_good = ((scores.len() as f64 * GOOD).ceil() as usize).max(1);
    let bar = scores.get(n_good - 1).copied().unwrap_or(f64::INFINITY);
    let is_good = |trial: &&TrialRecord| trial.state == TrialState::Complete && trial.score.is_some_and(|score| score >= bar);
    let weight = |index: &usize| {
        let own = || recent.iter().filter(|trial| trial.algorithm == spaces[*index].0);
        let good = own().filter(is_good).count() as f64;
        (good + PRIOR) / (own().count() as f64 - good + PRIOR)
    };
    let weights: Vec<f64> = open.iter().map(weight).collect();
    let mut point = rng.random::<f64>() * weights.iter().sum::<f64>();
    for (index, weight) in open.iter().zip(&weights) {
        point -= weight;
        if point <= 0.0 {
            return *index;
        }
    }
    open[open.len() - 1]
}
