//! Compares the values of a filter with the cells of a table.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::Condition;
use crate::features::item_metadata::{ColumnKind, boolean_of, number_of};

impl Condition {
    /// Returns the condition with values of the column's kind: in a column of numbers, a numeric text becomes a number, and
    /// likewise for true and false. The value of `contains` is unchanged.
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

    /// Returns the text that the cells of a column of numbers are to be less or greater than, if it is no number.
    pub fn text_for_numbers(&self, kind: ColumnKind) -> Option<&str> {
        match (self, kind) {
            (Condition::Compare(_, bound @ Value::String(text)), ColumnKind::Number) if number_of(bound).is_none() => {
                Some(text.as_str())
            }
            _ => None,
        }
    }
}

/// Sorts values by their texts and removes duplicates.
pub fn sort(values: &mut Vec<Value>) {
    values.sort_by(|a, b| text(a).cmp(&text(b)).then(a.is_string().cmp(&b.is_string())));
    values.dedup();
}

/// Returns the text of a value, for comparisons as text.
pub fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// Compares a cell with a value of a filter; `None` if they are not comparable.
pub fn order(cell: &Value, bound: &Value) -> Option<Ordering> {
    match bound {
        Value::Number(bound) => Some(order_of_numbers(&number_of(cell)?, bound)),
        Value::Bool(bound) => Some(boolean_of(cell)?.cmp(bound)),
        _ => Some(text(cell).cmp(&text(bound))),
    }
}

/// Compares two numbers; whole numbers exactly, at any size.
fn order_of_numbers(a: &Number, b: &Number) -> Ordering {
    let whole = |value: &Number| value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
    }
}

/// Returns whether a cell equals one of the values, which are sorted by their texts.
pub fn is_among(values: &[Value], cell: &Value) -> bool {
    let wanted = text(cell);
    let is_same = |value: &Value| order(cell, value) == Some(Ordering::Equal);
    let start = values.partition_point(|value| text(value).as_ref() < wanted.as_ref());
    let of_same_text = values[start..].iter().take_while(|value| text(value) == wanted);
    // Apart from values with the same text, only numbers and truth values can be equal.
    of_same_text.chain(values.iter().filter(|value| !value.is_string())).any(is_same)
}
