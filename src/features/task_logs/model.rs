//! Lines of a log, and the tasks of 1.x's clients.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::platform::http::timestamp;
use crate::schema::task_logs;

/// Where a line belongs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Line {
    /// The queue's job that says it.
    pub job_id: Option<i64>,
    pub tuning_job_id: Option<i64>,
    pub trained_model_id: Option<i64>,
}

/// What a log is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A tuning job.
    Tuning(i64),
    /// A trained model.
    Model(i64),
}

/// A line that was said.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = task_logs)]
pub struct TaskLog {
    pub id: i64,
    pub job_id: Option<i64>,
    pub contents: String,
    pub ins_datetime: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A task behind a tuning job or a model.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TaskLink {
    pub task: Task,
}

/// How a task stands, in the words of 1.x.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Task {
    pub task_id: Uuid,
    /// `PENDING`, `STARTED`, `SUCCESS`, `FAILURE`, `RETRY` or `REVOKED`.
    pub status: &'static str,
    #[serde(serialize_with = "timestamp::serialize")]
    pub date_created: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::option::serialize")]
    pub date_done: Option<DateTime<Utc>>,
    /// What went wrong.
    pub traceback: Option<String>,
}

/// The word 1.x has for a state of the queue.
pub fn status_word(state: &str) -> &'static str {
    match state {
        "running" => "STARTED",
        "completed" => "SUCCESS",
        "failed" => "FAILURE",
        "retryable" => "RETRY",
        "cancelled" => "REVOKED",
        _ => "PENDING",
    }
}
