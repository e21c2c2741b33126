//! Weights of interactions: by the type of the event, and by its age.
//!
//! A pair of user and item may have several events; the largest of their weights is used, so that with equal weights repeated
//! pairs collapse to one as they do without weights. A weight falls by half with every half-life before the latest moment of the
//! data (exponential decay, as in Koren 2009, "Collaborative filtering with temporal dynamics", section 3). Events of a type with
//! weight zero are not interactions.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::{MlError, MlResult};
use crate::interactions::InteractionLog;
use crate::search_space::{Domain, SearchSpace};
use crate::sparse::Csr;

/// Prefix of the parameters that give the weight of an event type, as in `event_weight.purchase`.
pub const EVENT_WEIGHT: &str = "event_weight.";
/// The parameter that gives the days after which an interaction counts half.
pub const HALF_LIFE_DAYS: &str = "half_life_days";

const LARGEST_WEIGHT: f64 = 1e6;
const LONGEST_HALF_LIFE: f64 = 36_500.0;
const SHORTEST_HALF_LIFE: f64 = 1e-3;
const MICROS_PER_DAY: f64 = 86_400e6;
/// A search tries weights up to this many times smaller and larger than the one configured.
const SEARCHED_FACTOR: f64 = 10.0;
/// Weights do not fall below this: a pair that was seen stays seen.
const LEAST_WEIGHT: f64 = 1e-6;

/// Weights of event types, and the half-life.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Weights {
    /// Weight by event type; a type that is not named counts 1.
    pub events: BTreeMap<String, f64>,
    /// Days after which an interaction counts half; `None` when age does not matter.
    pub half_life_days: Option<f64>,
}

impl Weights {
    /// Creates weights, and refuses numbers out of range.
    pub fn new(events: BTreeMap<String, f64>, half_life_days: Option<f64>) -> MlResult<Self> {
        if let Some((event, weight)) = events.iter().find(|(_, weight)| !(0.0..=LARGEST_WEIGHT).contains(*weight)) {
            return Err(MlError::BadInput(format!(
                "the weight of event {event:?} must be a number between 0 and {LARGEST_WEIGHT}, not {weight}"
            )));
        }
        match half_life_days {
            Some(days) if !(SHORTEST_HALF_LIFE..=LONGEST_HALF_LIFE).contains(&days) => Err(MlError::BadInput(format!(
                "{HALF_LIFE_DAYS} must be a number between {SHORTEST_HALF_LIFE} and {LONGEST_HALF_LIFE}, not {days}"
            ))),
            _ => Ok(Weights { events, half_life_days }),
        }
    }

    /// Returns whether all interactions count the same.
    pub fn is_neutral(&self) -> bool {
        self.half_life_days.is_none() && self.events.values().all(|weight| *weight == 1.0)
    }

    /// Separates the parameters of the data from those of the algorithm; weights that are not given are those of `self`.
    pub fn overridden(&self, params: &Map<String, Value>) -> MlResult<(Weights, Map<String, Value>)> {
        let mut weights = self.clone();
        let mut rest = Map::new();
        for (name, value) in params {
            if let Some(event) = name.strip_prefix(EVENT_WEIGHT) {
                weights.events.insert(event.to_owned(), number(name, value)?);
            } else if name == HALF_LIFE_DAYS {
                weights.half_life_days = if value.is_null() { None } else { Some(number(name, value)?) };
            } else {
                rest.insert(name.clone(), value.clone());
            }
        }
        Ok((Weights::new(weights.events, weights.half_life_days)?, rest))
    }

    /// Returns the weights as parameters, so that these alone suffice to learn the same again.
    pub fn to_params(&self) -> Map<String, Value> {
        let events = self.events.iter().map(|(event, weight)| (format!("{EVENT_WEIGHT}{event}"), Value::from(*weight)));
        let half_life = self.half_life_days.map(|days| (HALF_LIFE_DAYS.to_owned(), Value::from(days)));
        events.chain(half_life).collect()
    }

    /// Adds the weights that the parameters do not mention.
    pub fn complete(&self, params: &mut Map<String, Value>) {
        for (name, value) in self.to_params() {
            params.entry(name).or_insert(value);
        }
    }

    /// Adds the parameters of weights that a search may vary: the configured weights, around their values, and the half-life,
    /// from a hundredth of the time that the data cover to ten times that.
    pub fn search(&self, space: &mut SearchSpace, days_covered: Option<f64>) {
        // Only ratios matter to most algorithms, so one type keeps its weight.
        for (event, weight) in self.events.iter().filter(|(_, weight)| **weight > 0.0).skip(1) {
            let domain = Domain::log_float(weight / SEARCHED_FACTOR, weight * SEARCHED_FACTOR);
            space.set(format!("{EVENT_WEIGHT}{event}"), domain);
        }
        if let Some(days) = days_covered.filter(|days| *days > 0.0) {
            let within = |days: f64| days.clamp(SHORTEST_HALF_LIFE, LONGEST_HALF_LIFE);
            space.set(HALF_LIFE_DAYS, Domain::log_float(within(days / 100.0), within(days * 10.0)));
        }
    }

    /// Returns the log without the rows whose event type has weight zero.
    pub fn counted<'a>(&self, log: &'a InteractionLog) -> Cow<'a, InteractionLog> {
        match &log.events {
            Some(events) if self.events.values().any(|weight| *weight == 0.0) => {
                let counts: Vec<bool> = events.names.iter().map(|name| self.events.get(name) != Some(&0.0)).collect();
                Cow::Owned(log.filtered(|row| counts[events.codes[row] as usize]))
            }
            _ => Cow::Borrowed(log),
        }
    }

    fn of_event(&self, name: &str) -> f64 {
        self.events.get(name).copied().unwrap_or(1.0)
    }
}

fn number(name: &str, value: &Value) -> MlResult<f64> {
    value.as_f64().ok_or_else(|| MlError::BadInput(format!("{name} must be a number, not {value}")))
}

/// The events of each pair of a matrix: the latest time of each event type.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// Where the events of each entry of the matrix begin, and the end of the last.
    starts: Vec<usize>,
    /// Number of the event type of each event.
    events: Vec<u32>,
    /// Time of each event in microseconds UTC; empty without times.
    times: Vec<i64>,
    names: Vec<String>,
    latest: i64,
}

impl Evidence {
    /// Gathers the events of the entries of `pairs` from a log; `None` when it has neither events nor times.
    ///
    /// `number_of` gives for each item of the log its column in `pairs`.
    /// `known_until` gives for each user the moment up to which events may be known, in a split by time.
    pub fn gather(
        log: &InteractionLog,
        pairs: &Csr,
        number_of: impl Fn(u32) -> u32,
        known_until: impl Fn(usize) -> i64,
    ) -> Option<Self> {
        if log.events.is_none() && log.times.is_none() {
            return None;
        }
        let mut facts = facts_of(log, pairs, number_of, known_until);
        facts.sort_unstable();
        let mut evidence = Evidence {
            starts: vec![0; pairs.nnz() + 1],
            events: Vec::with_capacity(facts.len()),
            times: Vec::with_capacity(if log.times.is_some() { facts.len() } else { 0 }),
            names: log.events.as_ref().map_or_else(|| vec![String::new()], |e| e.names.iter().map(str::to_owned).collect()),
            latest: facts.iter().map(|fact| fact.2).max().unwrap_or(0),
        };
        for (at, &(entry, event, time)) in facts.iter().enumerate() {
            // Sorted by time within entry and event: the last one is the latest.
            if facts.get(at + 1).is_some_and(|next| (next.0, next.1) == (entry, event)) {
                continue;
            }
            evidence.events.push(event);
            if log.times.is_some() {
                evidence.times.push(time);
            }
            evidence.starts[entry + 1] = evidence.events.len();
        }
        for entry in 0..pairs.nnz() {
            evidence.starts[entry + 1] = evidence.starts[entry + 1].max(evidence.starts[entry]);
        }
        Some(evidence)
    }

    /// Returns the days between the first and the last event; `None` without times.
    pub fn days_covered(&self) -> Option<f64> {
        let first = self.times.iter().min()?;
        Some((self.latest - first) as f64 / MICROS_PER_DAY)
    }

    /// Returns the matrix with the weights of its entries as values.
    pub fn weigh(&self, pairs: &Csr, weights: &Weights) -> Csr {
        let by_event: Vec<f64> = self.names.iter().map(|name| weights.of_event(name)).collect();
        let half_life = weights.half_life_days.filter(|_| !self.times.is_empty()).map(|days| days * MICROS_PER_DAY);
        let fact = |at: usize| {
            let age = half_life.map_or(0.0, |half_life| (self.latest - self.times[at]) as f64 / half_life);
            by_event[self.events[at] as usize] * (-age).exp2()
        };
        let mut weighed = pairs.clone();
        for (value, range) in weighed.values.iter_mut().zip(self.starts.windows(2)) {
            if let Some(most) = (range[0]..range[1]).map(fact).reduce(f64::max) {
                *value = most.max(LEAST_WEIGHT) as f32;
            }
        }
        weighed
    }
}

/// Returns entry of the matrix, event type and time of every row that may be known.
fn facts_of(
    log: &InteractionLog,
    pairs: &Csr,
    number_of: impl Fn(u32) -> u32,
    known_until: impl Fn(usize) -> i64,
) -> Vec<(usize, u32, i64)> {
    let entry = |row: usize| {
        let user = log.user_codes[row] as usize;
        let at = pairs.row_indices(user).binary_search(&number_of(log.item_codes[row])).ok()?;
        let time = log.times.as_ref().map_or(0, |times| times[row]);
        let event = log.events.as_ref().map_or(0, |events| events.codes[row]);
        (time <= known_until(user)).then_some((pairs.indptr[user] + at, event, time))
    };
    (0..log.n_rows()).filter_map(entry).collect()
}

/// Returns the whole log as a weighted matrix.
pub fn weighed_matrix(log: &InteractionLog, weights: &Weights) -> Csr {
    let log = weights.counted(log);
    let pairs = log.to_csr();
    match Evidence::gather(&log, &pairs, |item| item, |_| i64::MAX) {
        Some(evidence) if !weights.is_neutral() => evidence.weigh(&pairs, weights),
        _ => pairs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interactions::InteractionLogBuilder;
    use serde_json::json;

    const DAY: i64 = 86_400_000_000;

    fn log() -> InteractionLog {
        let mut builder = InteractionLogBuilder::new(true).with_events();
        for (user, item, day, event) in [
            ("a", "x", 0, "view"),
            ("a", "x", 4, "purchase"),
            ("a", "y", 10, "view"),
            ("b", "x", 8, "view"),
            ("b", "x", 2, "view"),
        ] {
            builder.push_event(user, item, Some(day * DAY), event);
        }
        builder.finish()
    }

    fn weights(purchase: f64, half_life_days: Option<f64>) -> Weights {
        Weights::new(BTreeMap::from([("purchase".to_owned(), purchase)]), half_life_days).unwrap()
    }

    #[test]
    fn the_event_that_counts_most_stands_for_the_pair_and_fades() {
        assert_eq!(weighed_matrix(&log(), &Weights::default()).values, [1.0, 1.0, 1.0]);
        assert_eq!(weighed_matrix(&log(), &weights(5.0, None)).values, [5.0, 1.0, 1.0]);
        // a-x was bought 6 days before the end, b-x was last seen 2 days before it.
        let faded = weighed_matrix(&log(), &weights(5.0, Some(2.0))).values;
        assert_eq!(faded, [5.0 / 8.0, 1.0, 0.5]);
    }

    #[test]
    fn a_type_that_weighs_nothing_is_no_interaction() {
        let only_purchases = Weights::new(BTreeMap::from([("view".to_owned(), 0.0)]), None).unwrap();
        let matrix = weighed_matrix(&log(), &only_purchases);
        assert_eq!((matrix.nnz(), matrix.n_rows, matrix.n_cols), (1, 2, 2));
    }

    #[test]
    fn nothing_after_the_moment_is_known() {
        let log = log();
        let pairs = log.to_csr();
        let evidence = Evidence::gather(&log, &pairs, |item| item, |_| 3 * DAY).unwrap();
        assert_eq!(evidence.weigh(&pairs, &weights(5.0, None)).values, [1.0, 1.0, 1.0]);
    }

    #[test]
    fn parameters_of_the_data_are_told_from_those_of_the_algorithm() {
        let params = json!({"reg": 1.0, "event_weight.purchase": 3, "half_life_days": 30.5});
        let (found, rest) = Weights::default().overridden(params.as_object().unwrap()).unwrap();
        assert_eq!((rest.len(), found.events["purchase"], found.half_life_days), (1, 3.0, Some(30.5)));
        let (again, _) = Weights::default().overridden(&found.to_params()).unwrap();
        assert_eq!(again, found);
        for bad in [json!({"half_life_days": 0}), json!({"event_weight.view": -1}), json!({"half_life_days": "long"})] {
            assert!(Weights::default().overridden(bad.as_object().unwrap()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_search_varies_all_weights_but_one_and_the_half_life() {
        let set = Weights::new(BTreeMap::from([("buy".to_owned(), 5.0), ("view".to_owned(), 1.0)]), None).unwrap();
        let mut space = SearchSpace::new();
        set.search(&mut space, Some(100.0));
        assert_eq!(space.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["event_weight.view", "half_life_days"]);
        assert!(space.iter().all(|(_, domain)| domain.problem().is_none()));
    }
}
