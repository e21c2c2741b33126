//! Search spaces without their units: every number lies in the unit interval, every choice in a finite set.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value};

use crate::search_space::{Domain, SearchSpace};

/// One dimension of a search space, without its units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Axis {
    /// The unit interval; `step` is the distance of adjacent values, 0 when there are values in between.
    Unit { step: f64 },
    /// A categorical axis with this many values.
    Set(usize),
}

impl Axis {
    /// Returns the axes of a space, in its order.
    pub fn of(space: &SearchSpace) -> Vec<Axis> {
        space.iter().map(|(_, domain)| axis(domain)).collect()
    }

    /// Returns a place on the axis, from a number in the unit interval.
    pub fn place(self, at: f64) -> f64 {
        match self {
            Axis::Unit { .. } => at,
            Axis::Set(size) => (at * size as f64).floor().min(size.saturating_sub(1) as f64),
        }
    }
}

fn axis(domain: &Domain) -> Axis {
    match domain {
        Domain::Float { .. } => Axis::Unit { step: 0.0 },
        Domain::Int { low, high, log: false } => Axis::Unit { step: 1.0 / ((high - low) as f64 + 1.0) },
        // On a log scale the step is that at the middle of the range.
        Domain::Int { low, high, log: true } => {
            let (start, end) = scaled(*low as f64 - 0.5, *high as f64 + 0.5, true);
            Axis::Unit { step: (-(start + end) / 2.0).exp() / (end - start) }
        }
        Domain::Categorical(choices) => Axis::Set(choices.len()),
    }
}

/// Draws uniformly from a space, on the scales of its domains.
pub fn uniform(space: &SearchSpace, rng: &mut ChaCha8Rng) -> Map<String, Value> {
    let point = Axis::of(space).into_iter().map(|axis| axis.place(rng.random())).collect::<Vec<_>>();
    to_params(space, &point)
}

/// Returns the parameters at a point.
pub fn to_params(space: &SearchSpace, point: &[f64]) -> Map<String, Value> {
    space.iter().zip(point).map(|((name, domain), at)| (name.to_owned(), to_value(domain, *at))).collect()
}

/// Returns the point of a trial; `None` when it lacks a parameter of the space or holds one that cannot be placed.
pub fn to_point(space: &SearchSpace, params: &Map<String, Value>) -> Option<Vec<f64>> {
    space.iter().map(|(name, domain)| position(domain, params.get(name)?)).collect()
}

fn scaled(low: f64, high: f64, log: bool) -> (f64, f64) {
    if log { (low.ln(), high.ln()) } else { (low, high) }
}

/// Returns the ends of a numeric domain on the scale it is searched on; whole numbers take half a step to either side.
fn ends(domain: &Domain) -> Option<(f64, f64, bool)> {
    let (low, high, log) = match domain {
        Domain::Float { low, high, log } => (*low, *high, *log),
        Domain::Int { low, high, log } => (*low as f64 - 0.5, *high as f64 + 0.5, *log),
        Domain::Categorical(_) => return None,
    };
    let (start, end) = scaled(low, high, log);
    Some((start, end, log))
}

fn to_value(domain: &Domain, at: f64) -> Value {
    let real = ends(domain).map(|(start, end, log)| {
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

fn position(domain: &Domain, value: &Value) -> Option<f64> {
    if let Domain::Categorical(choices) = domain {
        return choices.iter().position(|choice| choice == value).map(|index| index as f64);
    }
    let (start, end, log) = ends(domain)?;
    let real = value.as_f64().filter(|real| !log || *real > 0.0)?;
    let on_scale = if log { real.ln() } else { real };
    Some(((on_scale - start) / (end - start).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_value_keeps_its_place(low in -50_i64..50, span in 0_i64..100, at in 0.0..=1.0_f64, log in any::<bool>()) {
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
    fn every_choice_has_an_equal_share() {
        let axis = Axis::Set(3);
        assert_eq!([0.0, 0.34, 0.67, 1.0].map(|at| axis.place(at)), [0.0, 1.0, 2.0, 2.0]);
    }
}
