//! Takes jobs away from workers that are dead: whose lease is over.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::backoff;
use super::claimer::Lease;
use super::finisher::{Outcome, finish};
use super::model::{ClaimedJob, JobId};

/// The rescuer becomes the owner first: if it dies as well, another one rescues the job from it.
const TAKE_OVER: &str = "
    WITH lost AS MATERIALIZED (
        SELECT id FROM jobs
        WHERE state = 'running' AND (lease_until < $3 OR ($2 AND lease_owner <> $1)) AND kind = ANY($4)
          AND NOT (lease_owner = $1 AND id = ANY($6))
        LIMIT 100
        FOR UPDATE SKIP LOCKED
    )
    UPDATE jobs SET lease_owner = $1, lease_until = $5
    FROM lost
    WHERE jobs.id = lost.id
    RETURNING jobs.id, task_id, kind, payload, attempt, max_attempts, timeout_seconds, cancel_requested";

const REASON: &str = "The worker that ran it died.";

/// Returns lost jobs to the queue, and those out of attempts to the caller, who still holds their
/// lease and has to bury them. With `all`, every lease of another worker counts as over. A job that is
/// ours but not among the `running` ones was lost between claim and answer; it is rescued like the others.
pub(super) async fn rescue(
    connection: &mut AsyncPgConnection,
    lease: &Lease,
    kinds: &[&str],
    running: &[JobId],
    all: bool,
) -> QueryResult<Vec<(ClaimedJob, String)>> {
    let lost: Vec<ClaimedJob> = diesel::sql_query(TAKE_OVER)
        .bind::<Text, _>(&lease.owner)
        .bind::<Bool, _>(all)
        .bind::<Timestamptz, _>(lease.now)
        .bind::<Array<Text>, _>(kinds)
        .bind::<Timestamptz, _>(lease.until)
        .bind::<Array<BigInt>, _>(running)
        .load(connection)
        .await?;
    let mut exhausted = Vec::new();
    for job in lost {
        tracing::warn!(job = job.id, kind = job.kind, attempt = job.attempt, "rescued from a dead worker");
        match fate(&job, lease.now, all) {
            Outcome::Failed { reason } => exhausted.push((job, reason)),
            outcome => {
                finish(connection, &lease.owner, &job, &outcome, lease.now).await?;
            }
        }
    }
    Ok(exhausted)
}

fn fate(job: &ClaimedJob, now: DateTime<Utc>, at_once: bool) -> Outcome {
    let reason = REASON.to_owned();
    match () {
        () if job.cancel_requested => Outcome::Cancelled,
        () if job.attempt >= job.max_attempts => Outcome::Failed { reason },
        () if at_once => Outcome::Retry { reason, at: now },
        () => Outcome::Retry { reason, at: now + backoff::pause(job.id, job.attempt) },
    }
}
