//! Takes jobs for a worker.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::model::ClaimedJob;

/// Rows that another worker is just taking are skipped, not waited for. The selection is materialised,
/// or the planner might run it more than once and take more than `most`.
const CLAIM: &str = "
    WITH picked AS MATERIALIZED (
        SELECT id FROM jobs
        WHERE state IN ('available', 'retryable')
          AND (run_at IS NULL OR run_at <= $1)
          AND kind = ANY($2)
        ORDER BY priority DESC, id
        LIMIT $3
        FOR UPDATE SKIP LOCKED
    )
    UPDATE jobs SET
        state = 'running',
        attempt = attempt + 1,
        lease_owner = $4,
        lease_until = $5,
        heartbeat_at = $1,
        started_at = coalesce(started_at, $1)
    FROM picked
    WHERE jobs.id = picked.id
    RETURNING jobs.id, task_id, kind, payload, attempt, max_attempts, timeout_seconds, cancel_requested";

/// Whose the jobs are, and until when.
#[derive(Debug, Clone)]
pub(super) struct Lease {
    pub owner: String,
    pub now: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// Claims at most so many jobs whose time has come, the most urgent first.
pub(super) async fn claim(
    connection: &mut AsyncPgConnection,
    lease: &Lease,
    kinds: &[&str],
    most: i64,
) -> QueryResult<Vec<ClaimedJob>> {
    diesel::sql_query(CLAIM)
        .bind::<Timestamptz, _>(lease.now)
        .bind::<Array<Text>, _>(kinds)
        .bind::<BigInt, _>(most)
        .bind::<Text, _>(&lease.owner)
        .bind::<Timestamptz, _>(lease.until)
        .load(connection)
        .await
}
