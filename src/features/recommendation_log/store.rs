//! SQL of the log.

use std::collections::HashSet;
use std::ops::Range;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Timestamptz};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::Stream;

use super::model::{AnsweredList, LoggedList, Pair};
use crate::platform::db::{QueryError, ended_months};
use crate::schema::{deployment_slots, recommendation_log};

/// The table, which is partitioned by month.
pub const LOG: &str = "recommendation_log";

/// A statement has at most 65,535 parameters.
const ROWS_AT_ONCE: usize = 1_000;

/// Stores lists. Those of slots that have been deleted meanwhile are left out.
pub async fn insert(connection: &mut AsyncPgConnection, lists: Vec<LoggedList>) -> QueryResult<()> {
    connection
        .transaction(async move |connection| {
            let slots: HashSet<i64> = lists.iter().map(|list| list.deployment_slot_id).collect();
            let present: HashSet<i64> = deployment_slots::table
                .filter(deployment_slots::id.eq_any(slots))
                .select(deployment_slots::id)
                .for_key_share()
                .load(connection)
                .await?
                .into_iter()
                .collect();
            let kept: Vec<LoggedList> = lists.into_iter().filter(|list| present.contains(&list.deployment_slot_id)).collect();
            for rows in kept.chunks(ROWS_AT_ONCE) {
                diesel::insert_into(recommendation_log::table).values(rows).execute(connection).await?;
            }
            Ok(())
        })
        .await
}

/// What became of the list `live`. What somebody bought without clicking counts as bought, whenever that was after the list.
/// The project is not looked for but looked at: in a month nothing is known about yet, its index would seem the best one and be
/// the worst.
const OUTCOMES: &str = "
    LEFT JOIN LATERAL (
        SELECT array_agg(DISTINCT item_id) FILTER (WHERE event_type = 'click' AND project_id = live.project_id) AS clicked,
            array_agg(DISTINCT item_id) FILTER (WHERE event_type = 'purchase' AND project_id = live.project_id) AS bought
        FROM conversion_events
        WHERE recommendation_request_id = live.request_id AND timestamp >= live.timestamp AND item_id <> ''
    ) AS seen ON true";

const PAIRS: &str = "
    SELECT live.user_id, live.items[1:$4] AS live, shadow.items[1:$4] AS shadow,
        live.item_propensities[1:$4] AS propensities,
        coalesce(seen.clicked, '{}') AS clicked, coalesce(seen.bought, '{}') AS bought
    FROM (
        SELECT request_id, project_id, items, timestamp FROM recommendation_log
        WHERE deployment_slot_id = $1 AND trained_model_id = $2 AND is_shadow AND timestamp >= $3
        ORDER BY timestamp DESC LIMIT $5
    ) AS shadow
    JOIN recommendation_log AS live
        ON live.request_id = shadow.request_id AND live.timestamp = shadow.timestamp
            AND live.project_id = shadow.project_id AND NOT live.is_shadow";

const ANSWERED: &str = "
    SELECT live.user_id, live.timestamp, live.plain_cutoff, live.items[1:$3] AS items, live.propensity,
        live.item_propensities[1:$3] AS item_propensities,
        coalesce(seen.clicked, '{}') AS clicked, coalesce(seen.bought, '{}') AS bought
    FROM (
        SELECT * FROM recommendation_log WHERE project_id = $1 AND NOT is_shadow AND timestamp >= $2
        ORDER BY timestamp DESC LIMIT $4
    ) AS live";

/// Which pairs of lists are compared.
#[derive(Debug, Clone, Copy)]
pub struct Selection {
    /// The shadow slot.
    pub slot: i64,
    /// Only lists of this model of it.
    pub model: i64,
    pub since: DateTime<Utc>,
    /// Items of each list, from its head.
    pub cutoff: i32,
    /// The newest requests, at most so many.
    pub most: i64,
}

/// The pairs of a shadow slot's lists and those that were answered, with what became of them; in no particular order.
pub async fn pairs(
    connection: &mut AsyncPgConnection,
    selection: Selection,
) -> QueryResult<impl Stream<Item = QueryResult<Pair>>> {
    let query = diesel::sql_query(format!("{PAIRS} {OUTCOMES}"))
        .bind::<BigInt, _>(selection.slot)
        .bind::<BigInt, _>(selection.model)
        .bind::<Timestamptz, _>(selection.since)
        .bind::<Integer, _>(selection.cutoff)
        .bind::<BigInt, _>(selection.most);
    query.load_stream(connection).await
}

/// Which answers of the past are read.
#[derive(Debug, Clone, Copy)]
pub struct Past {
    pub project: i64,
    pub since: DateTime<Utc>,
    /// Items of each list, from its head.
    pub cutoff: i32,
    /// The newest answers, at most so many.
    pub most: i64,
}

/// What a project answered, the newest first, with what became of it.
pub async fn answered(connection: &mut AsyncPgConnection, past: Past) -> QueryResult<Vec<AnsweredList>> {
    diesel::sql_query(format!("{ANSWERED} {OUTCOMES} ORDER BY live.timestamp DESC"))
        .bind::<BigInt, _>(past.project)
        .bind::<Timestamptz, _>(past.since)
        .bind::<Integer, _>(past.cutoff)
        .bind::<BigInt, _>(past.most)
        .load(connection)
        .await
}

/// How many lists of a project's answers are logged in a time; counted no further than `most`.
pub async fn count_answered(
    connection: &mut AsyncPgConnection,
    project: i64,
    time: Range<DateTime<Utc>>,
    most: i64,
) -> QueryResult<usize> {
    let lists: Vec<i64> = recommendation_log::table
        .filter(recommendation_log::project_id.eq(project).and(diesel::dsl::not(recommendation_log::is_shadow)))
        .filter(recommendation_log::timestamp.ge(time.start).and(recommendation_log::timestamp.lt(time.end)))
        .select(recommendation_log::deployment_slot_id)
        .limit(most)
        .load(connection)
        .await?;
    Ok(lists.len())
}

/// Drops the partitions of months that ended before a moment, and says how many there were.
pub async fn drop_partitions(connection: &mut AsyncPgConnection, before: DateTime<Utc>) -> QueryResult<usize> {
    let old = ended_months(connection, LOG, before).await?;
    for name in &old {
        // It waits for whoever uses projects and slots, and they for it: rather not now than for long.
        let sql = format!("SET LOCAL lock_timeout = '3s'; DROP TABLE {name}");
        connection.transaction::<_, QueryError, _>(async move |connection| connection.batch_execute(&sql).await).await?;
    }
    Ok(old.len())
}

/// Removes what lies before a moment and in no month's partition.
pub async fn delete_strays(connection: &mut AsyncPgConnection, before: DateTime<Utc>) -> QueryResult<usize> {
    diesel::sql_query("DELETE FROM recommendation_log_default WHERE timestamp < $1")
        .bind::<Timestamptz, _>(before)
        .execute(connection)
        .await
}
