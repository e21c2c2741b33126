//! Lines of a log, and the tasks of 1.x clients.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::platform::http::timestamp;
use crate::platform::queue::JobState;
use crate::platform::wire_enum;
use crate::schema::task_logs;

/// The job and the object of a line.
#[derive(Debug, Clone, Copy, Default)]
pub struct Line {
    /// The queue's job that wrote it.
    pub job_id: Option<i64>,
    pub tuning_job_id: Option<i64>,
    pub trained_model_id: Option<i64>,
}

/// The subject of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A tuning job.
    Tuning(i64),
    /// A trained model.
    Model(i64),
}

/// A written line.
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

/// The state of a task, in the words of 1.x.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Task {
    pub task_id: Uuid,
    pub status: TaskStatus,
    #[serde(serialize_with = "timestamp::serialize")]
    pub date_created: DateTime<Utc>,
    #[serde(serialize_with = "timestamp::option::serialize")]
    pub date_done: Option<DateTime<Utc>>,
    /// The error of the task.
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

/// A notification for subscribers: a state has changed, or a log has a new line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Update {
    /// The state of a tuning job has changed.
    Tuning { tuning_job_id: i64 },
    /// The state of a training has changed.
    Model { trained_model_id: i64 },
    /// A log has a new line.
    Log { tuning_job_id: Option<i64>, trained_model_id: Option<i64> },
}
