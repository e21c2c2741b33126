//! A line of the audit log.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::platform::http::timestamp;
use crate::platform::wire_enum;
use crate::schema::audit_log;

/// A change: the user, the action and the object.
#[derive(Debug, Clone, Queryable, Selectable, Serialize, ToSchema)]
#[diesel(table_name = audit_log)]
#[schema(as = AuditEntry)]
pub struct Entry {
    pub id: i64,
    #[serde(serialize_with = "timestamp::serialize")]
    pub at: DateTime<Utc>,
    #[diesel(column_name = organisation_id)]
    pub organisation: Option<i64>,
    #[diesel(column_name = project_id)]
    pub project: Option<i64>,
    #[diesel(column_name = user_id)]
    pub user: Option<i64>,
    /// The user's name at the time.
    pub username: Option<String>,
    /// The API key they acted with.
    #[diesel(column_name = api_key_id)]
    pub api_key: Option<i64>,
    /// Network address.
    pub address: String,
    /// The id of the request, as in the server's log.
    pub request_id: String,
    pub action: Action,
    /// The type of the object, as in the API's paths.
    pub resource: String,
    pub resource_id: String,
    /// The object before; for an update, only the fields that changed.
    pub before: Option<Value>,
    /// The object after; for an update, only the fields that changed.
    pub after: Option<Value>,
}

wire_enum! {
    /// The actions on an object.
    #[schema(as = AuditAction)]
    pub enum Action {
        Created = "created",
        Updated = "updated",
        Deleted = "deleted",
    }
}

/// The selection of lines.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Lines of these organisations only; `None` means all lines.
    pub organisations: Option<Vec<i64>>,
    pub project: Option<i64>,
    pub user: Option<i64>,
    pub resource: Option<String>,
    pub resource_id: Option<String>,
    pub action: Option<Action>,
    /// From this moment on.
    pub since: Option<DateTime<Utc>>,
    /// Before this moment.
    pub until: Option<DateTime<Utc>>,
}
