//! Reading events from request bodies.

use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};
use utoipa::openapi::schema::ArrayBuilder;
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::model::EventFields;
use crate::platform::http::body::{FieldReader, Kind, Missing, NamedSchemas};
use crate::platform::http::{ApiError, ApiResult, Body, RequestOf, Write};
use crate::platform::request_fields;

/// The name of the schema of one event.
const ONE_EVENT: &str = "ConversionEventRequest";
/// The largest number of events in one batch.
pub const LARGEST_BATCH: usize = 10_000;

/// Reads the fields of one event.
pub fn event(body: Body, write: Write<'_, EventFields>) -> ApiResult<EventFields> {
    let mut fields = body.reader();
    let read = EventFields::read(&mut fields, write);
    if let Write::Replace(current) | Write::Change(current) = write
        && read.client_event_id != current.client_event_id
    {
        fields.fault("event_id", "The id of an event cannot change.");
    }
    fields.finish()?;
    Ok(read)
}

request_fields! {
    /// Many events at once.
    pub struct EventBatch {
        /// At most 10,000.
        events: Vec<Value> => EventList,
    }
}

/// The events of a batch, which are read one by one.
pub struct EventList;

impl Kind for EventList {
    type Output = Vec<Value>;

    fn read(&self, fields: &mut FieldReader, field: &str, _: Missing<Vec<Value>>) -> Vec<Value> {
        let fault = match fields.take(field) {
            Some(Value::Array(events)) if events.len() <= LARGEST_BATCH => return events,
            Some(Value::Array(events)) => {
                format!("A batch may hold at most {LARGEST_BATCH} events; this one holds {}.", events.len())
            }
            Some(_) => "Expected a list of events.".to_owned(),
            None => "This field is required.".to_owned(),
        };
        fields.fault(field, fault);
        Vec::new()
    }

    fn schema(&self) -> RefOr<Schema> {
        ArrayBuilder::new().items(Ref::from_schema_name(ONE_EVENT)).max_items(Some(LARGEST_BATCH)).into()
    }

    fn add_schemas(&self, schemas: &mut NamedSchemas) {
        schemas.push((ONE_EVENT.to_owned(), RequestOf::<EventFields>::schema()));
        RequestOf::<EventFields>::schemas(schemas);
    }
}

/// Reads the events of a batch. If some have faults, the answer has one entry per event, empty for valid ones.
pub fn batch(body: Body) -> ApiResult<Vec<EventFields>> {
    let mut fields = body.reader();
    let EventBatch { events } = EventBatch::read(&mut fields, Write::Create);
    fields.finish()?;
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
        Value::Object(map) => event(Body::of(map), Write::Create),
        _ => Err(ApiError::non_field("Invalid data. Expected a JSON object.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::events::kinds::LARGEST_METADATA;

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
