//! The tree-structured Parzen estimator (Bergstra, Bardenet, Bengio, Kégl 2011), in its multivariate form.
//!
//! Departures: running trials count as poor ones (constant liar), so that parallel workers spread out; a point that was tried
//! already is not proposed again while there is another; the poor ones are thinned to a fixed number, so that asking takes the
//! same time in a long study.

use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value};

use super::axes::{Axis, to_params, to_point};
use super::parzen::Parzen;
use super::{TrialRecord, TrialState};
use crate::search_space::SearchSpace;

/// Candidates drawn from the good density.
const CANDIDATES: usize = 32;
/// Share of trials counted as good, and their largest number.
const GOOD: f64 = 0.2;
const MOST_GOOD: usize = 25;
/// Number of poor trials kept.
const MOST_POOR: usize = 200;

/// Suggests the candidate whose likelihood under the good trials exceeds that under the poor ones most.
pub fn suggest(space: &SearchSpace, history: &[&TrialRecord], rng: &mut ChaCha8Rng) -> Map<String, Value> {
    let axes = Axis::of(space);
    let (good, poor) = divide(space, history);
    let (good, poor) = (Parzen::new(&axes, &good), Parzen::new(&axes, &poor));
    let candidates = (0..CANDIDATES).map(|_| good.sample(rng));
    let mut rated: Vec<(f64, Vec<f64>)> =
        candidates.map(|point| (good.log_density(&point) - poor.log_density(&point), point)).collect();
    rated.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut params = rated.iter().map(|(_, point)| to_params(space, point));
    let first = params.next().unwrap_or_default();
    if !tried(space, history, &first) {
        return first;
    }
    params.find(|params| !tried(space, history, params)).unwrap_or(first)
}

/// Returns whether a trial has these parameters, regardless of what it learnt besides.
fn tried(space: &SearchSpace, history: &[&TrialRecord], params: &Map<String, Value>) -> bool {
    history.iter().any(|trial| space.iter().all(|(name, _)| trial.params.get(name) == params.get(name)))
}

/// Returns the points of the good trials and of the others, each the oldest first.
fn divide(space: &SearchSpace, history: &[&TrialRecord]) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let good = best(history);
    let poor = (0..history.len()).filter(|index| good.binary_search(index).is_err()).collect();
    let points = |indices: Vec<usize>| -> Vec<Vec<f64>> {
        indices.into_iter().filter_map(|index| to_point(space, &history[index].params)).collect()
    };
    (points(good), points(thin(poor)))
}

/// Returns the indices of the best trials, rising. Of equal ones the older count as better.
fn best(history: &[&TrialRecord]) -> Vec<usize> {
    let score = |(index, trial): (usize, &&TrialRecord)| {
        let complete = trial.state == TrialState::Complete;
        Some((index, trial.score.filter(|score| complete && !score.is_nan())?))
    };
    let mut scored: Vec<(usize, f64)> = history.iter().enumerate().filter_map(score).collect();
    let n_good = ((scored.len() as f64 * GOOD).ceil() as usize).min(MOST_GOOD);
    if n_good < scored.len() {
        scored.select_nth_unstable_by(n_good, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    }
    let mut good: Vec<usize> = scored.iter().take(n_good).map(|(index, _)| *index).collect();
    good.sort_unstable();
    good
}

/// Thins the trials evenly over the study's history, so that the rest has the density of the whole.
fn thin(poor: Vec<usize>) -> Vec<usize> {
    let n = poor.len();
    if n <= MOST_POOR {
        return poor;
    }
    (0..MOST_POOR).map(|kept| poor[(kept + 1) * n / MOST_POOR - 1]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search_space::Domain;
    use rand::SeedableRng;

    fn finished(number: u32, name: &str, value: Value) -> TrialRecord {
        TrialRecord {
            number,
            algorithm: "A".into(),
            params: Map::from_iter([(name.to_owned(), value)]),
            state: TrialState::Complete,
            score: Some(f64::from(number)),
            intermediate: vec![],
        }
    }

    #[test]
    fn ten_thousand_trials_are_asked_in_a_bounded_number_of_points() {
        let space = SearchSpace::new().with("x", Domain::float(0.0, 1.0));
        let history: Vec<TrialRecord> =
            (0..10_000).map(|number| finished(number, "x", Value::from(f64::from(number) / 10_000.0))).collect();
        let refs: Vec<&TrialRecord> = history.iter().collect();
        let (good, poor) = divide(&space, &refs);
        assert_eq!((good.len(), poor.len()), (MOST_GOOD, MOST_POOR));
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        assert!(suggest(&space, &refs, &mut rng)["x"].as_f64().unwrap() > 0.9);
    }

    #[test]
    fn what_was_tried_is_not_proposed_again() {
        let space = SearchSpace::new().with("k", Domain::int(1, 4));
        let history: Vec<TrialRecord> = [1, 2, 4].iter().map(|k| finished(*k, "k", Value::from(*k))).collect();
        let refs: Vec<&TrialRecord> = history.iter().collect();
        for seed in 0..20 {
            assert_eq!(suggest(&space, &refs, &mut ChaCha8Rng::seed_from_u64(seed))["k"], 3);
        }
    }
}
