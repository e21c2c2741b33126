//! Events for other parts of the program, delivered exactly once and only if they happened (the transactional outbox pattern).
//!
//! [`record`] writes an event in the caller's transaction: it exists if and only if its change does. One process at a time
//! delivers the events to their subscribers, in the order in which they were recorded, and deletes each in the transaction in
//! which the subscribers add their jobs.
//!
//! An event gets its number before its transaction commits, so one with a lower number may appear later than one with a higher.
//! The events are therefore read only up to the oldest transaction in progress: no lower number can appear after that.

mod courier;
mod schema;

pub use courier::{Courier, Round, Subscriber, Subscribers};

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;

use schema::outbox;

/// Channel that announces events.
const CHANNEL: &str = "recotem_outbox";

/// An event to be recorded.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = outbox)]
pub struct NewEvent {
    /// The kind of event, such as `model.trained`.
    pub topic: String,
    pub organisation_id: Option<i64>,
    pub project_id: Option<i64>,
    /// Ids and figures; no secrets, and no rows of users.
    pub payload: Value,
}

/// A recorded event.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = outbox)]
pub struct Event {
    pub id: i64,
    pub topic: String,
    pub organisation_id: Option<i64>,
    pub project_id: Option<i64>,
    pub payload: Value,
    pub occurred_at: DateTime<Utc>,
    /// The number of failed deliveries.
    pub attempts: i32,
}

/// Records an event in the caller's transaction, and notifies the courier when that commits.
pub async fn record(connection: &mut AsyncPgConnection, event: &NewEvent) -> QueryResult<()> {
    diesel::insert_into(outbox::table).values(event).execute(connection).await?;
    diesel::sql_query(format!("NOTIFY {CHANNEL}")).execute(connection).await?;
    Ok(())
}
