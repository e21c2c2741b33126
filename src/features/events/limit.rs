//! The limit on reported events. A request is counted before its body is read, so a batch is counted again for its other events,
//! and large events count more than once.

use std::sync::Arc;

use super::model::EventFields;
use crate::features::accounts::User;
use crate::platform::clock::Clock;
use crate::platform::http::throttle::Throttle;

/// Bytes of an event that count as one: a user who reports large events may report fewer of them.
const BYTES_OF_ONE: usize = 1 << 10;

/// The limit that reports of this process count against, by user.
pub struct ReportLimit {
    throttle: Arc<Throttle>,
    clock: Clock,
}

impl ReportLimit {
    /// Creates the limit from the throttle that admits the requests.
    pub fn new(throttle: Arc<Throttle>, clock: Clock) -> Self {
        Self { throttle, clock }
    }

    /// Counts the events of a request, which was counted as one.
    pub fn count(&self, user: &User, events: &[EventFields]) {
        let more = weight(events).saturating_sub(1);
        if more > 0 {
            self.throttle.count_more(&user.id.to_string(), more, self.clock.now());
        }
    }
}

/// Returns how many events these count as: their number, or one for each KiB if that is more.
fn weight(events: &[EventFields]) -> usize {
    let bytes: usize = events.iter().map(EventFields::bytes).sum();
    events.len().max(bytes / BYTES_OF_ONE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::features::events::model::EventType;

    fn event(metadata_bytes: usize) -> EventFields {
        EventFields {
            project_id: 1,
            deployment_slot_id: 2,
            user_id: "u".to_owned(),
            item_id: String::new(),
            event_type: EventType::Click,
            recommendation_request_id: None,
            client_event_id: None,
            // {"k":""} has eight bytes.
            metadata_json: json!({ "k": "x".repeat(metadata_bytes.saturating_sub(8)) }),
        }
    }

    #[test]
    fn events_count_by_their_number_or_by_their_kib() {
        assert_eq!(weight(&[]), 0);
        assert_eq!(weight(&[event(8)]), 1);
        assert_eq!(weight(&vec![event(100); 30]), 30);
        assert_eq!(weight(&[event(8 << 10)]), 8);
        assert_eq!(weight(&vec![event(8 << 10); 30]), 240);
    }
}
