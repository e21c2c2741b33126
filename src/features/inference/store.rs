//! SQL of the events that serving follows: what users clicked or bought. What they were merely shown says nothing of taste.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
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

/// How far the events have come.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct Position {
    /// The highest id there is; 0 without events.
    #[diesel(sql_type = BigInt)]
    pub highest: i64,
    /// The oldest transaction under way: all that are older have ended, and what they stored can be seen.
    #[diesel(sql_type = BigInt)]
    pub oldest: i64,
}

/// How far the events have come by now.
pub async fn position(connection: &mut AsyncPgConnection) -> QueryResult<Position> {
    let sql = "SELECT coalesce((SELECT max(id) FROM conversion_events), 0) AS highest,
        pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest";
    diesel::sql_query(sql).get_result(connection).await
}

/// A transaction that is younger than all that are under way, and has ended. A snapshot alone cannot tell: its `xmax` is only
/// one more than the youngest that has *ended*, and several younger ones may be under way.
pub async fn barrier(connection: &mut AsyncPgConnection) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Own {
        #[diesel(sql_type = BigInt)]
        id: i64,
    }
    let own: Own = diesel::sql_query("SELECT pg_current_xact_id()::text::bigint AS id").get_result(connection).await?;
    Ok(own.id)
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

/// Events since a moment with ids above one, by rising ids.
pub async fn events_after(
    connection: &mut AsyncPgConnection,
    id: i64,
    since: DateTime<Utc>,
    most: i64,
) -> QueryResult<Vec<Event>> {
    conversion_events::table
        .filter(conversion_events::id.gt(id).and(conversion_events::timestamp.ge(since)))
        .filter(conversion_events::event_type.eq_any(["click", "purchase"]).and(conversion_events::item_id.ne("")))
        .order(conversion_events::id)
        .select(Event::as_select())
        .limit(most)
        .load(connection)
        .await
}
