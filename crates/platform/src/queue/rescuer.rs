//! Takes jobs away from dead workers, whose lease has expired.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz};
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
    RETURNING jobs.id, task_id, kind, payload, attempt, max_attempts, timeout_seconds, cancel_requested, tenant_key,
        organisation_key, lane_key, lost_workers, group_key";

const REASON: &str = "The worker that ran it died.";

/// Number of lost workers after which the pause stops growing: a long job may lose many for reasons unrelated to it.
const LONGEST_PAUSE_AT: i32 = 3;

/// Reason for giving up a job whose workers died.
pub const LOST_TOO_OFTEN: &str = "The worker that ran it died twice, probably for lack of memory.";

/// Which running jobs count as lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Those of all other workers: none of them is alive.
    All,
    /// Those whose lease has expired.
    Expired,
    /// Only those whose lease was given up for a worker known to be dead.
    GivenUp,
}

/// Returns lost jobs to the queue, and returns those without attempts left to the caller, who still holds their lease and has to
/// mark them as failed; `most_lost` says how many workers a kind of job may lose. A job of this worker that is not among the
/// `running` ones was lost between claim and answer; it is rescued like the others.
pub(super) async fn rescue(
    connection: &mut AsyncPgConnection,
    lease: &Lease,
    kinds: &[&str],
    most_lost: impl Fn(&str) -> i32,
    running: &[JobId],
    whose: Whose,
) -> QueryResult<Vec<(ClaimedJob, String)>> {
    let all = whose == Whose::All;
    // No lease ends that early, except those given up.
    let ended_before = if whose == Whose::GivenUp { DateTime::UNIX_EPOCH + TimeDelta::seconds(1) } else { lease.now };
    let lost: Vec<ClaimedJob> = diesel::sql_query(TAKE_OVER)
        .bind::<Text, _>(&lease.owner)
        .bind::<Bool, _>(all)
        .bind::<Timestamptz, _>(ended_before)
        .bind::<Array<Text>, _>(kinds)
        .bind::<Timestamptz, _>(lease.until)
        .bind::<Array<BigInt>, _>(running)
        .load(connection)
        .await?;
    let mut exhausted = Vec::new();
    for job in lost {
        tracing::warn!(job = job.id, kind = job.kind, attempt = job.attempt, "rescued from a dead worker");
        match fate(&job, most_lost(&job.kind), lease.now, all) {
            Outcome::Failed { reason } => exhausted.push((job, reason)),
            outcome => {
                finish(connection, &lease.owner, &job, &outcome, lease.now).await?;
            }
        }
    }
    Ok(exhausted)
}

fn fate(job: &ClaimedJob, most_lost: i32, now: DateTime<Utc>, at_once: bool) -> Outcome {
    let (reason, lost) = (REASON.to_owned(), job.lost_workers + 1);
    match () {
        () if job.cancel_requested => Outcome::Cancelled,
        () if lost >= most_lost => Outcome::Failed { reason: LOST_TOO_OFTEN.to_owned() },
        () if at_once => Outcome::Lost { reason, at: now },
        () => Outcome::Lost { reason, at: now + backoff::pause(job.id, lost.min(LONGEST_PAUSE_AT)) },
    }
}

/// Ends the leases of one worker known to be dead, or of all of them, so that the next rescuer need not wait for their expiry.
pub async fn give_up_leases(connection: &mut AsyncPgConnection, owner: Option<&str>) -> QueryResult<usize> {
    diesel::sql_query("UPDATE jobs SET lease_until = 'epoch' WHERE state = 'running' AND ($1 IS NULL OR lease_owner = $1)")
        .bind::<Nullable<Text>, _>(owner)
        .execute(connection)
        .await
}
