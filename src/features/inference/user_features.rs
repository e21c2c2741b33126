//! The features of a user in a request: values by column, as in a row of user metadata.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use utoipa::openapi::schema::{AdditionalProperties, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};

use super::faults::Faults;
use super::fields::Kind;
use crate::platform::http::body::or_null;

/// Values by column.
pub type Values = Map<String, Value>;

const MOST_COLUMNS: usize = 200;
/// The largest number of bytes of names and values, as JSON.
const MOST_BYTES: usize = 16 << 10;

/// The features of a user, or `None` where there are none.
pub struct UserFeatures;

impl Kind for UserFeatures {
    type Output = Option<Arc<Values>>;

    fn read(&self, body: &Value, field: &str, faults: &mut Faults) -> Self::Output {
        let sent = body.get(field).filter(|value| !value.is_null())?;
        let loc = || json!(["body", field]);
        let Value::Object(values) = sent else {
            faults.add("dict_type", loc(), "Input should be a valid dictionary", sent);
            return None;
        };
        if values.len() > MOST_COLUMNS {
            let message = format!("Dictionary should have at most {MOST_COLUMNS} items");
            faults.add_bound("too_long", loc(), &message, &Value::Null, ("max_length", MOST_COLUMNS as i64));
            return None;
        }
        if values.iter().map(|(column, value)| column.len() + value.to_string().len()).sum::<usize>() > MOST_BYTES {
            let message = format!("Input should have at most {MOST_BYTES} bytes of names and values");
            faults.add_bound("too_large", loc(), &message, &Value::Null, ("max_bytes", MOST_BYTES as i64));
            return None;
        }
        for (column, value) in values.iter().filter(|(_, value)| !is_cell(value)) {
            let message = "Input should be a text, a number, true or false, or a list of these";
            faults.add("cell_type", json!(["body", field, column]), message, value);
        }
        (!values.is_empty()).then(|| Arc::new(values.clone()))
    }

    fn schema(&self) -> RefOr<Schema> {
        let any = AdditionalProperties::FreeForm(true);
        or_null(ObjectBuilder::new().schema_type(Type::Object).additional_properties(Some(any)).into())
    }
}

/// Returns whether a value can be that of a column.
fn is_cell(value: &Value) -> bool {
    match value {
        Value::Object(_) => false,
        Value::Array(list) => list.iter().all(|entry| !entry.is_array() && !entry.is_object()),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::inference::error::InferenceError;

    fn read(value: Value) -> Result<Option<Arc<Values>>, Vec<Value>> {
        let mut faults = Faults::default();
        let features = UserFeatures.read(&json!({ "user_features": value }), "user_features", &mut faults);
        match faults.finish() {
            Ok(()) => Ok(features),
            Err(InferenceError::Invalid(faults)) => Err(faults),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_profile_is_an_object_of_plain_values_and_nothing_is_none() {
        let profile = json!({ "age": 31, "country": "jp", "genres": ["drama", 7, null], "member": true, "height": null });
        assert_eq!(Value::Object(read(profile.clone()).unwrap().unwrap().as_ref().clone()), profile);
        assert_eq!((read(json!(null)), read(json!({}))), (Ok(None), Ok(None)));
        for wrong in [json!("jp"), json!(7), json!([{ "country": "jp" }])] {
            let faults = read(wrong).unwrap_err();
            assert_eq!((&faults[0]["type"], &faults[0]["loc"]), (&json!("dict_type"), &json!(["body", "user_features"])));
        }
        let faults = read(json!({ "a": {}, "b": [[1]], "c": 1 })).unwrap_err();
        let places: Vec<&Value> = faults.iter().map(|fault| &fault["loc"][2]).collect();
        assert_eq!(places, [&json!("a"), &json!("b")]);
    }

    #[test]
    fn a_profile_has_a_bound_in_columns_and_in_bytes() {
        let columns = |n: usize| Value::Object((0..n).map(|n| (format!("c{n}"), json!(n))).collect());
        assert_eq!(read(columns(MOST_COLUMNS)).unwrap().unwrap().len(), MOST_COLUMNS);
        assert_eq!(read(columns(MOST_COLUMNS + 1)).unwrap_err()[0]["type"], "too_long");
        assert_eq!(read(json!({ "text": "x".repeat(MOST_BYTES) })).unwrap_err()[0]["type"], "too_large");
        assert!(read(json!({ "text": "x".repeat(MOST_BYTES - 10) })).is_ok());
    }
}
