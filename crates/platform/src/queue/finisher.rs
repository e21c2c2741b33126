//! Records how an attempt ended.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::enqueuer;
use super::model::{ClaimedJob, JobState};

/// Only the worker that holds the lease may write, and only about the attempt that it ran.
const FINISH: &str = "
    UPDATE jobs SET
        state = $4,
        finished_at = CASE WHEN $5 THEN NULL ELSE $6 END,
        run_at = coalesce($7, run_at),
        attempt = attempt - $8,
        lost_workers = lost_workers + $10,
        last_error = coalesce($9, last_error),
        errors = CASE WHEN $9 IS NULL THEN errors ELSE
            errors || jsonb_build_array(jsonb_build_object('attempt', attempt, 'at', $6, 'error', $9)) END,
        lease_owner = NULL,
        lease_until = NULL,
        heartbeat_at = NULL,
        waits_for_group = $11
    WHERE id = $1 AND lease_owner = $2 AND attempt = $3 AND state = 'running'";

/// Makes the jobs that wait for a group due, unless another job of it waits or runs.
const WAKE_WAITING: &str = "
    UPDATE jobs SET run_at = NULL, waits_for_group = NULL
    WHERE waits_for_group = $1 AND state = 'available'
      AND NOT EXISTS (SELECT FROM jobs live WHERE live.group_key = $1 AND live.state IN ('available', 'running', 'retryable'))";

/// The outcome of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Completed,
    Cancelled,
    Failed {
        reason: String,
    },
    Retry {
        reason: String,
        at: DateTime<Utc>,
    },
    /// The worker died; not counted as a failed attempt of the job.
    Lost {
        reason: String,
        at: DateTime<Utc>,
    },
    /// Not counted as an attempt.
    Snoozed {
        until: DateTime<Utc>,
    },
    /// Not counted as an attempt.
    WaitsFor {
        group: String,
        until: DateTime<Utc>,
    },
    /// Not counted as an attempt.
    HandedBack,
}

impl Outcome {
    fn state(&self) -> JobState {
        match self {
            Self::Completed => JobState::Completed,
            Self::Cancelled => JobState::Cancelled,
            Self::Failed { .. } => JobState::Failed,
            Self::Retry { .. } | Self::Lost { .. } => JobState::Retryable,
            Self::Snoozed { .. } | Self::WaitsFor { .. } | Self::HandedBack => JobState::Available,
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Self::Failed { reason } | Self::Retry { reason, .. } | Self::Lost { reason, .. } => Some(reason),
            _ => None,
        }
    }

    fn next_run(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Retry { at, .. } | Self::Lost { at, .. } => Some(*at),
            Self::Snoozed { until } | Self::WaitsFor { until, .. } => Some(*until),
            _ => None,
        }
    }

    fn attempts_given_back(&self) -> i32 {
        i32::from(matches!(self, Self::Snoozed { .. } | Self::WaitsFor { .. } | Self::HandedBack))
    }

    fn awaited(&self) -> Option<&str> {
        match self {
            Self::WaitsFor { group, .. } => Some(group),
            _ => None,
        }
    }
}

/// Records the outcome, and returns false without writing when the job does not belong to this worker any more.
pub(super) async fn finish(
    connection: &mut AsyncPgConnection,
    owner: &str,
    job: &ClaimedJob,
    outcome: &Outcome,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let changed = diesel::sql_query(FINISH)
        .bind::<BigInt, _>(job.id)
        .bind::<Text, _>(owner)
        .bind::<Integer, _>(job.attempt)
        .bind::<Text, _>(outcome.state())
        .bind::<Bool, _>(outcome.state().is_live())
        .bind::<Timestamptz, _>(now)
        .bind::<Nullable<Timestamptz>, _>(outcome.next_run())
        .bind::<Integer, _>(outcome.attempts_given_back())
        .bind::<Nullable<Text>, _>(outcome.reason())
        .bind::<Integer, _>(i32::from(matches!(outcome, Outcome::Lost { .. })))
        .bind::<Nullable<Text>, _>(outcome.awaited())
        .execute(connection)
        .await?;
    if changed > 0 && *outcome == Outcome::HandedBack {
        enqueuer::wake(connection).await?;
    }
    if changed > 0 {
        wake_waiting(connection, job, outcome).await?;
    }
    Ok(changed > 0)
}

/// Wakes the jobs that wait for the group of a job that is over. A job that begins to wait looks itself whether its group is over by
/// now, since the end of the group's last job may have come before.
async fn wake_waiting(connection: &mut AsyncPgConnection, job: &ClaimedJob, outcome: &Outcome) -> QueryResult<()> {
    let over = job.group_key.as_deref().filter(|_| !outcome.state().is_live());
    let Some(group) = outcome.awaited().or(over) else { return Ok(()) };
    let woken = diesel::sql_query(WAKE_WAITING).bind::<Text, _>(group).execute(connection).await?;
    if woken > 0 { enqueuer::wake(connection).await } else { Ok(()) }
}
