//! SQL of events as interactions for training.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::features::events::model::EventType;

/// Events read in one query.
const PAGE: i64 = 20_000;

/// Selects the events of a project that name an item, are of these types and later than a time.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub project: i64,
    pub event_types: Vec<EventType>,
    pub after: DateTime<Utc>,
}

/// The number of events, and the first and last of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Extent {
    #[diesel(sql_type = BigInt)]
    pub rows: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub first_id: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub last_id: Option<i64>,
}

/// The columns of an event that training uses.
#[derive(Debug, Clone, QueryableByName)]
pub struct RecordedEvent {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = Text)]
    pub user_id: String,
    #[diesel(sql_type = Text)]
    pub item_id: String,
    #[diesel(sql_type = Text)]
    pub event_type: EventType,
    #[diesel(sql_type = Timestamptz)]
    pub timestamp: DateTime<Utc>,
}

/// Returns the present number of events and their first and last ids.
pub async fn extent(connection: &mut AsyncPgConnection, recorded: &Recorded) -> QueryResult<Extent> {
    let sql = "SELECT count(*) AS rows, min(id) AS first_id, max(id) AS last_id FROM conversion_events
        WHERE project_id = $1 AND timestamp > $2 AND event_type = ANY ($3) AND item_id <> ''";
    diesel::sql_query(sql)
        .bind::<BigInt, _>(recorded.project)
        .bind::<Timestamptz, _>(recorded.after)
        .bind::<Array<Text>, _>(&recorded.event_types)
        .get_result(connection)
        .await
}

/// Returns the next events after a time and an id, in the order of both, up to an id; empty if there are no more.
pub async fn page(
    connection: &mut AsyncPgConnection,
    recorded: &Recorded,
    (time, id): (DateTime<Utc>, i64),
    up_to: i64,
) -> QueryResult<Vec<RecordedEvent>> {
    let sql = "SELECT id, user_id, item_id, event_type, timestamp FROM conversion_events
        WHERE project_id = $1 AND (timestamp, id) > ($2, $3) AND id <= $4 AND event_type = ANY ($5) AND item_id <> ''
        ORDER BY timestamp, id LIMIT $6";
    diesel::sql_query(sql)
        .bind::<BigInt, _>(recorded.project)
        .bind::<Timestamptz, _>(time)
        .bind::<BigInt, _>(id)
        .bind::<BigInt, _>(up_to)
        .bind::<Array<Text>, _>(&recorded.event_types)
        .bind::<BigInt, _>(PAGE)
        .load(connection)
        .await
}
