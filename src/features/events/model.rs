//! Rows of events.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::kinds::{LONGEST_ID, Metadata, RequestId};
use crate::platform::http::body::{Choice, Id, Kept, Nullable, Text, TextOrBlank};
use crate::platform::{request_fields, wire_enum};
use crate::schema::conversion_events;

wire_enum! {
    /// What a user did.
    pub enum EventType {
        /// An item was shown.
        Impression = "impression",
        Click = "click",
        Purchase = "purchase",
    }
}

impl EventType {
    /// What says something of a user's taste: what was merely shown does not.
    pub const NOTICED: [Self; 2] = [Self::Click, Self::Purchase];
}

request_fields! {
    /// What a caller says about an event.
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
        /// What a prediction answered as `request_id`. With it, an event of a type counts once per list.
        pub recommendation_request_id: Option<Uuid> = None => Nullable(RequestId),
        /// An id of your own, unique in the project: an event that is sent again with it is not stored again.
        #[diesel(skip_update)]
        #[serde(rename = "event_id")]
        pub client_event_id: Option<String> = None => Kept(Nullable(Text(LONGEST_ID))),
        /// Any JSON but null; `{}` unless given.
        pub metadata_json: Value = json!({}) => Metadata,
    }
}

/// Something a user did.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = conversion_events)]
pub struct ConversionEvent {
    pub id: i64,
    #[diesel(embed)]
    pub fields: EventFields,
    /// When the server received it.
    pub timestamp: DateTime<Utc>,
}
