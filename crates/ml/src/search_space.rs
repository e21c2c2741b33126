//! What a tuned parameter may be: a [`Domain`] per parameter, and the ordered [`SearchSpace`] of one algorithm.
//!
//! Values are `serde_json` values, because that is how parameters are stored and sent; a domain decides whether such a value
//! belongs to it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The set of values one parameter may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Domain {
    /// Whole numbers from `low` to `high`, both included; drawn log-uniformly when `log`.
    Int { low: i64, high: i64, log: bool },
    /// Real numbers from `low` to `high`, both included; drawn log-uniformly when `log`.
    Float { low: f64, high: f64, log: bool },
    /// One of the listed values, without order.
    Categorical(Vec<Value>),
}

impl Domain {
    /// Creates a domain of whole numbers `low..=high`, uniform.
    pub fn int(low: i64, high: i64) -> Self {
        Domain::Int { low, high, log: false }
    }

    /// Creates a domain of whole numbers `low..=high`, log-uniform.
    pub fn log_int(low: i64, high: i64) -> Self {
        Domain::Int { low, high, log: true }
    }

    /// Creates a domain of real numbers `low..=high`, uniform.
    pub fn float(low: f64, high: f64) -> Self {
        Domain::Float { low, high, log: false }
    }

    /// Creates a domain of real numbers `low..=high`, log-uniform.
    pub fn log_float(low: f64, high: f64) -> Self {
        Domain::Float { low, high, log: true }
    }

    /// Creates a domain of the values in `choices`.
    pub fn categorical<V: Into<Value>>(choices: impl IntoIterator<Item = V>) -> Self {
        Domain::Categorical(choices.into_iter().map(Into::into).collect())
    }

    /// Returns whether `value` belongs to the domain. A whole-valued float is a whole number: JSON writers differ on that.
    pub fn contains(&self, value: &Value) -> bool {
        match self {
            Domain::Int { low, high, .. } => as_whole(value).is_some_and(|v| *low <= v && v <= *high),
            Domain::Float { low, high, .. } => value.as_f64().is_some_and(|v| *low <= v && v <= *high),
            Domain::Categorical(choices) => choices.contains(value),
        }
    }

    /// Returns what is wrong with the bounds, if anything: an empty range, a log scale that reaches zero, no choice.
    pub fn problem(&self) -> Option<String> {
        match self {
            Domain::Int { low, high, log } => {
                range_problem(low > high, *log && *low < 1, "a log range of whole numbers must start at 1 or above")
            }
            Domain::Float { low, high, log } => range_problem(
                !low.is_finite() || !high.is_finite() || low > high,
                *log && *low <= 0.0,
                "a log range must start above 0",
            ),
            Domain::Categorical(choices) if choices.is_empty() => Some("there is nothing to choose from".to_owned()),
            Domain::Categorical(_) => None,
        }
    }

    /// Returns whether there is only one value to draw, so that searching over it learns nothing.
    pub fn is_single(&self) -> bool {
        match self {
            Domain::Int { low, high, .. } => low == high,
            Domain::Float { low, high, .. } => low == high,
            Domain::Categorical(choices) => choices.len() == 1,
        }
    }
}

/// Returns a JSON number as a whole number, if it is one.
fn as_whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 9.0e15).map(|f| f as i64))
}

fn range_problem(empty: bool, bad_log: bool, log_message: &str) -> Option<String> {
    if empty {
        return Some("the lower bound must not exceed the upper bound".to_owned());
    }
    bad_log.then(|| log_message.to_owned())
}

/// The parameters of one algorithm that a search varies, in a fixed order.
///
/// The order matters: a sampler consumes its random numbers parameter by parameter, so the same order gives the same draws.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SearchSpace {
    dimensions: Vec<(String, Domain)>,
}

impl SearchSpace {
    /// Creates a space without parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the space with one more parameter; an existing name gets the new domain and keeps its place.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, domain: Domain) -> Self {
        self.set(name, domain);
        self
    }

    /// Adds a parameter, or replaces the domain of an existing one.
    pub fn set(&mut self, name: impl Into<String>, domain: Domain) {
        let name = name.into();
        match self.dimensions.iter_mut().find(|(n, _)| *n == name) {
            Some((_, old)) => *old = domain,
            None => self.dimensions.push((name, domain)),
        }
    }

    /// Returns the domain of a parameter.
    pub fn get(&self, name: &str) -> Option<&Domain> {
        self.dimensions.iter().find(|(n, _)| n == name).map(|(_, d)| d)
    }

    /// Iterates over the parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Domain)> {
        self.dimensions.iter().map(|(n, d)| (n.as_str(), d))
    }

    /// Returns the number of parameters.
    pub fn len(&self) -> usize {
        self.dimensions.len()
    }

    /// Returns whether the space has no parameters.
    pub fn is_empty(&self) -> bool {
        self.dimensions.is_empty()
    }
}

impl<S: Into<String>> FromIterator<(S, Domain)> for SearchSpace {
    fn from_iter<I: IntoIterator<Item = (S, Domain)>>(iter: I) -> Self {
        iter.into_iter().fold(SearchSpace::new(), |space, (name, domain)| space.with(name, domain))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn membership_follows_the_bounds() {
        assert!(Domain::int(4, 1000).contains(&json!(4)));
        assert!(Domain::int(4, 1000).contains(&json!(100.0)));
        assert!(!Domain::int(4, 1000).contains(&json!(100.5)));
        assert!(!Domain::int(4, 1000).contains(&json!(1001)));
        assert!(Domain::float(0.0, 1.0).contains(&json!(1)));
        assert!(!Domain::float(0.0, 1.0).contains(&json!("0.5")));
        assert!(Domain::categorical(["a", "b"]).contains(&json!("a")));
        assert!(!Domain::categorical([true, false]).contains(&json!("true")));
    }

    #[test]
    fn impossible_ranges_are_named() {
        assert!(Domain::int(2, 1).problem().is_some());
        assert!(Domain::log_float(0.0, 1.0).problem().is_some());
        assert!(Domain::log_int(0, 8).problem().is_some());
        assert!(Domain::Categorical(Vec::new()).problem().is_some());
        assert!(Domain::log_float(1e-5, 0.5).problem().is_none());
    }

    #[test]
    fn order_is_kept_and_a_space_survives_json() {
        let space = SearchSpace::new()
            .with("top_k", Domain::int(4, 1000))
            .with("normalize", Domain::categorical([false, true]))
            .with("top_k", Domain::int(4, 10));
        assert_eq!(space.iter().map(|(n, _)| n).collect::<Vec<_>>(), ["top_k", "normalize"]);
        let text = serde_json::to_string(&space).expect("serialises");
        assert_eq!(serde_json::from_str::<SearchSpace>(&text).expect("parses"), space);
    }
}
