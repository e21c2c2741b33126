//! Weights of event types in request bodies.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use utoipa::PartialSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::ml::weights::Weights;
use crate::platform::http::body::{FieldReader, JsonObject, Kind, Missing};

const MOST_WEIGHTS: usize = 1_000;
/// The largest number of characters of an event type, as for events.
pub const LONGEST_EVENT_TYPE: usize = 256;

/// A JSON object of weights by type of event.
pub struct EventWeights;

impl Kind for EventWeights {
    type Output = Value;

    fn read(&self, fields: &mut FieldReader, field: &str, missing: Missing<Value>) -> Value {
        let read = fields.read(field, JsonObject::STORED, missing);
        let weights: BTreeMap<&String, &Value> = read.as_object().into_iter().flatten().collect();
        if weights.len() > MOST_WEIGHTS {
            fields.fault(field, format!("At most {MOST_WEIGHTS} types of events can have a weight."));
        }
        if weights.keys().any(|name| name.chars().count() > LONGEST_EVENT_TYPE) {
            fields.fault(field, format!("The name of a type of event has at most {LONGEST_EVENT_TYPE} characters."));
        }
        let number = |(event, weight): (&String, &Value)| Some((event.clone(), weight.as_f64()?));
        let numbers: Option<BTreeMap<String, f64>> = weights.into_iter().map(number).collect();
        match numbers.map(|numbers| Weights::new(numbers, None)) {
            Some(Ok(_)) => {}
            Some(Err(error)) => fields.fault(field, format!("This cannot be used: {error}.")),
            None => fields.fault(field, "Every weight must be a number."),
        }
        read
    }

    fn schema(&self) -> RefOr<Schema> {
        HashMap::<String, f64>::schema()
    }
}
