//! SQL of the events that serving uses: clicks and purchases. Impressions say nothing about taste.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Double, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::features::events::EventType;
use crate::schema::conversion_events;

/// A click or a purchase of an item.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = conversion_events)]
pub struct Event {
    pub id: i64,
    pub project_id: i64,
    pub user_id: String,
    pub item_id: String,
}

/// The position of the event log.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct Position {
    /// The highest id; 0 without events.
    #[diesel(sql_type = BigInt)]
    pub highest: i64,
    /// The oldest transaction in progress: all older ones have ended, and their rows are visible.
    #[diesel(sql_type = BigInt)]
    pub oldest: i64,
}

/// Returns the current position of the event log.
pub async fn position(connection: &mut AsyncPgConnection) -> QueryResult<Position> {
    let sql = "SELECT coalesce((SELECT max(id) FROM conversion_events), 0) AS highest,
        pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest";
    diesel::sql_query(sql).get_result(connection).await
}

/// Returns a transaction that is younger than all in progress, and has ended. A snapshot alone cannot tell: its `xmax` is only
/// one more than the youngest that has *ended*, and several younger ones may be in progress.
pub async fn barrier(connection: &mut AsyncPgConnection) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Own {
        #[diesel(sql_type = BigInt)]
        id: i64,
    }
    let own: Own = diesel::sql_query("SELECT pg_current_xact_id()::text::bigint AS id").get_result(connection).await?;
    Ok(own.id)
}

/// Returns the latest events since a moment, newest first.
pub async fn latest_events(connection: &mut AsyncPgConnection, since: DateTime<Utc>, most: i64) -> QueryResult<Vec<Event>> {
    conversion_events::table
        .filter(conversion_events::timestamp.ge(since))
        .filter(conversion_events::event_type.eq_any(EventType::NOTICED).and(conversion_events::item_id.ne("")))
        .order((conversion_events::timestamp.desc(), conversion_events::id.desc()))
        .select(Event::as_select())
        .limit(most)
        .load(connection)
        .await
}

/// Returns the events since a moment with ids above one, by ascending id.
pub async fn events_after(
    connection: &mut AsyncPgConnection,
    id: i64,
    since: DateTime<Utc>,
    most: i64,
) -> QueryResult<Vec<Event>> {
    conversion_events::table
        .filter(conversion_events::id.gt(id).and(conversion_events::timestamp.ge(since)))
        .filter(conversion_events::event_type.eq_any(EventType::NOTICED).and(conversion_events::item_id.ne("")))
        .order(conversion_events::id)
        .select(Event::as_select())
        .limit(most)
        .load(connection)
        .await
}

const RECENT_BEFORE: &str = "
    SELECT recent.items FROM unnest($2, $3) WITH ORDINALITY AS asked (user_id, at, place)
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(item_id ORDER BY latest, id), '{}') AS items FROM (
            SELECT item_id, max(timestamp) AS latest, max(id) AS id FROM conversion_events
            WHERE project_id = $1 AND user_id = asked.user_id AND event_type IN ('click', 'purchase') AND item_id <> ''
                AND timestamp < asked.at AND timestamp >= asked.at - make_interval(secs => $4)
            GROUP BY item_id ORDER BY latest DESC, id DESC LIMIT $5
        ) AS latest
    ) AS recent
    ORDER BY asked.place";

#[derive(QueryableByName)]
struct RecentItems {
    #[diesel(sql_type = Array<Text>)]
    items: Vec<String>,
}

/// Returns the items that users had clicked or bought shortly before given moments, oldest first: the last `most` recorded within
/// a time before; one list for each user and moment, in their order.
pub async fn recent_before(
    connection: &mut AsyncPgConnection,
    project: i64,
    (users, moments): (Vec<&str>, Vec<DateTime<Utc>>),
    within: TimeDelta,
    most: usize,
) -> QueryResult<Vec<Vec<String>>> {
    let recent: Vec<RecentItems> = diesel::sql_query(RECENT_BEFORE)
        .bind::<BigInt, _>(project)
        .bind::<Array<Text>, _>(users)
        .bind::<Array<Timestamptz>, _>(moments)
        .bind::<Double, _>(within.num_seconds() as f64)
        .bind::<BigInt, _>(i64::try_from(most).unwrap_or(i64::MAX))
        .load(connection)
        .await?;
    Ok(recent.into_iter().map(|recent| recent.items).collect())
}
