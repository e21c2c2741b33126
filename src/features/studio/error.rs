//! Errors of runs.

use actix_web::http::StatusCode;
use serde_json::json;

use super::guess::Guesses;
use super::mapping::Part;
use super::model::StudioState;
use crate::features::datasets::DataError;
use crate::features::deployments::SlotError;
use crate::features::item_metadata::Unread;
use crate::features::projects::{TooManyStoredBytes, TooManyWaitingJobs};
use crate::features::tuning::TuningError;
use crate::ml::error::MlError;
use crate::platform::compute::Crashed;
use crate::platform::http::ApiError;
use crate::platform::memory;
use crate::platform::queue::JobError;

/// Why there is no run, or why it failed.
#[derive(Debug, thiserror::Error)]
pub enum StudioError {
    /// The meaning of a needed column is not certain.
    #[error("The meaning of some columns is not certain. Send `mapping` with the role of each column.")]
    MappingNeeded(Box<Guesses>),
    /// A file cannot be used with any meaning of its columns.
    #[error("{text}")]
    File { part: Part, text: String },
    /// The request is wrong in another way.
    #[error("{0}")]
    Request(ApiError),
    /// The run is over.
    #[error("This run is {0} and cannot be cancelled any more.")]
    Over(StudioState),
    /// There is nothing to try yet.
    #[error("This run is {0}. A key for trying its endpoint can be made once it is ready.")]
    NotReady(StudioState),
    /// The run cannot go on, for a reason that its user should read.
    #[error("{0}")]
    Failed(String),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error("The item metadata cannot be read: {0}.")]
    Unread(#[from] Unread),
    #[error(transparent)]
    Tuning(#[from] TuningError),
    #[error(transparent)]
    Slot(#[from] SlotError),
    #[error("{0}")]
    Engine(#[from] MlError),
    #[error(transparent)]
    StoredBytes(#[from] TooManyStoredBytes),
    #[error(transparent)]
    WaitingJobs(#[from] TooManyWaitingJobs),
    #[error("The run stopped unexpectedly: {0}")]
    Crashed(#[from] Crashed),
    #[error(transparent)]
    Database(#[from] diesel::result::Error),
    #[error(transparent)]
    Connection(#[from] crate::platform::db::DbError),
}

impl From<ApiError> for StudioError {
    fn from(error: ApiError) -> Self {
        Self::Request(error)
    }
}

impl StudioError {
    /// Converts the error to that of the job: whether another attempt may succeed.
    pub fn of_job(self) -> JobError {
        let reason = self.to_string();
        match self {
            Self::Data(error) => error.into(),
            Self::Unread(Unread::Memory(_)) | Self::Engine(MlError::MemoryInUse { .. }) => JobError::Snooze(memory::PAUSE),
            Self::Engine(MlError::Cancelled) => JobError::Cancelled,
            Self::Database(_)
            | Self::Connection(_)
            | Self::Unread(_)
            | Self::Crashed(_)
            | Self::Tuning(TuningError::Database(_) | TuningError::Connection(_) | TuningError::Passing(_))
            | Self::Slot(SlotError::Database(_)) => JobError::Retry { reason },
            _ => JobError::Fail { reason },
        }
    }
}

impl From<StudioError> for ApiError {
    fn from(error: StudioError) -> Self {
        let message = error.to_string();
        match error {
            StudioError::MappingNeeded(guesses) => {
                let body = json!({ "detail": message, "code": "mapping_needed", "guesses": guesses });
                Self::with_body(StatusCode::UNPROCESSABLE_ENTITY, body)
            }
            StudioError::File { part, text } => Self::field(part.wire(), text),
            StudioError::Request(error) => error,
            StudioError::Over(_) | StudioError::NotReady(_) | StudioError::Failed(_) => Self::conflict(message),
            StudioError::Data(error) => error.into(),
            StudioError::StoredBytes(error) => DataError::from(error).into(),
            StudioError::WaitingJobs(error) => error.into(),
            StudioError::Tuning(error) => error.into(),
            StudioError::Slot(error) => error.into(),
            StudioError::Database(error) => error.into(),
            StudioError::Connection(error) => error.into(),
            StudioError::Unread(_) | StudioError::Engine(_) | StudioError::Crashed(_) => Self::internal(&message),
        }
    }
}
