//! Reading events from request bodies.

use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::model::{ConversionEvent, EventFields};
use crate::platform::http::{ApiError, ApiResult, Body, FieldReader, Missing};

const LONGEST_ID: usize = 256;
/// Bytes of what a client adds to an event, written as JSON.
const LARGEST_METADATA: usize = 8 << 10;
/// Events in one batch.
pub const LARGEST_BATCH: usize = 10_000;

/// The fields of one event; on a change, what is left out stays (PATCH) or becomes the default (PUT).
pub fn event(body: Body, current: Option<&ConversionEvent>, partial: bool) -> ApiResult<EventFields> {
    let kept = current.filter(|_| partial);
    let mut fields = body.reader();
    let read = EventFields {
        project_id: fields.id("project", Missing::keep_or_require(kept.map(|event| event.project_id))),
        deployment_slot_id: fields.id("deployment_slot", Missing::keep_or_require(kept.map(|event| event.deployment_slot_id))),
        user_id: fields.text("user_id", LONGEST_ID, Missing::keep_or_require(kept.map(|event| event.user_id.clone()))),
        item_id: fields.text_or_blank(
            "item_id",
            LONGEST_ID,
            Missing::Use(kept.map(|event| event.item_id.clone()).unwrap_or_default()),
        ),
        event_type: fields.choice("event_type", Missing::keep_or_require(kept.map(|event| event.event_type))),
        recommendation_request_id: request_id(&mut fields, kept.and_then(|event| event.recommendation_request_id)),
        client_event_id: client_id(&mut fields, current),
        metadata_json: metadata(&mut fields, kept.map(|event| event.metadata_json.clone())),
    };
    fields.finish()?;
    Ok(read)
}

fn request_id(fields: &mut FieldReader, missing: Option<Uuid>) -> Option<Uuid> {
    let text = fields.nullable_text("recommendation_request_id", LONGEST_ID, missing.map(|id| id.to_string()))?;
    let parsed = text.parse().ok();
    if parsed.is_none() {
        fields.fault("recommendation_request_id", "Must be a valid UUID.");
    }
    parsed
}

fn client_id(fields: &mut FieldReader, current: Option<&ConversionEvent>) -> Option<String> {
    let given = current.map(|event| event.client_event_id.clone());
    let read = fields.nullable_text("event_id", LONGEST_ID, given.clone().flatten());
    if given.is_some_and(|given| given != read) {
        fields.fault("event_id", "The id of an event cannot change.");
    }
    read
}

fn metadata(fields: &mut FieldReader, missing: Option<Value>) -> Value {
    let value = fields.json("metadata_json", Missing::Use(missing.unwrap_or_else(|| json!({}))));
    if has_nul(&value) {
        fields.fault("metadata_json", "Null characters are not allowed.");
    }
    let bytes = written_bytes(&value);
    if bytes > LARGEST_METADATA {
        let message = format!("Metadata may have at most {LARGEST_METADATA} bytes as JSON; this has {bytes}.");
        fields.fault("metadata_json", message);
    }
    value
}

/// The length of a value written as JSON, without writing it down.
fn written_bytes(value: &Value) -> usize {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // A value can always be written as JSON, and nothing here can fail.
    serde_json::to_writer(&mut counter, value).map_or(usize::MAX, |()| counter.0)
}

/// PostgreSQL has no way to keep the character U+0000.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(map) => map.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

/// The events of a batch. Of a batch with faults, the answer has one entry per event, empty for the good ones.
pub fn batch(mut body: Body) -> ApiResult<Vec<EventFields>> {
    let events = match body.0.remove("events") {
        Some(Value::Array(events)) => events,
        Some(_) => return Err(ApiError::field("events", "Expected a list of events.")),
        None => return Err(ApiError::field("events", "This field is required.")),
    };
    if events.len() > LARGEST_BATCH {
        let message = format!("A batch may hold at most {LARGEST_BATCH} events; this one holds {}.", events.len());
        return Err(ApiError::field("events", message));
    }
    let (mut read, mut faults) = (Vec::with_capacity(events.len()), Vec::with_capacity(events.len()));
    for value in events {
        match one_of_batch(value) {
            Ok(fields) => {
                read.push(fields);
                faults.push(Value::Object(Map::new()));
            }
            Err(error) => faults.push(error.body().clone()),
        }
    }
    if read.len() < faults.len() {
        return Err(ApiError::with_body(StatusCode::BAD_REQUEST, json!({ "events": faults })));
    }
    Ok(read)
}

fn one_of_batch(value: Value) -> ApiResult<EventFields> {
    match value {
        Value::Object(map) => event(Body::of(map), None, false),
        _ => Err(ApiError::non_field("Invalid data. Expected a JSON object.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Value {
        json!({ "project": 1, "deployment_slot": "2", "user_id": 7, "event_type": "click" })
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let read = one_of_batch(good()).unwrap();
        assert_eq!((read.user_id.as_str(), read.item_id.as_str(), read.deployment_slot_id), ("7", "", 2));
        assert_eq!((read.metadata_json, read.recommendation_request_id), (json!({}), None));
    }

    #[test]
    fn metadata_has_a_size_that_is_told() {
        let with = |length: usize| {
            let mut event = good();
            event["metadata_json"] = json!({ "k": "x".repeat(length) });
            one_of_batch(event)
        };
        // {"k":""} has eight bytes.
        assert!(with(LARGEST_METADATA - 8).is_ok());
        let refused = with(LARGEST_METADATA - 7).unwrap_err();
        assert_eq!(refused.body()["metadata_json"], json!(["Metadata may have at most 8192 bytes as JSON; this has 8193."]));
    }

    #[test]
    fn faults_of_a_batch_stand_where_their_events_stand() {
        let mut bad = good();
        bad["recommendation_request_id"] = json!("not a uuid");
        bad["metadata_json"] = json!({ "a": ["b\0"] });
        let body = json!({ "events": [good(), bad, 5] });
        let error = batch(Body::of(body.as_object().cloned().unwrap())).unwrap_err();
        let faults = &error.body()["events"];
        assert_eq!(faults[0], json!({}));
        assert!(faults[1]["recommendation_request_id"].is_array() && faults[1]["metadata_json"].is_array());
        assert!(faults[2]["non_field_errors"].is_array());
    }
}
