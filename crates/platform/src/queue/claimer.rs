//! Takes jobs for a worker, each tenant in its turn.
//!
//! The next job is one of the tenant with the fewest running ones, among equals the one that was served longest ago; within it
//! the most urgent, and among equals one of the organisation for which the same holds, and then of the lane. So a tenant with a
//! thousand waiting jobs delays no other tenant, and an organisation no other one.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::model::ClaimedJob;
use super::turn::Turn;

/// Jobs of a lane that are read beyond those needed: other workers may be taking the first ones just now.
const SPARE: i64 = 8;

/// The organisations of one tenant may together have this many times what one organisation may have.
pub const SHARES_OF_TENANT: u32 = 2;

/// The lanes with waiting jobs are found by leaps through the index, for any number of jobs in each. Rows that another worker is
/// just taking are skipped, not waited for. The selection is materialised, since the planner might otherwise run it more than
/// once and take too many.
const CLAIM: &str = "
    WITH RECURSIVE lanes AS (
        (SELECT tenant_key, organisation_key, lane_key FROM jobs WHERE state IN ('available', 'retryable')
         ORDER BY tenant_key, organisation_key, lane_key LIMIT 1)
        UNION ALL
        SELECT next.tenant_key, next.organisation_key, next.lane_key FROM lanes, LATERAL (
            SELECT tenant_key, organisation_key, lane_key FROM jobs
            WHERE state IN ('available', 'retryable')
              AND (tenant_key, organisation_key, lane_key) > (lanes.tenant_key, lanes.organisation_key, lanes.lane_key)
            ORDER BY tenant_key, organisation_key, lane_key LIMIT 1
        ) AS next
    ), busy AS (
        SELECT tenant_key, organisation_key, lane_key, count(*) AS running FROM jobs WHERE state = 'running'
        GROUP BY tenant_key, organisation_key, lane_key
    ), standing AS MATERIALIZED (
        SELECT tenant_key, organisation_key, lane_key,
            coalesce((SELECT sum(running) FROM busy WHERE busy.tenant_key = lanes.tenant_key), 0) AS of_tenant,
            coalesce((SELECT sum(running) FROM busy WHERE busy.tenant_key = lanes.tenant_key
                AND busy.organisation_key = lanes.organisation_key), 0) AS of_organisation,
            coalesce((SELECT running FROM busy WHERE busy.tenant_key = lanes.tenant_key
                AND busy.organisation_key = lanes.organisation_key AND busy.lane_key = lanes.lane_key), 0) AS of_lane,
            (SELECT max(last_claim) FROM jobs WHERE jobs.tenant_key = lanes.tenant_key AND last_claim IS NOT NULL)
                AS tenant_served,
            (SELECT max(last_claim) FROM jobs WHERE jobs.tenant_key = lanes.tenant_key
                AND jobs.organisation_key = lanes.organisation_key AND last_claim IS NOT NULL) AS organisation_served,
            (SELECT max(last_claim) FROM jobs WHERE jobs.tenant_key = lanes.tenant_key
                AND jobs.organisation_key = lanes.organisation_key AND jobs.lane_key = lanes.lane_key
                AND last_claim IS NOT NULL) AS lane_served
        FROM lanes
    ), in_lanes AS (
        SELECT first.id, first.priority, standing.*,
            of_lane + row_number() OVER (PARTITION BY tenant_key, organisation_key, lane_key
                                         ORDER BY first.priority DESC, first.id) AS turn_in_organisation
        FROM standing, LATERAL (
            SELECT id, priority FROM jobs
            WHERE state IN ('available', 'retryable') AND tenant_key = standing.tenant_key
              AND organisation_key = standing.organisation_key AND lane_key = standing.lane_key
              AND (run_at IS NULL OR run_at <= $1)
              AND kind = ANY($2)
            ORDER BY priority DESC, id
            LIMIT $3
        ) AS first
    ), in_organisations AS (
        SELECT in_lanes.*,
            of_organisation + row_number() OVER (PARTITION BY tenant_key, organisation_key
                ORDER BY priority DESC, turn_in_organisation, lane_served NULLS FIRST, id) AS turn_in_tenant
        FROM in_lanes
    ), turns AS (
        SELECT id, priority, tenant_served,
            of_tenant + row_number() OVER (PARTITION BY tenant_key
                ORDER BY priority DESC, turn_in_tenant, organisation_served NULLS FIRST, id) AS turn
        FROM in_organisations
        WHERE turn_in_tenant <= $4
    ), picked AS MATERIALIZED (
        SELECT jobs.id FROM turns JOIN jobs ON jobs.id = turns.id
        WHERE jobs.state IN ('available', 'retryable') AND turn <= $5
        ORDER BY turn, tenant_served NULLS FIRST, turns.priority DESC, jobs.id
        LIMIT $6
        FOR UPDATE OF jobs SKIP LOCKED
    )
    UPDATE jobs SET
        state = 'running',
        attempt = attempt + 1,
        last_claim = nextval('job_claims'),
        lease_owner = $7,
        lease_until = $8,
        heartbeat_at = $1,
        started_at = coalesce(started_at, $1)
    FROM picked
    WHERE jobs.id = picked.id
    RETURNING jobs.id, task_id, kind, payload, attempt, max_attempts, timeout_seconds, cancel_requested, tenant_key,
        organisation_key, lane_key, lost_workers, group_key";

/// The owner of the jobs, and the end of the lease.
#[derive(Debug, Clone)]
pub(super) struct Lease {
    pub owner: String,
    pub now: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// How many jobs to claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    pub most: i64,
    /// Running jobs that one organisation may have then.
    pub most_per_organisation: i64,
    /// Running jobs that one tenant may have then.
    pub most_per_tenant: i64,
}

impl Room {
    /// Returns room for `most` jobs, with the limit of one organisation if there is one.
    pub fn new(most: i64, most_per_organisation: Option<i64>) -> Self {
        let most_per_organisation = most_per_organisation.unwrap_or(i64::MAX);
        Self { most, most_per_organisation, most_per_tenant: most_per_organisation.saturating_mul(SHARES_OF_TENANT.into()) }
    }
}

/// Claims jobs that are due, as far as there is room.
pub(super) async fn claim(
    connection: &mut AsyncPgConnection,
    lease: &Lease,
    kinds: &[&str],
    room: Room,
) -> QueryResult<Vec<ClaimedJob>> {
    if room.most < 1 {
        return Ok(Vec::new());
    }
    diesel::sql_query(CLAIM)
        .bind::<Timestamptz, _>(lease.now)
        .bind::<Array<Text>, _>(kinds)
        .bind::<BigInt, _>(room.most + SPARE)
        .bind::<BigInt, _>(room.most_per_organisation)
        .bind::<BigInt, _>(room.most_per_tenant)
        .bind::<BigInt, _>(room.most)
        .bind::<Text, _>(&lease.owner)
        .bind::<Timestamptz, _>(lease.until)
        .load(connection)
        .await
}

/// Selects whether a job of another tenant with fewer running jobs is waiting, or of another organisation of the same tenant with
/// fewer, so that a long job should yield to it.
const OTHERS_WAIT: &str = "
    WITH busy AS (
        SELECT tenant_key, organisation_key, count(*) AS running FROM jobs WHERE state = 'running'
        GROUP BY tenant_key, organisation_key
    )
    SELECT EXISTS (
        SELECT FROM jobs
        WHERE state IN ('available', 'retryable') AND (run_at IS NULL OR run_at <= $1) AND (
            (tenant_key <> $2
                AND coalesce((SELECT sum(running) FROM busy WHERE busy.tenant_key = jobs.tenant_key), 0)
                  < coalesce((SELECT sum(running) FROM busy WHERE busy.tenant_key = $2), 0))
            OR (tenant_key = $2 AND organisation_key <> $3
                AND coalesce((SELECT running FROM busy WHERE busy.tenant_key = $2
                    AND busy.organisation_key = jobs.organisation_key), 0)
                  < coalesce((SELECT running FROM busy WHERE busy.tenant_key = $2 AND busy.organisation_key = $3), 0)))
    ) AS found";

/// Returns whether a job with a better claim than one of this turn waits, see [`OTHERS_WAIT`].
pub(super) async fn others_wait(connection: &mut AsyncPgConnection, turn: &Turn, now: DateTime<Utc>) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Answer {
        #[diesel(sql_type = Bool)]
        found: bool,
    }
    let query = diesel::sql_query(OTHERS_WAIT).bind::<Timestamptz, _>(now);
    let query = query.bind::<Text, _>(&turn.tenant).bind::<Text, _>(&turn.organisation);
    Ok(query.get_result::<Answer>(connection).await?.found)
}
