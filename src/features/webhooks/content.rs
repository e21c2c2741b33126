//! What messages and notifications say.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::Value;
use uuid::{NoContext, Timestamp, Uuid};

use crate::features::projects::Topic;

/// A message as it is sent.
#[derive(Serialize)]
struct Content<'a, T> {
    r#type: Topic,
    timestamp: String,
    data: &'a T,
}

/// Returns the body of a message.
pub fn body_of(topic: Topic, occurred_at: DateTime<Utc>, data: &impl Serialize) -> serde_json::Result<String> {
    let timestamp = occurred_at.to_rfc3339_opts(SecondsFormat::Millis, true);
    serde_json::to_string(&Content { r#type: topic, timestamp, data })
}

/// Returns the id of a message that is created at a moment.
pub fn id_at(now: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos()))
}

/// Returns the lowest id of messages that are created at a moment.
pub fn first_id_of(moment: DateTime<Utc>) -> Uuid {
    let millis = u128::from(u64::try_from(moment.timestamp_millis()).unwrap_or_default());
    Uuid::from_u128(millis << 80)
}

/// Returns the page of the UI that shows more of what happened in a project.
pub fn link_path(topic: Topic, project: i64, data: &Value) -> Option<String> {
    let number = |field: &str| data[field].as_i64();
    let page = |page: &str| Some(format!("/projects/{project}/{page}"));
    let page_of = |kind: &str, field: &str| number(field).map_or_else(|| page(kind), |id| page(&format!("{kind}/{id}")));
    match topic {
        Topic::ModelTrained | Topic::ModelFailed => page_of("models", "model"),
        Topic::TuningCompleted | Topic::TuningFailed => page_of("tuning", "tuning_job"),
        Topic::SlotChanged => page("deployments"),
        Topic::AbTestSignificant | Topic::AbTestEnded => page_of("ab-tests", "ab_test"),
        Topic::RetrainingCompleted | Topic::RetrainingSkipped | Topic::RetrainingRefusedByGate => page("retraining"),
        Topic::DataReady | Topic::DataFailed => page_of("data", "training_data"),
        Topic::DeliverySucceeded | Topic::DeliveryFailed => page_of("destinations", "destination"),
        Topic::WebhookDisabled => page("integrations"),
        Topic::StudioReady | Topic::StudioFailed => {
            Some(number("studio").map_or_else(|| "/studio".to_owned(), |id| format!("/studio/{id}")))
        }
        Topic::SourceSucceeded | Topic::SourceHeld | Topic::SourceFailed => {
            let run = number("source_run").map_or_else(String::new, |run| format!("?run={run}"));
            page_of("sources", "data_source").map(|page| page + &run)
        }
        Topic::RecommendationServed | Topic::WebhookTest => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_says_what_happened_and_when() {
        let at: DateTime<Utc> = "2026-11-30T12:00:00.25Z".parse().unwrap();
        assert_eq!(
            body_of(Topic::ModelTrained, at, &json!({ "model": 7 })).unwrap(),
            r#"{"type":"model.trained","timestamp":"2026-11-30T12:00:00.250Z","data":{"model":7}}"#
        );
        let id = id_at(at);
        assert!(first_id_of(at) < id && id < first_id_of(at + chrono::TimeDelta::milliseconds(1)));
        assert_eq!((id.get_version_num(), id.get_timestamp().unwrap().to_unix().0), (7, at.timestamp() as u64));
    }

    #[test]
    fn a_link_leads_to_the_object_or_to_its_list() {
        assert_eq!(link_path(Topic::ModelTrained, 3, &json!({ "model": 7 })).as_deref(), Some("/projects/3/models/7"));
        assert_eq!(link_path(Topic::DataReady, 3, &json!({})).as_deref(), Some("/projects/3/data"));
        assert_eq!(link_path(Topic::StudioReady, 3, &json!({ "studio": 4 })).as_deref(), Some("/studio/4"));
        let held = json!({ "data_source": 5, "source_run": 9 });
        assert_eq!(link_path(Topic::SourceHeld, 3, &held).as_deref(), Some("/projects/3/sources/5?run=9"));
        assert_eq!(link_path(Topic::RecommendationServed, 3, &json!({})), None);
    }
}
