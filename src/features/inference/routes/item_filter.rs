//! How a filter is written, for the API document.

use utoipa::ToSchema;

use crate::features::inference::filter::Operation;

/// Which items may be listed, by the project's newest item metadata: a condition on a field, or several put together. At
/// most 200 conditions, 16 levels deep.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(example = json!({ "field": "genre", "op": "eq", "value": "jazz" }))]
#[allow(dead_code, reason = "only describes the body in the API document")]
pub enum ItemFilter {
    Condition(ItemCondition),
    And(AllOf),
    Or(AnyOf),
    Not(NoneOf),
}

/// A condition on one field. A number compares with cells that are numbers, however the file wrote them, and with no others;
/// true and false compare with cells that are true or false (`True`, `TRUE` and 1, too); everything else compares as text. In a
/// column of numbers a text that is a number is one. The report on the item metadata says which columns are numbers, and which
/// of their cells are not. An item without a value fulfils only `ne`, `not_in` and `exists` with the value false.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only describes the body in the API document")]
pub struct ItemCondition {
    /// A column of the item metadata.
    #[schema(example = "genre")]
    field: String,
    op: Operation,
    /// A text, a number, true or false; a list of these for `in` and `not_in`; true or false for `exists`.
    #[schema(value_type = Option<Value>)]
    value: Option<serde_json::Value>,
}

/// All of these hold.
#[derive(ToSchema)]
#[schema(no_recursion)]
#[allow(dead_code, reason = "only describes the body in the API document")]
pub struct AllOf {
    and: Vec<ItemFilter>,
}

/// At least one of these holds.
#[derive(ToSchema)]
#[schema(no_recursion)]
#[allow(dead_code, reason = "only describes the body in the API document")]
pub struct AnyOf {
    or: Vec<ItemFilter>,
}

/// This does not hold.
#[derive(ToSchema)]
#[schema(no_recursion)]
#[allow(dead_code, reason = "only describes the body in the API document")]
pub struct NoneOf {
    not: Box<ItemFilter>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use utoipa::PartialSchema;

    use super::*;
    use crate::features::inference::filter;

    fn named<S: PartialSchema>() -> Vec<String> {
        let schema = json!(S::schema());
        schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    }

    #[test]
    fn a_filter_of_all_that_is_described_is_read() {
        assert_eq!(named::<ItemCondition>(), ["field", "op", "value"]);
        let conditions: Vec<Value> = Operation::ALL
            .iter()
            .map(|operation| json!({ "field": "a", "op": operation, "value": value_for(*operation) }))
            .collect();
        let [and, or, not] = [named::<AllOf>(), named::<AnyOf>(), named::<NoneOf>()].map(|names| names.concat());
        let whole = json!({ and: [{ or: conditions }, { not: { "field": "a", "op": "eq", "value": 1 } }] });
        let mut faults = Default::default();
        assert!(filter::read(&whole, &mut faults).is_some(), "{faults:?}");
    }

    fn value_for(operation: Operation) -> Value {
        match operation {
            Operation::In | Operation::NotIn => json!([1]),
            Operation::Exists => json!(true),
            _ => json!(1),
        }
    }
}
