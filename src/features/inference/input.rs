//! Reading paths and bodies of predictions, with faults reported as 1.x's inference service does: `{type, loc, msg, input}`.

use std::sync::Arc;

use actix_web::HttpRequest;
use serde_json::{Value, json};

use super::answer::Options;
use super::error::InferenceError;
use super::faults::Faults;
use super::filter::{self, Filter};

const LARGEST_CUTOFF: i64 = 1_000;
const DEFAULT_CUTOFF: usize = 10;
/// Most items that a list may be asked to go with.
const LARGEST_GROUP: usize = 100;
/// Most items of a session in progress.
const LONGEST_SESSION: usize = 1_000;
/// Most ids in one list of a request.
const LONGEST_LIST: usize = 10_000;
/// Most users of a batch.
pub const LARGEST_BATCH: usize = 100;

/// Parses a body; only whether it is JSON at all is decided here.
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

/// Returns whether the body is an object; anything else is a fault.
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

/// Reads the user to recommend for, and the request options. The user may be left out where interactions are sent.
pub fn whom(body: &Value, faults: &mut Faults) -> (Option<String>, Options) {
    if !is_object(body, faults) {
        return (None, Options::default());
    }
    let anonymous = body.get("interactions").is_some_and(Value::is_array) && body.get("user_id").is_none_or(Value::is_null);
    let user = if anonymous { None } else { Some(text(body, "user_id", faults)) };
    (user, options(body, faults))
}

/// Reads the users of a batch, and the request options of all of them.
pub fn many(body: &Value, faults: &mut Faults) -> (Vec<String>, Options) {
    if is_object(body, faults) {
        (texts(body, "user_ids", LARGEST_BATCH, faults), options(body, faults))
    } else {
        Default::default()
    }
}

/// Reads the items that a list is to go with, and the request options. None of them is listed again.
pub fn group(body: &Value, faults: &mut Faults) -> (Vec<String>, Options) {
    if !is_object(body, faults) {
        return Default::default();
    }
    let items = texts(body, "item_ids", LARGEST_GROUP, faults);
    let loc = || json!(["body", "item_ids"]);
    if body["item_ids"].as_array().is_some_and(Vec::is_empty) {
        faults.add_bound("too_short", loc(), "List should have at least 1 item", &body["item_ids"], ("min_length", 1));
    }
    if items.len() > LARGEST_GROUP {
        let message = format!("List should have at most {LARGEST_GROUP} items");
        faults.add_bound("too_long", loc(), &message, &Value::Null, ("max_length", LARGEST_GROUP as i64));
    }
    (items, of_any_list(body, faults))
}

/// Reads a session in progress, as the interactions of the request options. It may be empty, but not left out.
pub fn session(body: &Value, faults: &mut Faults) -> Options {
    if !is_object(body, faults) {
        return Options::default();
    }
    let interactions = texts(body, "session", LONGEST_SESSION, faults);
    if interactions.len() > LONGEST_SESSION {
        let message = format!("List should have at most {LONGEST_SESSION} items");
        let bound = ("max_length", LONGEST_SESSION as i64);
        faults.add_bound("too_long", json!(["body", "session"]), &message, &Value::Null, bound);
    }
    Options { interactions, ..of_one_list(body, faults) }
}

fn options(body: &Value, faults: &mut Faults) -> Options {
    Options { interactions: optional_texts(body, "interactions", faults).unwrap_or_default(), ..of_one_list(body, faults) }
}

fn of_one_list(body: &Value, faults: &mut Faults) -> Options {
    Options {
        exclude_seen: flag(body, "exclude_seen", true, faults),
        explain: flag(body, "explain", false, faults),
        ..of_any_list(body, faults)
    }
}

/// Reads the options of every list.
fn of_any_list(body: &Value, faults: &mut Faults) -> Options {
    Options {
        cutoff: cutoff(body, faults),
        allow: optional_texts(body, "allow", faults),
        deny: optional_texts(body, "deny", faults).unwrap_or_default(),
        diversity: share(body, "diversity", faults),
        with_metadata: flag(body, "with_metadata", false, faults),
        filter: filter(body, faults),
        ..Options::default()
    }
}

fn filter(body: &Value, faults: &mut Faults) -> Option<Arc<Filter>> {
    let value = body.get("filter").filter(|value| !value.is_null())?;
    filter::read(value, faults).map(Arc::new)
}

/// Reads a list of texts that may be left out, of a bounded length.
fn optional_texts(body: &Value, name: &str, faults: &mut Faults) -> Option<Vec<String>> {
    let value = body.get(name).filter(|value| !value.is_null())?;
    if value.as_array().is_some_and(|list| list.len() > LONGEST_LIST) {
        let message = format!("List should have at most {LONGEST_LIST} items");
        faults.add_bound("too_long", json!(["body", name]), &message, &Value::Null, ("max_length", LONGEST_LIST as i64));
        return None;
    }
    Some(texts(body, name, LONGEST_LIST, faults))
}

fn flag(body: &Value, name: &str, default: bool, faults: &mut Faults) -> bool {
    match body.get(name) {
        None | Some(Value::Null) => default,
        Some(Value::Bool(flag)) => *flag,
        Some(other) => {
            faults.add("bool_type", json!(["body", name]), "Input should be a valid boolean", other);
            default
        }
    }
}

/// Reads a number from 0 to 1, 0 by default.
fn share(body: &Value, name: &str, faults: &mut Faults) -> f32 {
    let Some(value) = body.get(name).filter(|value| !value.is_null()) else { return 0.0 };
    match value.as_f64().filter(|share| (0.0..=1.0).contains(share)) {
        Some(share) => share as f32,
        None => {
            faults.add("float_range", json!(["body", name]), "Input should be a number from 0 to 1", value);
            0.0
        }
    }
}

/// Reads a required text.
fn text(body: &Value, name: &str, faults: &mut Faults) -> String {
    match body.get(name) {
        Some(Value::String(text)) => return text.clone(),
        None => faults.add("missing", json!(["body", name]), "Field required", body),
        Some(other) => faults.add("string_type", json!(["body", name]), "Input should be a valid string", other),
    }
    String::new()
}

/// Reads a required list of texts. One entry more than `most` is read, which tells the caller that there are too many.
fn texts(body: &Value, name: &str, most: usize, faults: &mut Faults) -> Vec<String> {
    let list = match body.get(name) {
        Some(Value::Array(list)) => list,
        None => {
            faults.add("missing", json!(["body", name]), "Field required", body);
            return Vec::new();
        }
        Some(other) => {
            faults.add("list_type", json!(["body", name]), "Input should be a valid list", other);
            return Vec::new();
        }
    };
    let read = list.len().min(most + 1);
    let mut texts = Vec::with_capacity(read);
    for (index, entry) in list.iter().take(read).enumerate() {
        match entry {
            Value::String(text) => texts.push(text.clone()),
            other => faults.add("string_type", json!(["body", name, index]), "Input should be a valid string", other),
        }
    }
    texts
}

/// Reads how many items to list: 1 to 1000, 10 by default; a numeric text is accepted, a fraction is not.
fn cutoff(body: &Value, faults: &mut Faults) -> usize {
    let Some(value) = body.get("cutoff") else { return DEFAULT_CUTOFF };
    let loc = json!(["body", "cutoff"]);
    match whole(value) {
        Err((kind, message)) => faults.add(kind, loc, message, value),
        Ok(number) if number < 1 => {
            faults.add_bound("greater_than_equal", loc, "Input should be greater than or equal to 1", value, ("ge", 1));
        }
        Ok(number) if number > LARGEST_CUTOFF => {
            let message = "Input should be less than or equal to 1000";
            faults.add_bound("less_than_equal", loc, message, value, ("le", LARGEST_CUTOFF));
        }
        Ok(number) => return number as usize,
    }
    DEFAULT_CUTOFF
}

fn whole(value: &Value) -> Result<i64, (&'static str, &'static str)> {
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Ok(whole),
            (None, Some(real)) if real.fract() == 0.0 => Ok(real as i64),
            _ => Err(("int_from_float", "Input should be a valid integer, got a number with a fractional part")),
        },
        Value::String(text) => text
            .trim()
            .parse()
            .map_err(|_| ("int_parsing", "Input should be a valid integer, unable to parse string as an integer")),
        _ => Err(("int_type", "Input should be a valid integer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn listed(faults: Faults) -> Vec<Value> {
        match faults.finish() {
            Err(InferenceError::Invalid(faults)) => faults,
            _ => Vec::new(),
        }
    }

    fn faults_of(body: Value) -> Vec<Value> {
        let mut faults = Faults::default();
        if is_object(&body, &mut faults) {
            text(&body, "user_id", &mut faults);
            cutoff(&body, &mut faults);
        }
        listed(faults)
    }

    #[test]
    fn faults_have_the_shape_clients_know() {
        assert_eq!(
            faults_of(json!({ "user_id": 7 })),
            [json!({ "type": "string_type", "loc": ["body", "user_id"], "msg": "Input should be a valid string", "input": 7 })]
        );
        assert_eq!(faults_of(json!({}))[0]["type"], "missing");
        assert_eq!(faults_of(json!([]))[0]["type"], "model_attributes_type");
        assert_eq!(faults_of(Value::Null)[0]["loc"], json!(["body"]));
        let bounds = faults_of(json!({ "user_id": "a", "cutoff": 1001 }));
        assert_eq!((&bounds[0]["type"], &bounds[0]["ctx"]), (&json!("less_than_equal"), &json!({ "le": 1000 })));
    }

    #[test]
    fn of_a_list_that_is_too_long_one_entry_too_many_is_read() {
        let mut faults = Faults::default();
        let (users, _) = many(&json!({ "user_ids": vec!["a"; 5_000] }), &mut faults);
        assert_eq!((users.len(), listed(faults).len()), (LARGEST_BATCH + 1, 0));
    }

    #[test]
    fn a_cutoff_may_be_a_numeric_text_but_no_fraction() {
        let read = |value: Value| {
            let mut faults = Faults::default();
            let cutoff = cutoff(&json!({ "cutoff": value }), &mut faults);
            faults.finish().map(|()| cutoff).ok()
        };
        assert_eq!(read(json!("25")), Some(25));
        assert_eq!(read(json!(3.0)), Some(3));
        for wrong in [json!(0), json!(-1), json!(2.5), json!("x"), json!(null), json!(true), json!(1_001)] {
            assert_eq!(read(wrong.clone()), None, "{wrong}");
        }
    }

    #[test]
    fn only_json_that_does_not_parse_is_refused_before_its_fields_are_read() {
        let json = TestRequest::post().insert_header(("content-type", "application/json")).to_http_request();
        assert!(parse(&json, b"{\"user_id\": ").is_err());
        let form = TestRequest::post().insert_header(("content-type", "application/x-www-form-urlencoded")).to_http_request();
        assert_eq!(parse(&form, b"user_id=1").ok(), Some(json!("user_id=1")));
    }
}
