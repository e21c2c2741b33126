//! How the values of a filter compare with the cells of a table.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::Condition;
use crate::features::item_metadata::{ColumnKind, boolean_of, number_of};

impl Condition {
    /// The condition as it is meant for a column: a text that is a number is one in a column of numbers, and likewise with
    /// true and false. A part of a text or of a list stays what it is.
    pub fn for_column(&self, kind: ColumnKind) -> Cow<'_, Condition> {
        let typed = |value: &Value| match kind {
            ColumnKind::Number if value.is_string() => number_of(value).map_or_else(|| value.clone(), Value::Number),
            ColumnKind::Boolean if value.is_string() => kind.typed(value.clone()).unwrap_or_else(|| value.clone()),
            _ => value.clone(),
        };
        let all = |values: &[Value]| {
            let mut values: Vec<Value> = values.iter().map(typed).collect();
            sort(&mut values);
            values
        };
        match self {
            Condition::In(values) => Cow::Owned(Condition::In(all(values))),
            Condition::NotIn(values) => Cow::Owned(Condition::NotIn(all(values))),
            Condition::Compare(comparison, bound) => Cow::Owned(Condition::Compare(*comparison, typed(bound))),
            Condition::Exists(_) | Condition::Contains(_) => Cow::Borrowed(self),
        }
    }
}

/// Puts values in the order of their texts, each once.
pub fn sort(values: &mut Vec<Value>) {
    values.sort_by(|a, b| text(a).cmp(&text(b)).then(a.is_string().cmp(&b.is_string())));
    values.dedup();
}

/// The text that a value is where it is compared as text.
pub fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// How a cell stands to a value of a filter; `None` where they do not compare.
pub fn order(cell: &Value, bound: &Value) -> Option<Ordering> {
    match bound {
        Value::Number(bound) => Some(order_of_numbers(&number_of(cell)?, bound)),
        Value::Bool(bound) => Some(boolean_of(cell)?.cmp(bound)),
        _ => Some(text(cell).cmp(&text(bound))),
    }
}

/// Whole numbers compare exactly, however long they are.
fn order_of_numbers(a: &Number, b: &Number) -> Ordering {
    let whole = |value: &Number| value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
    }
}

/// Whether a cell is one of some values, which are in the order of their texts.
pub fn is_among(values: &[Value], cell: &Value) -> bool {
    let wanted = text(cell);
    let is_same = |value: &Value| order(cell, value) == Some(Ordering::Equal);
    let start = values.partition_point(|value| text(value).as_ref() < wanted.as_ref());
    let of_same_text = values[start..].iter().take_while(|value| text(value) == wanted);
    // Beyond values of the same text only numbers and truth values can be the same.
    of_same_text.chain(values.iter().filter(|value| !value.is_string())).any(is_same)
}
