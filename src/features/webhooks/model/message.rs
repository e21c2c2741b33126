//! Rows of messages and of the attempts to deliver them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::features::projects::Topic;
use crate::platform::http::body::Moment;
use crate::platform::{request_fields, wire_enum};
use crate::schema::{webhook_attempts, webhook_messages};

wire_enum! {
    /// The state of a message.
    #[schema(as = WebhookMessageState)]
    pub enum MessageState {
        /// It is sent now or later.
        Waiting = "waiting",
        Delivered = "delivered",
        /// The last attempt of the schedule failed.
        Failed = "failed",
    }
}

wire_enum! {
    /// Why an attempt failed.
    #[schema(as = WebhookErrorCode)]
    pub enum ErrorCode {
        /// There was no complete answer within 15 seconds.
        TimedOut = "timed_out",
        /// The policy of the server does not allow the address.
        RefusedAddress = "refused_address",
        /// The name of the host has no address.
        UnresolvedHost = "unresolved_host",
        ConnectionFailed = "connection_failed",
        /// The certificate is not valid, or encryption failed.
        TlsFailed = "tls_failed",
        /// The status was 3xx: redirects are not followed.
        Redirected = "redirected",
        /// The status was 429.
        RateLimited = "rate_limited",
        /// The status was 410: the endpoint is switched off.
        Gone = "gone",
        /// The status was another than 2xx.
        HttpStatus = "http_status",
        /// The secret was sealed with a key that is not configured.
        SecretUnreadable = "secret_unreadable",
    }
}

request_fields! {
    /// The messages that are sent again.
    pub struct ReplayFields {
        /// Messages from this moment on that were delivered or have failed are sent again.
        pub since: DateTime<Utc> => Moment,
    }
}

/// A message as lists show it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = webhook_messages)]
pub struct MessageSummary {
    pub id: Uuid,
    pub topic: Topic,
    pub state: MessageState,
    pub attempts: i32,
    pub due_at: DateTime<Utc>,
    pub status_code: Option<i32>,
    pub error_code: Option<ErrorCode>,
    pub ins_datetime: DateTime<Utc>,
}

/// A message with what it says.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = webhook_messages)]
pub struct Message {
    #[diesel(embed)]
    pub summary: MessageSummary,
    pub body: String,
}

/// A message to be stored.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = webhook_messages)]
pub struct NewMessage {
    pub id: Uuid,
    pub endpoint_id: i64,
    pub topic: Topic,
    pub body: String,
    pub due_at: DateTime<Utc>,
    pub ins_datetime: DateTime<Utc>,
}

/// A message that is due.
#[derive(Debug, Clone, QueryableByName)]
#[diesel(table_name = webhook_messages)]
pub struct Waiting {
    pub id: Uuid,
    pub body: String,
    pub attempts: i32,
    pub step: i32,
}

/// An attempt to deliver a message.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = webhook_attempts)]
pub struct Attempt {
    pub at: DateTime<Utc>,
    pub status_code: Option<i32>,
    pub error_code: Option<ErrorCode>,
    pub duration_ms: i32,
    pub response_head: String,
}
