//! The faults of a request, as 1.x's inference service reports them: `{type, loc, msg, input}`.

use serde_json::{Value, json};

use super::error::InferenceError;

/// The largest number of faults in an answer.
const MOST_FAULTS: usize = 100;
/// The largest number of input values that a fault repeats, and of characters of each text in them.
const MOST_VALUES_SHOWN: usize = 32;
const MOST_CHARACTERS_SHOWN: usize = 200;

/// The faults found so far; those beyond [`MOST_FAULTS`] are dropped.
#[derive(Debug, Default)]
pub struct Faults(Vec<Value>);

impl Faults {
    /// Adds a fault: its kind, its location, what to do, and the beginning of the input.
    pub fn add(&mut self, kind: &str, loc: Value, message: &str, input: &Value) {
        self.push(|| json!({ "type": kind, "loc": loc, "msg": message, "input": beginning(input) }));
    }

    /// Adds a fault of a value outside a bound, and names the bound.
    pub fn add_bound(&mut self, kind: &str, loc: Value, message: &str, input: &Value, bound: (&str, i64)) {
        let (name, value) = bound;
        let input = || beginning(input);
        self.push(|| json!({ "type": kind, "loc": loc, "msg": message, "input": input(), "ctx": { name: value } }));
    }

    fn push(&mut self, fault: impl FnOnce() -> Value) {
        if self.0.len() < MOST_FAULTS {
            self.0.push(fault());
        }
    }

    /// Fails with 422 and all faults, if there are any.
    pub fn finish(self) -> Result<(), InferenceError> {
        if self.0.is_empty() { Ok(()) } else { Err(InferenceError::Invalid(self.0)) }
    }
}

/// Returns the beginning of a value, so that the answer to a large body stays small.
fn beginning(value: &Value) -> Value {
    let mut left = MOST_VALUES_SHOWN;
    shortened(value, &mut left)
}

/// Copies a value until `left` values have been copied.
fn shortened(value: &Value, left: &mut usize) -> Value {
    *left = left.saturating_sub(1);
    match value {
        Value::String(text) => Value::String(text.chars().take(MOST_CHARACTERS_SHOWN).collect()),
        Value::Array(list) => {
            let mut shown = Vec::new();
            for entry in list {
                if *left == 0 {
                    break;
                }
                shown.push(shortened(entry, left));
            }
            Value::Array(shown)
        }
        Value::Object(fields) => {
            let mut shown = serde_json::Map::new();
            for (name, entry) in fields {
                if *left == 0 {
                    break;
                }
                shown.insert(name.chars().take(MOST_CHARACTERS_SHOWN).collect(), shortened(entry, left));
            }
            Value::Object(shown)
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_body_of_nothing_but_faults_gets_a_small_answer() {
        let mut faults = Faults::default();
        let input = json!(vec!["x".repeat(1_000); 1_000]);
        for number in 0..1_000 {
            faults.add("string_type", json!(["body", "user_ids", number]), "Input should be a valid string", &input);
        }
        assert_eq!(faults.0.len(), MOST_FAULTS);
        let input = faults.0[0]["input"].as_array().unwrap();
        assert!(input.len() < MOST_VALUES_SHOWN && input[0].as_str().unwrap().len() == MOST_CHARACTERS_SHOWN);
    }
}
