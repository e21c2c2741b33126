//! Cancels jobs: a waiting one ends at once, a running one is notified and ends itself.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::CHANNEL_CANCEL;
use super::model::JobId;

/// Cancels one job, and returns whether it was still live.
pub async fn cancel(connection: &mut AsyncPgConnection, id: JobId) -> QueryResult<bool> {
    Ok(cancel_where(connection, Some(id), None).await? > 0)
}

/// Cancels all live jobs of a group; returns how many there were.
pub async fn cancel_group(connection: &mut AsyncPgConnection, group_key: &str) -> QueryResult<usize> {
    cancel_where(connection, None, Some(group_key)).await
}

/// Cancels jobs in the caller's transaction; workers are notified on commit, or at their next heartbeat at the latest.
async fn cancel_where(connection: &mut AsyncPgConnection, id: Option<JobId>, group_key: Option<&str>) -> QueryResult<usize> {
    let sql = format!(
        "WITH chosen AS MATERIALIZED (
             SELECT id AS chosen_id FROM jobs
             WHERE (id = $1 OR group_key = $2) AND state IN ('available', 'running', 'retryable')
             ORDER BY id
             FOR UPDATE
         ), live AS (
             UPDATE jobs SET
                 cancel_requested = true,
                 state = CASE state WHEN 'running' THEN state ELSE 'cancelled' END,
                 finished_at = CASE state WHEN 'running' THEN NULL ELSE program_now() END
             FROM chosen
             WHERE id = chosen_id
             RETURNING id, state
         ), told AS (
             SELECT pg_notify('{CHANNEL_CANCEL}', id::text) FROM live WHERE state = 'running'
         )
         SELECT id, (SELECT count(*) FROM told) AS told FROM live"
    );
    diesel::sql_query(sql).bind::<Nullable<BigInt>, _>(id).bind::<Nullable<Text>, _>(group_key).execute(connection).await
}
