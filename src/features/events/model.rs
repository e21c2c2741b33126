//! Rows of events.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use crate::platform::wire_enum;
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

/// Something a user did.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = conversion_events)]
pub struct ConversionEvent {
    pub id: i64,
    pub project_id: i64,
    pub deployment_slot_id: i64,
    pub user_id: String,
    pub item_id: String,
    pub event_type: EventType,
    /// The list that led to it.
    pub recommendation_request_id: Option<Uuid>,
    /// What the client calls this event, so that reporting it twice counts once.
    pub client_event_id: Option<String>,
    /// When the server heard of it.
    pub timestamp: DateTime<Utc>,
    pub metadata_json: Value,
}

/// What a caller says about an event.
#[derive(Debug, Clone, PartialEq, AsChangeset)]
#[diesel(table_name = conversion_events, treat_none_as_null = true)]
pub struct EventFields {
    pub project_id: i64,
    pub deployment_slot_id: i64,
    pub user_id: String,
    pub item_id: String,
    pub event_type: EventType,
    pub recommendation_request_id: Option<Uuid>,
    #[diesel(skip_update)]
    pub client_event_id: Option<String>,
    pub metadata_json: Value,
}

impl ConversionEvent {
    /// The part a caller decides.
    pub fn fields(&self) -> EventFields {
        EventFields {
            project_id: self.project_id,
            deployment_slot_id: self.deployment_slot_id,
            user_id: self.user_id.clone(),
            item_id: self.item_id.clone(),
            event_type: self.event_type,
            recommendation_request_id: self.recommendation_request_id,
            client_event_id: self.client_event_id.clone(),
            metadata_json: self.metadata_json.clone(),
        }
    }
}

impl EventFields {
    /// The event as it was stored.
    pub fn stored(self, id: i64, at: DateTime<Utc>) -> ConversionEvent {
        ConversionEvent {
            id,
            project_id: self.project_id,
            deployment_slot_id: self.deployment_slot_id,
            user_id: self.user_id,
            item_id: self.item_id,
            event_type: self.event_type,
            recommendation_request_id: self.recommendation_request_id,
            client_event_id: self.client_event_id,
            timestamp: at,
            metadata_json: self.metadata_json,
        }
    }
}
