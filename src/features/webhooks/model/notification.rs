//! Rows of notifications.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::Value;

use crate::features::projects::Topic;
use crate::platform::http::body::Id;
use crate::platform::request_fields;
use crate::schema::notifications;

request_fields! {
    /// What the caller has read.
    pub struct ReadFields {
        /// The newest notification that was read.
        pub until: i64 => Id,
    }
}

/// Something that happened in a project.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = notifications)]
pub struct Notification {
    pub id: i64,
    pub project_id: i64,
    pub topic: Topic,
    pub data: Value,
    pub link_path: Option<String>,
    pub occurred_at: DateTime<Utc>,
}

/// A notification to be stored.
#[derive(Debug, Insertable)]
#[diesel(table_name = notifications)]
pub struct NewNotification {
    pub project_id: i64,
    pub topic: Topic,
    pub data: Value,
    pub link_path: Option<String>,
    pub occurred_at: DateTime<Utc>,
}
