//! Values that tests read from answers: the ids of a list, and figures.

use serde_json::Value;

/// Returns the ids of an answered list.
pub fn items(body: &Value) -> Vec<String> {
    let item = |item: &Value| item["item_id"].as_str().expect("an id").to_owned();
    body["items"].as_array().expect("items").iter().map(item).collect()
}

/// Fails unless a figure is as expected, except for rounding.
pub fn close(value: &Value, expected: f64) {
    assert!(value.as_f64().is_some_and(|value| (value - expected).abs() < 1e-9), "{value} instead of {expected}");
}
