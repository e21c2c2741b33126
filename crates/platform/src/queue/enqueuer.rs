//! Adds jobs.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::result::Error;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::CHANNEL_READY;
use super::job::Job;
use super::model::{JobId, JobState};
use super::schema::jobs;
use super::turn::Turn;

/// Options of a job: when it runs, and its keys.
#[derive(Debug, Clone, Default)]
pub struct EnqueueOptions {
    /// Time before which it does not run; at once without it.
    pub run_at: Option<DateTime<Utc>>,
    /// Priority; higher goes first.
    pub priority: i32,
    /// While a live job has this key, no second one with it is added.
    pub unique_key: Option<String>,
    /// Jobs of one group are cancelled together, such as `tuning:12`.
    pub group_key: Option<String>,
    /// The tenant, organisation and lane of the job.
    pub turn: Turn,
}

/// Adds a job in the caller's transaction: it exists when that commits, and a worker is notified then. If a live job has the same
/// `unique_key`, adds nothing and returns that job's id.
pub async fn enqueue<J: Job>(connection: &mut AsyncPgConnection, job: &J, options: EnqueueOptions) -> QueryResult<JobId> {
    let payload = serde_json::to_value(job).map_err(|error| Error::SerializationError(Box::new(error)))?;
    let row = (
        jobs::kind.eq(J::KIND),
        jobs::payload.eq(payload),
        jobs::run_at.eq(options.run_at),
        jobs::priority.eq(options.priority),
        jobs::max_attempts.eq(J::MAX_ATTEMPTS.max(1)),
        jobs::timeout_seconds.eq(timeout_seconds::<J>()),
        jobs::unique_key.eq(&options.unique_key),
        jobs::group_key.eq(options.group_key),
        jobs::tenant_key.eq(options.turn.tenant),
        jobs::organisation_key.eq(options.turn.organisation),
        jobs::lane_key.eq(options.turn.lane),
    );
    // the live job may end between the two statements; then there is room for the new one
    for _ in 0..3 {
        let added = diesel::insert_into(jobs::table)
            .values(row.clone())
            .on_conflict_do_nothing()
            .returning(jobs::id)
            .get_result(connection)
            .await
            .optional()?;
        if let Some(id) = added {
            wake(connection).await?;
            return Ok(id);
        }
        if let Some(id) = live_job_with(connection, options.unique_key.as_deref()).await? {
            return Ok(id);
        }
    }
    Err(Error::NotFound)
}

/// Takes the unique key from a job, so that another one with it can be added while this one still runs: for what arrives too late
/// for this one.
pub async fn release_unique_key(connection: &mut AsyncPgConnection, id: JobId) -> QueryResult<()> {
    diesel::update(jobs::table.find(id)).set(jobs::unique_key.eq(None::<String>)).execute(connection).await.map(drop)
}

fn timeout_seconds<J: Job>() -> i64 {
    i64::try_from(J::TIMEOUT.as_secs()).unwrap_or(i64::MAX).max(1)
}

async fn live_job_with(connection: &mut AsyncPgConnection, key: Option<&str>) -> QueryResult<Option<JobId>> {
    jobs::table
        .filter(jobs::unique_key.eq(key))
        .filter(jobs::state.eq_any(JobState::LIVE))
        .select(jobs::id)
        .first(connection)
        .await
        .optional()
}

/// Makes all waiting jobs due at once: snoozed ones, and those that wait for their time or for another attempt. Returns how many
/// there were. For tests, whose clock stands still, and for an operator who does not want to wait.
pub async fn wake_snoozed(connection: &mut AsyncPgConnection) -> QueryResult<usize> {
    let waiting = jobs::state.eq_any([JobState::Available, JobState::Retryable]).and(jobs::run_at.is_not_null());
    let woken =
        diesel::update(jobs::table.filter(waiting)).set(jobs::run_at.eq(None::<DateTime<Utc>>)).execute(connection).await?;
    if woken > 0 {
        wake(connection).await?;
    }
    Ok(woken)
}

/// Notifies the workers, once the transaction commits, that there may be jobs to claim.
pub(super) async fn wake(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::sql_query(format!("NOTIFY {CHANNEL_READY}")).execute(connection).await?;
    Ok(())
}
