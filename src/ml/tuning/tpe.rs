//! The tree-structured Parzen estimator (Bergstra, Bardenet, Bengio, Kégl 2011), in its multivariate form.
//!
//! Departures: running trials count among the poor ones (constant liar), so that parallel workers spread out; the poor
//! ones are thinned to a fixed number, so that asking takes the same time in a long study.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value};

use super::parzen::{Axis, Parzen};
use super::{TrialRecord, TrialState};
use crate::ml::search_space::{Domain, SearchSpace};

/// Random trials of an algorithm before the estimator takes over.
const STARTUP: usize = 6;
/// Candidates drawn from the good density.
const CANDIDATES: usize = 24;
/// Share of trials counted as good, and their largest number.
const GOOD: f64 = 0.15;
const MOST_GOOD: usize = 25;
/// Poor trials kept.
const MOST_POOR: usize = 200;

/// Independent uniform draws.
pub fn random(space: &SearchSpace, rng: &mut ChaCha8Rng) -> Map<String, Value> {
    space.iter().map(|(name, domain)| (name.to_owned(), to_value(domain, draw(domain, rng)))).collect()
}

/// The candidate that is most likelier under the good trials than under the poor ones.
pub fn suggest(space: &SearchSpace, history: &[&TrialRecord], rng: &mut ChaCha8Rng) -> Map<String, Value> {
    if history.len() < STARTUP || space.is_empty() {
        return random(space, rng);
    }
    let axes: Vec<Axis> = space.iter().map(|(_, domain)| axis(domain)).collect();
    let (good, poor) = divide(space, history);
    let good = Parzen::new(&axes, good.iter().map(Vec::as_slice).collect());
    let poor = Parzen::new(&axes, poor.iter().map(Vec::as_slice).collect());
    let candidates = (0..CANDIDATES).map(|_| good.sample(rng));
    let rated = candidates.map(|point| (good.log_density(&point) - poor.log_density(&point), point));
    let best = rated.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, point)| point).unwrap_or_default();
    space.iter().zip(best).map(|((name, domain), at)| (name.to_owned(), to_value(domain, at))).collect()
}

/// Points of the good trials and of the others, each the oldest first.
fn divide(space: &SearchSpace, history: &[&TrialRecord]) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let mut ranked: Vec<(usize, f64)> = history
        .iter()
        .enumerate()
        .filter_map(|(index, trial)| Some((index, trial.score.filter(|_| is_complete(trial))?)))
        .collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    let n_good = ((ranked.len() as f64 * GOOD).ceil() as usize).min(MOST_GOOD);
    let is_good = |index: usize| ranked[..n_good].iter().any(|(good, _)| *good == index);
    let (mut good, mut poor) = (Vec::new(), Vec::new());
    for (index, trial) in history.iter().enumerate() {
        let Some(point) = to_point(space, &trial.params) else { continue };
        if is_good(index) { good.push(point) } else { poor.push(point) }
    }
    (good, thin(poor))
}

/// Evenly spread over the study's history, so that what is left has the density of the whole.
fn thin(points: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n = points.len();
    if n <= MOST_POOR {
        return points;
    }
    let kept = |index: &usize| (index + 1) * MOST_POOR / n != index * MOST_POOR / n;
    points.into_iter().enumerate().filter(|(index, _)| kept(index)).map(|(_, point)| point).collect()
}

fn is_complete(trial: &TrialRecord) -> bool {
    trial.state == TrialState::Complete
}

fn axis(domain: &Domain) -> Axis {
    match domain {
        Domain::Float { .. } => Axis::Unit { step: 0.0 },
        Domain::Int { low, high, log: false } => Axis::Unit { step: 1.0 / ((high - low) as f64 + 1.0) },
        Domain::Int { log: true, .. } => Axis::Unit { step: 0.0 },
        Domain::Categorical(choices) => Axis::Set(choices.len()),
    }
}

/// Range of a numeric domain on the scale it is searched on; whole numbers own half a step to either side.
fn range(low: f64, high: f64, log: bool) -> (f64, f64) {
    if log { (low.ln(), high.ln()) } else { (low, high) }
}

fn bounds(domain: &Domain) -> Option<(f64, f64, bool)> {
    match domain {
        Domain::Float { low, high, log } => Some((*low, *high, *log)),
        Domain::Int { low, high, log } => Some((*low as f64 - 0.5, *high as f64 + 0.5, *log))
            .map(|(low, high, log)| (low.max(if log { 0.5 } else { low }), high, log)),
        Domain::Categorical(_) => None,
    }
}

fn draw(domain: &Domain, rng: &mut ChaCha8Rng) -> f64 {
    match domain {
        Domain::Categorical(choices) => rng.random_range(0..choices.len().max(1)) as f64,
        _ => rng.random(),
    }
}

fn to_value(domain: &Domain, at: f64) -> Value {
    let real = bounds(domain).map(|(low, high, log)| {
        let (start, end) = range(low, high, log);
        let on_scale = start + at * (end - start);
        if log { on_scale.exp() } else { on_scale }
    });
    match (domain, real) {
        (Domain::Int { low, high, .. }, Some(real)) => Value::from((real.round() as i64).clamp(*low, *high)),
        (Domain::Float { low, high, .. }, Some(real)) => Value::from(real.clamp(*low, *high)),
        (Domain::Categorical(choices), _) => choices.get(at as usize).cloned().unwrap_or(Value::Null),
        _ => Value::Null,
    }
}

/// Where a trial lies; none when it lacks a parameter of the space or holds one outside of it.
fn to_point(space: &SearchSpace, params: &Map<String, Value>) -> Option<Vec<f64>> {
    space.iter().map(|(name, domain)| position(domain, params.get(name)?)).collect()
}

fn position(domain: &Domain, value: &Value) -> Option<f64> {
    match bounds(domain) {
        None => match domain {
            Domain::Categorical(choices) => choices.iter().position(|choice| choice == value).map(|index| index as f64),
            _ => None,
        },
        Some((low, high, log)) => {
            let (start, end) = range(low, high, log);
            let real = value.as_f64().filter(|real| !log || *real > 0.0)?;
            let on_scale = if log { real.ln() } else { real };
            Some(((on_scale - start) / (end - start).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;

    proptest! {
        #[test]
        fn a_value_keeps_its_place(low in -50_i64..50, span in 1_i64..100, at in 0.0..1.0_f64, log in any::<bool>()) {
            let low = if log { low.abs() + 1 } else { low };
            for domain in [
                Domain::Int { low, high: low + span, log },
                Domain::Float { low: low as f64, high: (low + span) as f64, log },
            ] {
                let value = to_value(&domain, at);
                prop_assert!(domain.contains(&value));
                let again = to_value(&domain, position(&domain, &value).unwrap());
                let close = (again.as_f64().unwrap() - value.as_f64().unwrap()).abs() <= 1e-9 * (1.0 + value.as_f64().unwrap().abs());
                prop_assert!(close, "{value} became {again}");
            }
        }
    }

    #[test]
    fn ten_thousand_trials_are_asked_in_a_bounded_number_of_points() {
        let space = SearchSpace::new().with("x", Domain::float(0.0, 1.0));
        let trial = |number: u32| TrialRecord {
            number,
            algorithm: "A".into(),
            params: Map::from_iter([("x".to_owned(), Value::from(f64::from(number) / 10_000.0))]),
            state: TrialState::Complete,
            score: Some(f64::from(number)),
            intermediate: vec![],
        };
        let history: Vec<TrialRecord> = (0..10_000).map(trial).collect();
        let refs: Vec<&TrialRecord> = history.iter().collect();
        let (good, poor) = divide(&space, &refs);
        assert_eq!((good.len(), poor.len()), (MOST_GOOD, MOST_POOR));
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        assert!(suggest(&space, &refs, &mut rng)["x"].as_f64().unwrap() > 0.9);
    }
}
