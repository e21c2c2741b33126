//! Reads paths and bodies of predictions, and reports faults as 1.x's inference service does: `{type, loc, msg, input}`.

use actix_web::HttpRequest;
use serde_json::{Value, json};

use super::error::InferenceError;
use super::faults::Faults;
use super::fields::Fields;

/// Parses a body; its fields are checked later.
pub fn parse(request: &HttpRequest, bytes: &[u8]) -> Result<Value, InferenceError> {
    let content_type = actix_web::HttpMessage::content_type(request);
    let is_json = content_type.is_empty() || content_type.ends_with("json");
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    if !is_json {
        return Ok(Value::String(String::from_utf8_lossy(bytes).into_owned()));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let at = error.column().saturating_sub(1);
        InferenceError::Invalid(vec![json!({
            "type": "json_invalid", "loc": ["body", at], "msg": "JSON decode error", "input": {}, "ctx": { "error": error.to_string() },
        })])
    })
}

/// Reads the id in the path.
pub fn path_id(request: &HttpRequest, name: &str, faults: &mut Faults) -> i64 {
    let text = request.match_info().get(name).unwrap_or_default();
    text.parse().unwrap_or_else(|_| {
        let message = "Input should be a valid integer, unable to parse string as an integer";
        faults.add("int_parsing", json!(["path", name]), message, &json!(text));
        0
    })
}

/// Returns whether the body is an object; adds a fault if not.
fn is_object(body: &Value, faults: &mut Faults) -> bool {
    match body {
        Value::Object(_) => return true,
        Value::Null => faults.add("missing", json!(["body"]), "Field required", body),
        _ => {
            let message = "Input should be a valid dictionary or object to extract fields from";
            faults.add("model_attributes_type", json!(["body"]), message, body);
        }
    }
    false
}

/// Reads a body, and fails with every fault: those found before, such as of the path, and its own.
pub fn read<F: Fields>(body: &Value, mut faults: Faults) -> Result<F, InferenceError> {
    let read = if is_object(body, &mut faults) { F::read(body, &mut faults) } else { F::default() };
    faults.finish().map(|()| read)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use utoipa::PartialSchema;

    use super::*;
    use crate::features::inference::bodies::{BatchBody, NextBody, PredictBody, RelatedBody};
    use crate::platform::http::{Described, RequestOf};

    fn faults_of<F: Fields>(body: &Value) -> Vec<Value> {
        match read::<F>(body, Faults::default()) {
            Err(InferenceError::Invalid(faults)) => faults,
            _ => Vec::new(),
        }
    }

    #[test]
    fn faults_have_the_shape_clients_know() {
        let faults_of = |body: Value| faults_of::<PredictBody>(&body);
        assert_eq!(
            faults_of(json!({ "user_id": 7 })),
            [json!({ "type": "string_type", "loc": ["body", "user_id"], "msg": "Input should be a valid string", "input": 7 })]
        );
        assert_eq!(faults_of(json!({}))[0]["type"], "missing");
        assert_eq!(faults_of(json!([]))[0]["type"], "model_attributes_type");
        assert_eq!(faults_of(Value::Null)[0]["loc"], json!(["body"]));
        let bounds = faults_of(json!({ "user_id": "a", "cutoff": 1001 }));
        assert_eq!((&bounds[0]["type"], &bounds[0]["ctx"]), (&json!("less_than_equal"), &json!({ "le": 1000 })));
        assert_eq!(bounds[0]["msg"], "Input should be less than or equal to 1000");
    }

    #[test]
    fn all_faults_of_a_request_are_told_at_once_in_the_order_of_its_fields() {
        let mut faults = Faults::default();
        faults.add("int_parsing", json!(["path", "model_id"]), "Input should be a valid integer", &json!("x"));
        let body = json!({
            "filter": 1, "with_metadata": 1, "diversity": 2, "deny": 1, "allow": [1], "cutoff": 0, "explain": 1,
            "exclude_seen": 1, "interactions": 1, "anchor_weight": 11, "anchor_items": 1, "user_features": 1,
        });
        let Err(InferenceError::Invalid(faults)) = read::<PredictBody>(&body, faults) else { panic!("it is faulty") };
        let places: Vec<&str> = faults.iter().filter_map(|fault| fault["loc"][1].as_str()).collect();
        let expected = [
            "model_id",
            "user_id",
            "interactions",
            "user_features",
            "anchor_items",
            "anchor_weight",
            "exclude_seen",
            "explain",
            "cutoff",
            "allow",
            "deny",
            "diversity",
            "with_metadata",
            "filter",
        ];
        assert_eq!(places, expected);
    }

    #[test]
    fn a_user_may_be_left_out_where_interactions_are_sent() {
        let asked = |body: Value| read::<PredictBody>(&body, Faults::default()).map(|(asker, _)| asker);
        let anonymous = asked(json!({ "interactions": ["a"], "user_id": null })).unwrap();
        assert_eq!((anonymous.user_id, anonymous.interactions), (None, vec!["a".to_owned()]));
        assert_eq!(asked(json!({ "user_id": "u" })).unwrap().user_id.as_deref(), Some("u"));
        assert!(asked(json!({ "interactions": null })).is_err());
        assert!(asked(json!({ "interactions": ["a"], "user_id": 7 })).is_err());
        assert!(
            asked(json!({ "user_features": { "country": "jp" } })).is_ok() && asked(json!({ "anchor_items": ["a"] })).is_ok()
        );
    }

    #[test]
    fn a_list_of_items_has_at_least_and_at_most_so_many() {
        let kind = |faults: Vec<Value>| faults.first().map(|fault| fault["type"].clone());
        let of_group = |items: usize| kind(faults_of::<RelatedBody>(&json!({ "item_ids": vec!["a"; items] })));
        assert_eq!((of_group(0), of_group(100), of_group(101)), (Some(json!("too_short")), None, Some(json!("too_long"))));
        let of_session = |items: usize| kind(faults_of::<NextBody>(&json!({ "session": vec!["a"; items] })));
        assert_eq!((of_session(0), of_session(1_000), of_session(1_001)), (None, None, Some(json!("too_long"))));
        assert_eq!(kind(faults_of::<NextBody>(&json!({}))), Some(json!("missing")));
    }

    /// Checks that the document describes these fields, and that a value that fits none of them, a list with an object, is a fault
    /// of each, as is leaving out each that it says is required.
    fn check<F: Fields + Described>(own: &[&str]) {
        let described = json!(RequestOf::<F>::schema());
        let fields: Vec<&String> = described["properties"].as_object().unwrap().keys().collect();
        assert!(own.iter().all(|field| fields.iter().any(|one| one == field)), "{own:?}: {fields:?}");
        for field in &fields {
            let faults = faults_of::<F>(&json!({ field.as_str(): [{}] }));
            assert!(faults.iter().any(|fault| fault["loc"][1] == field.as_str()), "{field} is not read: {faults:?}");
        }
        let missing = faults_of::<F>(&json!({}));
        for field in described["required"].as_array().into_iter().flatten() {
            assert!(missing.iter().any(|fault| fault["loc"][1] == *field && fault["type"] == "missing"), "{field} is required");
        }
    }

    #[test]
    fn every_field_that_is_described_is_read() {
        check::<PredictBody>(&["user_id", "interactions", "user_features", "anchor_items", "anchor_weight", "explain", "filter"]);
        check::<BatchBody>(&["user_ids", "exclude_seen", "explain", "cutoff", "filter"]);
        check::<RelatedBody>(&["item_ids", "cutoff", "filter"]);
        check::<NextBody>(&["session", "exclude_seen", "explain", "cutoff", "filter"]);
    }

    #[test]
    fn the_document_says_what_is_enforced() {
        let related = json!(RequestOf::<RelatedBody>::schema());
        assert_eq!(related["required"], json!(["item_ids"]));
        assert_eq!(related["properties"]["item_ids"]["minItems"], 1);
        assert_eq!(related["properties"]["item_ids"]["maxItems"], 100);
        assert_eq!(related["properties"]["cutoff"]["maximum"].as_f64(), Some(1_000.0));
        let predict = json!(RequestOf::<PredictBody>::schema());
        assert!(predict["required"].is_null(), "a user may be left out where interactions are sent");
        let beginning = "The user to recommend for.";
        assert!(predict["description"].as_str().unwrap().starts_with(beginning), "{}", predict["description"]);
    }

    #[test]
    fn only_json_that_does_not_parse_is_refused_before_its_fields_are_read() {
        let json = TestRequest::post().insert_header(("content-type", "application/json")).to_http_request();
        assert!(parse(&json, b"{\"user_id\": ").is_err());
        let form = TestRequest::post().insert_header(("content-type", "application/x-www-form-urlencoded")).to_http_request();
        assert_eq!(parse(&form, b"user_id=1").ok(), Some(json!("user_id=1")));
    }
}
