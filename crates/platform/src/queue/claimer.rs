//! Takes jobs for a worker, each tenant in its turn.
//!
//! The next job is one of the tenant with the fewest running ones, among equals the one that was served longest ago; within it
//! the most urgent, and among equals one of the lane for which the same holds. So a tenant with a thousand waiting jobs delays no
//! other tenant.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::model::ClaimedJob;

/// Jobs of a lane that are read beyond those needed: other workers may be taking the first ones just now.
const SPARE: i64 = 8;

/// The lanes with waiting jobs are found by leaps through the index, for any number of jobs in each. Rows that another worker is
/// just taking are skipped, not waited for. The selection is materialised, since the planner might otherwise run it more than
/// once and take too many.
const CLAIM: &str = "
    WITH RECURSIVE lanes AS (
        (SELECT tenant_key, lane_key FROM jobs WHERE state IN ('available', 'retryable')
         ORDER BY tenant_key, lane_key LIMIT 1)
        UNION ALL
        SELECT next.tenant_key, next.lane_key FROM lanes, LATERAL (
            SELECT tenant_key, lane_key FROM jobs
            WHERE state IN ('available', 'retryable') AND (tenant_key, lane_key) > (lanes.tenant_key, lanes.lane_key)
            ORDER BY tenant_key, lane_key LIMIT 1
        ) AS next
    ), busy AS (
        SELECT tenant_key, lane_key, count(*) AS running FROM jobs WHERE state = 'running' GROUP BY tenant_key, lane_key
    ), standing AS MATERIALIZED (
        SELECT tenant_key, lane_key,
            coalesce((SELECT sum(running) FROM busy WHERE busy.tenant_key = lanes.tenant_key), 0) AS of_tenant,
            coalesce((SELECT running FROM busy WHERE busy.tenant_key = lanes.tenant_key AND busy.lane_key = lanes.lane_key), 0)
                AS of_lane,
            (SELECT max(last_claim) FROM jobs WHERE jobs.tenant_key = lanes.tenant_key AND last_claim IS NOT NULL)
                AS tenant_served,
            (SELECT max(last_claim) FROM jobs WHERE jobs.tenant_key = lanes.tenant_key AND jobs.lane_key = lanes.lane_key
                AND last_claim IS NOT NULL) AS lane_served
        FROM lanes
    ), in_lanes AS (
        SELECT first.id, first.priority, standing.*,
            of_lane + row_number() OVER (PARTITION BY tenant_key, lane_key ORDER BY first.priority DESC, first.id)
                AS turn_in_tenant
        FROM standing, LATERAL (
            SELECT id, priority FROM jobs
            WHERE state IN ('available', 'retryable')
              AND tenant_key = standing.tenant_key AND lane_key = standing.lane_key
              AND (run_at IS NULL OR run_at <= $1)
              AND kind = ANY($2)
            ORDER BY priority DESC, id
            LIMIT $3
        ) AS first
    ), turns AS (
        SELECT id, priority, tenant_served,
            of_tenant + row_number() OVER (PARTITION BY tenant_key
                                           ORDER BY priority DESC, turn_in_tenant, lane_served NULLS FIRST, id) AS turn
        FROM in_lanes
    ), picked AS MATERIALIZED (
        SELECT jobs.id FROM turns JOIN jobs ON jobs.id = turns.id
        WHERE jobs.state IN ('available', 'retryable') AND turn <= $4
        ORDER BY turn, tenant_served NULLS FIRST, turns.priority DESC, jobs.id
        LIMIT $5
        FOR UPDATE OF jobs SKIP LOCKED
    )
    UPDATE jobs SET
        state = 'running',
        attempt = attempt + 1,
        last_claim = nextval('job_claims'),
        lease_owner = $6,
        lease_until = $7,
        heartbeat_at = $1,
        started_at = coalesce(started_at, $1)
    FROM picked
    WHERE jobs.id = picked.id
    RETURNING jobs.id, task_id, kind, payload, attempt, max_attempts, timeout_seconds, cancel_requested, tenant_key, lost_workers";

/// The owner of the jobs, and the end of the lease.
#[derive(Debug, Clone)]
pub(super) struct Lease {
    pub owner: String,
    pub now: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// Claims at most `most` jobs that are due; no tenant gets more than `most_per_tenant` running ones.
pub(super) async fn claim(
    connection: &mut AsyncPgConnection,
    lease: &Lease,
    kinds: &[&str],
    most: i64,
    most_per_tenant: Option<i64>,
) -> QueryResult<Vec<ClaimedJob>> {
    diesel::sql_query(CLAIM)
        .bind::<Timestamptz, _>(lease.now)
        .bind::<Array<Text>, _>(kinds)
        .bind::<BigInt, _>(most + SPARE)
        .bind::<BigInt, _>(most_per_tenant.unwrap_or(i64::MAX))
        .bind::<BigInt, _>(most)
        .bind::<Text, _>(&lease.owner)
        .bind::<Timestamptz, _>(lease.until)
        .load(connection)
        .await
}

/// Selects whether a job of another tenant with fewer running jobs is waiting, so that a long job of `tenant` should yield to it.
const OTHERS_WAIT: &str = "
    WITH busy AS (
        SELECT tenant_key, count(*) AS running FROM jobs WHERE state = 'running' GROUP BY tenant_key
    )
    SELECT EXISTS (
        SELECT FROM jobs
        WHERE state IN ('available', 'retryable') AND tenant_key <> $2 AND (run_at IS NULL OR run_at <= $1)
          AND coalesce((SELECT running FROM busy WHERE busy.tenant_key = jobs.tenant_key), 0)
            < coalesce((SELECT running FROM busy WHERE busy.tenant_key = $2), 0)
    ) AS found";

/// Returns whether another tenant waits, see [`OTHERS_WAIT`].
pub(super) async fn others_wait(connection: &mut AsyncPgConnection, tenant: &str, now: DateTime<Utc>) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Answer {
        #[diesel(sql_type = Bool)]
        found: bool,
    }
    let query = diesel::sql_query(OTHERS_WAIT).bind::<Timestamptz, _>(now).bind::<Text, _>(tenant);
    Ok(query.get_result::<Answer>(connection).await?.found)
}
