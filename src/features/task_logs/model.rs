//! Lines of a log, and the tasks of 1.x's clients.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::platform::http::timestamp;
use crate::platform::queue::JobState;
use crate::platform::wire_enum;
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
    pub status: TaskStatus,
    #[serde(serialize_with = "timestamp::serialize")]
    pub date_created: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::option::serialize")]
    pub date_done: Option<DateTime<Utc>>,
    /// What went wrong.
    pub traceback: Option<String>,
}

wire_enum! {
    /// The states of the queue, in the words of 1.x.
    pub enum TaskStatus {
        Pending = "PENDING",
        Started = "STARTED",
        Success = "SUCCESS",
        Failure = "FAILURE",
        Retry = "RETRY",
        Revoked = "REVOKED",
    }
}

impl From<JobState> for TaskStatus {
    fn from(state: JobState) -> Self {
        match state {
            JobState::Available => Self::Pending,
            JobState::Running => Self::Started,
            JobState::Completed => Self::Success,
            JobState::Failed => Self::Failure,
            JobState::Retryable => Self::Retry,
            JobState::Cancelled => Self::Revoked,
        }
    }
}

/// What is told to those who watch: something stands otherwise, or its log has a new line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Update {
    /// A tuning job stands otherwise.
    Tuning { tuning_job_id: i64 },
    /// A training stands otherwise.
    Model { trained_model_id: i64 },
    /// A log has a new line.
    Log { tuning_job_id: Option<i64>, trained_model_id: Option<i64> },
}
