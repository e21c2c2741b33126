//! Filters items by their metadata: conditions on fields of the item metadata, combined with "and", "or" and "not".
//!
//! A number compares only with cells that are numbers, in any notation; true and false compare with cells that are true or false;
//! texts compare as texts. In a column of numbers, a numeric text counts as a number, and likewise for true and false; no other text
//! is less or greater than its cells. An item without a value in a field meets only the negative conditions on it.

mod cache;
mod comparing;
mod description;
mod evaluation;
mod operation;
mod reading;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use serde_json::{Value, json};

use crate::features::item_metadata::ItemTable;

pub use self::cache::{Admitted, Filters};
pub use self::reading::read;

use self::comparing::{is_among, order, text};

/// A parsed filter.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    root: Node,
    /// The normalised text: the same for all orders of the same conditions.
    text: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Field { name: String, condition: Condition },
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
}

/// A condition on a value. Values are texts, numbers, true or false.
#[derive(Debug, Clone, PartialEq)]
enum Condition {
    /// Equal to one of these, which are sorted by their texts.
    In(Vec<Value>),
    /// Equal to none of these.
    NotIn(Vec<Value>),
    Compare(Comparison, Value),
    /// Present, or missing.
    Exists(bool),
    /// A list that contains this value, or a text that contains this text.
    Contains(Value),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Filter {
    fn new(root: Node) -> Self {
        Self { text: root.text(), root }
    }

    /// Returns the first field of the filter that the item metadata does not have.
    pub fn unknown_field(&self, table: &ItemTable) -> Option<&str> {
        let mut fields = self.root.conditions().into_iter().map(|(field, _)| field);
        fields.find(|field| !table.columns().iter().any(|column| column == field))
    }

    /// Returns the first field of numbers that is to be less or greater than a text that is no number, such as a date, and the text.
    pub fn text_for_numbers(&self, table: &ItemTable) -> Option<(&str, &str)> {
        self.root.conditions().into_iter().find_map(|(field, condition)| {
            let column = table.columns().iter().position(|column| column == field)?;
            let kind = table.kinds().get(column).copied().unwrap_or_default();
            Some((field, condition.text_for_numbers(kind)?))
        })
    }
}

impl Node {
    fn text(&self) -> String {
        let together = |word: &str, parts: &[Node]| {
            let mut parts: Vec<String> = parts.iter().map(Node::text).collect();
            parts.sort_unstable();
            parts.dedup();
            format!("{word}({})", parts.join(","))
        };
        match self {
            Node::Field { name, condition } => condition.text(name),
            Node::All(parts) => together("and", parts),
            Node::Any(parts) => together("or", parts),
            Node::Not(part) => format!("not({})", part.text()),
        }
    }

    fn conditions(&self) -> Vec<(&str, &Condition)> {
        match self {
            Node::Field { name, condition } => vec![(name.as_str(), condition)],
            Node::All(parts) | Node::Any(parts) => parts.iter().flat_map(Node::conditions).collect(),
            Node::Not(part) => part.conditions(),
        }
    }
}

impl Condition {
    fn text(&self, field: &str) -> String {
        let parts = match self {
            Condition::In(values) => json!([field, "in", values]),
            Condition::NotIn(values) => json!([field, "not in", values]),
            Condition::Compare(comparison, value) => json!([field, comparison.sign(), value]),
            Condition::Exists(exists) => json!([field, "exists", exists]),
            Condition::Contains(value) => json!([field, "contains", value]),
        };
        parts.to_string()
    }

    /// Returns whether a value, or a missing one, meets the condition.
    fn holds(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            (Condition::Exists(exists), value) => value.is_some() == *exists,
            (Condition::NotIn(values), value) => value.is_none_or(|value| !is_among(values, value)),
            (_, None) => false,
            (Condition::In(values), Some(value)) => is_among(values, value),
            (Condition::Compare(comparison, bound), Some(value)) => {
                order(value, bound).is_some_and(|order| comparison.admits(order))
            }
            (Condition::Contains(part), Some(Value::Array(parts))) => {
                parts.iter().any(|other| order(other, part) == Some(Ordering::Equal))
            }
            (Condition::Contains(part), Some(value)) => text(value).contains(text(part).as_ref()),
        }
    }
}

impl Comparison {
    fn sign(self) -> &'static str {
        match self {
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        }
    }

    fn admits(self, order: Ordering) -> bool {
        match self {
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
        }
    }
}
