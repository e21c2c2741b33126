//! Rows of the queue.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use super::schema::jobs;
use super::turn::Turn;

/// Number of a job.
pub type JobId = i64;

crate::wire_enum! {
    /// State of a job.
    pub enum JobState {
        /// Waiting for a worker (and for its time).
        Available = "available",
        /// Running on a worker.
        Running = "running",
        /// Waiting for the next attempt after a failed one.
        Retryable = "retryable",
        Completed = "completed",
        /// Failed for good.
        Failed = "failed",
        Cancelled = "cancelled",
    }
}

impl JobState {
    /// States of jobs that are not over.
    pub const LIVE: [Self; 3] = [Self::Available, Self::Running, Self::Retryable];

    pub fn is_live(self) -> bool {
        Self::LIVE.contains(&self)
    }
}

/// A job as other modules see it.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = jobs, check_for_backend(diesel::pg::Pg))]
pub struct JobRecord {
    pub id: JobId,
    pub task_id: Uuid,
    pub kind: String,
    pub payload: Value,
    pub state: JobState,
    pub run_at: Option<DateTime<Utc>>,
    pub attempt: i32,
    pub max_attempts: i32,
    pub group_key: Option<String>,
    pub cancel_requested: bool,
    pub lease_owner: Option<String>,
    pub last_error: Option<String>,
    /// One `{attempt, at, error}` per failed attempt.
    pub errors: Value,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// A job as users with access to its group's object see it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = jobs, check_for_backend(diesel::pg::Pg))]
pub struct GroupedJob {
    pub group_key: Option<String>,
    pub task_id: Uuid,
    pub state: JobState,
    pub created_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    pub last_error: Option<String>,
}

/// A job for a worker to run, or to mark as failed.
#[derive(Debug, Clone, QueryableByName)]
pub(super) struct ClaimedJob {
    #[diesel(sql_type = sql_types::BigInt)]
    pub id: JobId,
    #[diesel(sql_type = sql_types::Uuid)]
    pub task_id: Uuid,
    #[diesel(sql_type = sql_types::Text)]
    pub kind: String,
    #[diesel(sql_type = sql_types::Jsonb)]
    pub payload: Value,
    #[diesel(sql_type = sql_types::Integer)]
    pub attempt: i32,
    #[diesel(sql_type = sql_types::Integer)]
    pub max_attempts: i32,
    #[diesel(sql_type = sql_types::BigInt)]
    pub timeout_seconds: i64,
    #[diesel(sql_type = sql_types::Bool)]
    pub cancel_requested: bool,
    #[diesel(sql_type = sql_types::Text)]
    pub tenant_key: String,
    #[diesel(sql_type = sql_types::Text)]
    pub organisation_key: String,
    #[diesel(sql_type = sql_types::Text)]
    pub lane_key: String,
    #[diesel(sql_type = sql_types::Integer)]
    pub lost_workers: i32,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub group_key: Option<String>,
}

impl ClaimedJob {
    pub fn turn(&self) -> Turn {
        Turn { tenant: self.tenant_key.clone(), organisation: self.organisation_key.clone(), lane: self.lane_key.clone() }
    }

    /// Returns the number of attempts that did not end with their worker, including this one.
    pub fn own_attempts(&self) -> i32 {
        self.attempt - self.lost_workers
    }
}

/// Finds a job.
pub async fn find(connection: &mut AsyncPgConnection, id: JobId) -> QueryResult<Option<JobRecord>> {
    jobs::table.find(id).select(JobRecord::as_select()).first(connection).await.optional()
}

/// Returns the jobs of some groups, newest first.
pub async fn of_groups(connection: &mut AsyncPgConnection, groups: &[String]) -> QueryResult<Vec<GroupedJob>> {
    let of_groups = jobs::table.filter(jobs::group_key.eq_any(groups));
    of_groups.order(jobs::id.desc()).select(GroupedJob::as_select()).load(connection).await
}

/// Returns the newest job of a group.
pub async fn newest_of_group(connection: &mut AsyncPgConnection, group: &str) -> QueryResult<Option<GroupedJob>> {
    let of_group = jobs::table.filter(jobs::group_key.eq(group));
    of_group.order(jobs::id.desc()).select(GroupedJob::as_select()).first(connection).await.optional()
}

/// Returns what the newest job of a kind in a group is to do; `None` if there is none, or it cannot be read any more.
pub async fn newest_payload<P: DeserializeOwned>(
    connection: &mut AsyncPgConnection,
    group: &str,
    kind: &str,
) -> QueryResult<Option<P>> {
    let of_kind = jobs::table.filter(jobs::group_key.eq(group).and(jobs::kind.eq(kind)));
    let newest: Option<Value> = of_kind.order(jobs::id.desc()).select(jobs::payload).first(connection).await.optional()?;
    Ok(newest.and_then(|payload| serde_json::from_value(payload).ok()))
}

/// Returns whether a group has a job that is not over, apart from those in `except`.
pub async fn has_live(connection: &mut AsyncPgConnection, group: &str, except: &[JobId]) -> QueryResult<bool> {
    let live = jobs::table.filter(jobs::group_key.eq(group)).filter(jobs::state.eq_any(JobState::LIVE));
    diesel::select(diesel::dsl::exists(live.filter(jobs::id.ne_all(except)))).get_result(connection).await
}

/// Returns whether a group has a job that waits for a worker or for its time.
pub async fn has_waiting(connection: &mut AsyncPgConnection, group: &str) -> QueryResult<bool> {
    let waiting = jobs::state.eq_any([JobState::Available, JobState::Retryable]);
    let waiting = jobs::table.filter(jobs::group_key.eq(group).and(waiting));
    diesel::select(diesel::dsl::exists(waiting)).get_result(connection).await
}

/// The numbers of waiting jobs of an organisation, and of all organisations of its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Waiting {
    #[diesel(sql_type = sql_types::BigInt)]
    pub of_organisation: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    pub of_tenant: i64,
}

/// Counts the waiting jobs of those whose turn a job takes.
pub async fn count_waiting(connection: &mut AsyncPgConnection, turn: &Turn) -> QueryResult<Waiting> {
    let sql = "SELECT count(*) FILTER (WHERE organisation_key = $2) AS of_organisation, count(*) AS of_tenant FROM jobs \
        WHERE tenant_key = $1 AND state IN ('available', 'retryable')";
    let query = diesel::sql_query(sql).bind::<sql_types::Text, _>(&turn.tenant);
    query.bind::<sql_types::Text, _>(&turn.organisation).get_result(connection).await
}

/// Finds the jobs that are not over, in the order in which they were added.
pub async fn unfinished(connection: &mut AsyncPgConnection) -> QueryResult<Vec<JobRecord>> {
    let live = jobs::table.filter(jobs::state.eq_any(JobState::LIVE));
    live.order(jobs::id).select(JobRecord::as_select()).load(connection).await
}
