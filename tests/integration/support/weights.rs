//! Large fields of projects.

use serde_json::{Map, Value};

/// Returns weights of so many types of events, whose names have 250 characters.
pub fn many_weights(types: usize, weight: u32) -> Value {
    let named = (0..types).map(|number| (format!("{number:0250}"), Value::from(weight)));
    Value::Object(named.collect::<Map<_, _>>())
}
