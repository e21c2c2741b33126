//! Parameters of an algorithm: their specification, their domains, and reading them.

use serde_json::{Map, Value};

use crate::error::{MlError, MlResult};
use crate::search_space::Domain;

/// The valid values of a parameter. The range that a search tries is narrower and is stored separately.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ParameterKind {
    /// A whole number between two bounds, inclusive.
    Int {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// A finite number between two bounds, inclusive.
    Float {
        /// Least value.
        min: f64,
        /// Greatest value.
        max: f64,
    },
    /// A boolean.
    Bool,
    /// One of some words.
    Choice(&'static [&'static str]),
}

/// One parameter of an algorithm.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterSpec {
    /// Name on the wire.
    pub name: &'static str,
    /// Kind of its values.
    pub kind: ParameterKind,
    /// Whether null is a value.
    pub nullable: bool,
    /// Value when it is not given.
    pub default: Value,
    /// Values that a search tries by default; `None` when a search does not vary it.
    pub search: Option<Domain>,
}

impl ParameterSpec {
    fn new(name: &'static str, kind: ParameterKind, default: Value) -> Self {
        ParameterSpec { name, kind, nullable: default.is_null(), default, search: None }
    }

    /// Creates a whole-number parameter.
    pub fn int(name: &'static str, min: i64, max: i64, default: i64) -> Self {
        Self::new(name, ParameterKind::Int { min, max }, default.into())
    }

    /// Creates a parameter that is a whole number or null, null by default.
    pub fn optional_int(name: &'static str, min: i64, max: i64) -> Self {
        Self::new(name, ParameterKind::Int { min, max }, Value::Null)
    }

    /// Creates a number parameter.
    pub fn float(name: &'static str, min: f64, max: f64, default: f64) -> Self {
        Self::new(name, ParameterKind::Float { min, max }, default.into())
    }

    /// Creates a parameter that is a number or null, null by default.
    pub fn optional_float(name: &'static str, min: f64, max: f64) -> Self {
        Self::new(name, ParameterKind::Float { min, max }, Value::Null)
    }

    /// Creates a boolean parameter.
    pub fn bool(name: &'static str, default: bool) -> Self {
        Self::new(name, ParameterKind::Bool, default.into())
    }

    /// Creates a parameter that is one of some words.
    pub fn choice(name: &'static str, words: &'static [&'static str], default: &'static str) -> Self {
        Self::new(name, ParameterKind::Choice(words), default.into())
    }

    /// Creates the bound on threads that Recotem 1.x stores in some configurations. It never changes a result.
    pub fn n_threads() -> Self {
        Self::optional_int("n_threads", 1, 1024)
    }

    /// Sets the values that a search tries.
    pub fn searched(mut self, domain: Domain) -> Self {
        self.search = Some(domain);
        self
    }

    /// Returns why a value is invalid, if it is.
    fn objection(&self, value: &Value) -> Option<String> {
        if value.is_null() {
            return (!self.nullable).then(|| "must not be null".to_owned());
        }
        match self.kind {
            ParameterKind::Int { min, max } => match whole(value) {
                Some(n) if (min..=max).contains(&n) => None,
                _ => Some(format!("must be a whole number between {min} and {max}, not {value}")),
            },
            ParameterKind::Float { min, max } => match value.as_f64() {
                Some(x) if (min..=max).contains(&x) => None,
                _ => Some(format!("must be a number between {min} and {max}, not {value}")),
            },
            ParameterKind::Bool => (!value.is_boolean()).then(|| format!("must be true or false, not {value}")),
            ParameterKind::Choice(words) => match value.as_str() {
                Some(word) if words.contains(&word) => None,
                _ => Some(format!("must be one of {}, not {value}", words.join(", "))),
            },
        }
    }
}

/// Returns a JSON number as a whole number; 5.0 is one, since JavaScript clients cannot distinguish it from 5.
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let x = value.as_f64()?;
        (x.fract() == 0.0 && x.abs() < 9e15).then_some(x as i64)
    })
}

/// Parameters that were checked against their specification.
#[derive(Debug, Clone)]
pub struct Params<'a> {
    algorithm: &'static str,
    specs: Vec<ParameterSpec>,
    given: &'a Map<String, Value>,
}

impl<'a> Params<'a> {
    /// Checks that every parameter exists and is in its domain.
    pub fn check(algorithm: &'static str, specs: Vec<ParameterSpec>, given: &'a Map<String, Value>) -> MlResult<Self> {
        for (name, value) in given {
            let Some(spec) = specs.iter().find(|spec| spec.name == name) else {
                return Err(MlError::UnknownParameter {
                    algorithm: algorithm.to_owned(),
                    name: name.clone(),
                    known: specs.iter().map(|spec| spec.name.to_owned()).collect(),
                });
            };
            if let Some(reason) = spec.objection(value) {
                return Err(MlError::bad_parameter(algorithm, name, reason));
            }
        }
        Ok(Params { algorithm, specs, given })
    }

    fn value(&self, name: &str) -> MlResult<&Value> {
        let default = || self.specs.iter().find(|spec| spec.name == name).map(|spec| &spec.default);
        self.given.get(name).or_else(default).ok_or_else(|| MlError::bad_parameter(self.algorithm, name, "is not a parameter"))
    }

    fn typed<T>(&self, name: &str, read: impl Fn(&Value) -> Option<T>) -> MlResult<T> {
        let value = self.value(name)?;
        read(value).ok_or_else(|| MlError::bad_parameter(self.algorithm, name, format!("cannot be {value}")))
    }

    /// Returns a whole number that is not negative.
    pub fn size(&self, name: &str) -> MlResult<usize> {
        self.typed(name, |v| whole(v).and_then(|n| usize::try_from(n).ok()))
    }

    /// Returns a whole number, or `None` when null.
    pub fn optional_size(&self, name: &str) -> MlResult<Option<usize>> {
        if self.value(name)?.is_null() { Ok(None) } else { self.size(name).map(Some) }
    }

    /// Returns a number.
    pub fn float(&self, name: &str) -> MlResult<f64> {
        self.typed(name, Value::as_f64)
    }

    /// Returns a number, or `None` when null.
    pub fn optional_float(&self, name: &str) -> MlResult<Option<f64>> {
        if self.value(name)?.is_null() { Ok(None) } else { self.float(name).map(Some) }
    }

    /// Returns a boolean.
    pub fn bool(&self, name: &str) -> MlResult<bool> {
        self.typed(name, Value::as_bool)
    }

    /// Returns a word.
    pub fn word(&self, name: &str) -> MlResult<&str> {
        let value = self.value(name)?;
        value.as_str().ok_or_else(|| MlError::bad_parameter(self.algorithm, name, "must be a word"))
    }
}
