//! Parses a filter and reports every fault with its location.

use serde_json::{Map, Value, json};

use super::comparing::sort;
use super::description::{AND, FIELD, NOT, OPERATION, OR, VALUE};
use super::operation::Operation;
use super::{Comparison, Condition, Filter, Node};
use crate::features::inference::faults::Faults;

/// The largest depth of nested "and", "or" and "not", including the innermost condition.
const DEEPEST: usize = 16;
/// The largest number of conditions and combinations.
const MOST_NODES: usize = 200;
/// The largest number of values in one condition.
const MOST_VALUES: usize = 1_000;

/// Reads the filter of a body; `None` if there is none or it has faults.
pub fn read(value: &Value, faults: &mut Faults) -> Option<Filter> {
    let mut reader = Reader { faults, nodes: 0, loc: vec![json!("body"), json!("filter")] };
    let root = reader.node(value, 1)?;
    Some(Filter::new(root))
}

/// Returns the words of all operations, as a fault lists them.
fn operations() -> String {
    let words: Vec<String> = Operation::ALL.iter().map(|operation| format!("'{operation}'")).collect();
    words.split_last().map(|(last, others)| format!("{} or {last}", others.join(", "))).unwrap_or_default()
}

struct Reader<'f> {
    faults: &'f mut Faults,
    nodes: usize,
    /// The location of the reader.
    loc: Vec<Value>,
}

impl Reader<'_> {
    fn node(&mut self, value: &Value, depth: usize) -> Option<Node> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            // Reported once only.
            let message = format!("A filter may have at most {MOST_NODES} conditions");
            return if self.nodes == MOST_NODES + 1 { self.fault("too_long", &message, &Value::Null) } else { None };
        }
        if depth > DEEPEST {
            return self.fault("too_deep", &format!("A filter may be at most {DEEPEST} levels deep"), &Value::Null);
        }
        let Value::Object(fields) = value else {
            return self.fault("dict_type", "Input should be a valid dictionary", value);
        };
        match (fields.get(AND), fields.get(OR), fields.get(NOT), fields.get(FIELD)) {
            (Some(parts), None, None, None) => self.parts(AND, parts, depth).map(Node::All),
            (None, Some(parts), None, None) => self.parts(OR, parts, depth).map(Node::Any),
            (None, None, Some(part), None) => {
                let part = self.within(json!(NOT), |reader| reader.node(part, depth + 1))?;
                Some(Node::Not(Box::new(part)))
            }
            (None, None, None, Some(name)) => self.condition(name, fields),
            _ => {
                let message = format!("Input should have exactly one of '{FIELD}', '{AND}', '{OR}' and '{NOT}'");
                self.fault("filter_type", &message, value)
            }
        }
    }

    fn parts(&mut self, word: &str, parts: &Value, depth: usize) -> Option<Vec<Node>> {
        self.within(json!(word), |reader| {
            let Value::Array(parts) = parts else {
                return reader.fault("list_type", "Input should be a valid list", parts);
            };
            let mut part = |(at, part): (usize, &Value)| reader.within(json!(at), |reader| reader.node(part, depth + 1));
            // All parts are read, so that all faults are found.
            let read: Vec<Option<Node>> = parts.iter().enumerate().map(&mut part).collect();
            read.into_iter().collect()
        })
    }

    fn condition(&mut self, name: &Value, fields: &Map<String, Value>) -> Option<Node> {
        let Value::String(name) = name else {
            return self.within(json!(FIELD), |reader| reader.fault("string_type", "Input should be a valid string", name));
        };
        let value = fields.get(VALUE).filter(|value| !value.is_null());
        let operation = fields.get(OPERATION).unwrap_or(&Value::Null);
        let condition = match operation.as_str().and_then(|word| word.parse().ok()) {
            Some(Operation::Eq) => Condition::In(vec![self.single(value)?]),
            Some(Operation::Ne) => Condition::NotIn(vec![self.single(value)?]),
            Some(Operation::In) => Condition::In(self.list(value)?),
            Some(Operation::NotIn) => Condition::NotIn(self.list(value)?),
            Some(Operation::Lt) => Condition::Compare(Comparison::Less, self.single(value)?),
            Some(Operation::Le) => Condition::Compare(Comparison::LessOrEqual, self.single(value)?),
            Some(Operation::Gt) => Condition::Compare(Comparison::Greater, self.single(value)?),
            Some(Operation::Ge) => Condition::Compare(Comparison::GreaterOrEqual, self.single(value)?),
            Some(Operation::Exists) => Condition::Exists(self.flag(value)?),
            Some(Operation::Contains) => Condition::Contains(self.single(value)?),
            None => {
                let message = format!("Input should be {}", operations());
                return self.within(json!(OPERATION), |reader| reader.fault("enum", &message, operation));
            }
        };
        Some(Node::Field { name: name.clone(), condition })
    }

    /// Reads a text, a number, true or false.
    fn single(&mut self, value: Option<&Value>) -> Option<Value> {
        self.within(json!(VALUE), |reader| match value {
            None => reader.fault("missing", "Field required", &Value::Null),
            Some(Value::Array(_) | Value::Object(_)) => {
                reader.fault("value_type", "Input should be a text, a number, true or false", value.unwrap_or(&Value::Null))
            }
            Some(value) => Some(value.clone()),
        })
    }

    /// Reads a list of such values, and sorts it by their texts.
    fn list(&mut self, value: Option<&Value>) -> Option<Vec<Value>> {
        let Some(Value::Array(list)) = value else {
            let given = value.unwrap_or(&Value::Null);
            return self.within(json!(VALUE), |reader| reader.fault("list_type", "Input should be a valid list", given));
        };
        if list.len() > MOST_VALUES {
            let message = format!("List should have at most {MOST_VALUES} items");
            return self.within(json!(VALUE), |reader| reader.fault("too_long", &message, &Value::Null));
        }
        if let Some(wrong) = list.iter().find(|value| value.is_null() || value.is_array() || value.is_object()) {
            let message = "Each should be a text, a number, true or false";
            return self.within(json!(VALUE), |reader| reader.fault("value_type", message, wrong));
        }
        let mut values = list.clone();
        sort(&mut values);
        Some(values)
    }

    /// Reads true or false; true by default.
    fn flag(&mut self, value: Option<&Value>) -> Option<bool> {
        match value {
            None => Some(true),
            Some(Value::Bool(flag)) => Some(*flag),
            Some(other) => {
                self.within(json!(VALUE), |reader| reader.fault("bool_type", "Input should be a valid boolean", other))
            }
        }
    }

    fn within<T>(&mut self, step: Value, work: impl FnOnce(&mut Self) -> T) -> T {
        self.loc.push(step);
        let result = work(self);
        self.loc.pop();
        result
    }

    fn fault<T>(&mut self, kind: &str, message: &str, input: &Value) -> Option<T> {
        self.faults.add(kind, Value::Array(self.loc.clone()), message, input);
        None
    }
}
