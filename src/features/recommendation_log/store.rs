//! SQL of the recommendation log.

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

/// The name of the table, which is partitioned by month.
pub const LOG: &str = "recommendation_log";

/// A statement has at most 65,535 parameters.
const ROWS_AT_ONCE: usize = 1_000;

/// Stores lists. Lists of slots that have been deleted meanwhile are left out.
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

/// The outcomes of the list `live`. A purchase without a click is included, at any time after the list. The project is compared
/// in the FILTER and not in the WHERE clause: in a month without statistics the planner would prefer its index, which is the
/// slowest.
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

/// The pairs of lists to be compared.
#[derive(Debug, Clone, Copy)]
pub struct Selection {
    /// The shadow slot.
    pub slot: i64,
    /// Only the lists of this model of the slot.
    pub model: i64,
    pub since: DateTime<Utc>,
    /// The length to which lists are cut.
    pub cutoff: i32,
    /// The maximum number of requests; the newest are taken.
    pub most: i64,
}

/// Streams the pairs of a shadow slot's lists and those that were answered, with their outcomes; in no particular order.
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

/// The past answers to be read.
#[derive(Debug, Clone, Copy)]
pub struct Past {
    pub project: i64,
    pub since: DateTime<Utc>,
    /// The length to which lists are cut.
    pub cutoff: i32,
    /// The maximum number of answers; the newest are taken.
    pub most: i64,
}

/// Returns the lists that a project answered, newest first, with their outcomes.
pub async fn answered(connection: &mut AsyncPgConnection, past: Past) -> QueryResult<Vec<AnsweredList>> {
    diesel::sql_query(format!("{ANSWERED} {OUTCOMES} ORDER BY live.timestamp DESC"))
        .bind::<BigInt, _>(past.project)
        .bind::<Timestamptz, _>(past.since)
        .bind::<Integer, _>(past.cutoff)
        .bind::<BigInt, _>(past.most)
        .load(connection)
        .await
}

/// Returns the number of answered lists of a project in a period, at most `most`.
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

/// Drops the partitions of months that ended before a time, and returns how many.
pub async fn drop_partitions(connection: &mut AsyncPgConnection, before: DateTime<Utc>) -> QueryResult<usize> {
    let old = ended_months(connection, LOG, before).await?;
    for name in &old {
        // The lock conflicts with every use of projects and slots, so it is given up after a short wait; the next round tries
        // again.
        let sql = format!("SET LOCAL lock_timeout = '3s'; DROP TABLE {name}");
        connection.transaction::<_, QueryError, _>(async move |connection| connection.batch_execute(&sql).await).await?;
    }
    Ok(old.len())
}

/// Deletes the lists before a time that are in no month's partition.
pub async fn delete_strays(connection: &mut AsyncPgConnection, before: DateTime<Utc>) -> QueryResult<usize> {
    diesel::sql_query("DELETE FROM recommendation_log_default WHERE timestamp < $1")
        .bind::<Timestamptz, _>(before)
        .execute(connection)
        .await
}
