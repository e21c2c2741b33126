//! Rows of events.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::kinds::{LONGEST_ID, Metadata, RequestId, written_bytes};
use crate::platform::http::body::{Choice, Id, Kept, Nullable, Text, TextOrBlank};
use crate::platform::{request_fields, wire_enum};
use crate::schema::conversion_events;

wire_enum! {
    /// What a user did with an item.
    pub enum EventType {
        /// An item was shown.
        Impression = "impression",
        Click = "click",
        Purchase = "purchase",
    }
}

impl EventType {
    /// The types that express a user's taste; an impression alone does not.
    pub const NOTICED: [Self; 2] = [Self::Click, Self::Purchase];
}

request_fields! {
    /// The fields of an event.
    #[derive(Debug, Clone, PartialEq, Queryable, Selectable, AsChangeset, Serialize, ToSchema)]
    #[diesel(table_name = conversion_events, treat_none_as_null = true)]
    #[schema(as = ConversionEventFields)]
    pub struct EventFields {
        #[serde(rename = "project")]
        pub project_id: i64 => Id,
        /// A slot of the same project.
        #[serde(rename = "deployment_slot")]
        pub deployment_slot_id: i64 => Id,
        pub user_id: String => Text(LONGEST_ID),
        pub item_id: String = String::new() => TextOrBlank(LONGEST_ID),
        pub event_type: EventType => Choice(&[]),
        /// The `request_id` of a prediction. With it, an event of a type counts once per list.
        pub recommendation_request_id: Option<Uuid> = None => Nullable(RequestId),
        /// A client's own id, unique in the project: an event sent again with the same id is not stored again.
        #[diesel(skip_update)]
        #[serde(rename = "event_id")]
        pub client_event_id: Option<String> = None => Kept(Nullable(Text(LONGEST_ID))),
        /// Any JSON but null; `{}` by default.
        pub metadata_json: Value = json!({}) => Metadata,
    }
}

impl EventFields {
    /// Returns about how many bytes a client chose to have stored.
    pub fn bytes(&self) -> usize {
        let ids = self.user_id.len() + self.item_id.len() + self.client_event_id.as_ref().map_or(0, String::len);
        ids + written_bytes(&self.metadata_json)
    }
}

/// A recorded event of a user.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = conversion_events)]
pub struct ConversionEvent {
    pub id: i64,
    #[diesel(embed)]
    pub fields: EventFields,
    /// When the server received it.
    pub timestamp: DateTime<Utc>,
}
