//! SQL of the events that serving follows: what users clicked or bought. What they were merely shown says nothing of taste.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::schema::conversion_events;

/// Somebody took notice of an item.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = conversion_events)]
pub struct Event {
    pub id: i64,
    pub project_id: i64,
    pub user_id: String,
    pub item_id: String,
}

/// The highest id there is; 0 without events.
pub async fn highest_event(connection: &mut AsyncPgConnection) -> QueryResult<i64> {
    let highest: Option<i64> =
        conversion_events::table.select(diesel::dsl::max(conversion_events::id)).get_result(connection).await?;
    Ok(highest.unwrap_or_default())
}

/// The latest events since a moment, the newest first.
pub async fn latest_events(connection: &mut AsyncPgConnection, since: DateTime<Utc>, most: i64) -> QueryResult<Vec<Event>> {
    conversion_events::table
        .filter(conversion_events::timestamp.ge(since))
        .filter(conversion_events::event_type.eq_any(["click", "purchase"]).and(conversion_events::item_id.ne("")))
        .order((conversion_events::timestamp.desc(), conversion_events::id.desc()))
        .select(Event::as_select())
        .limit(most)
        .load(connection)
        .await
}

/// Events with ids above one, by rising ids.
pub async fn events_after(connection: &mut AsyncPgConnection, id: i64, most: i64) -> QueryResult<Vec<Event>> {
    conversion_events::table
        .filter(conversion_events::id.gt(id))
        .filter(conversion_events::event_type.eq_any(["click", "purchase"]).and(conversion_events::item_id.ne("")))
        .order(conversion_events::id)
        .select(Event::as_select())
        .limit(most)
        .load(connection)
        .await
}
