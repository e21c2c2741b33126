//! Errors of connections, sources and runs.

use actix_web::http::StatusCode;

use super::model::RunState;
use crate::connectors::ConnectorError;
use crate::features::datasets::DataError;
use crate::features::projects::{TooManyStoredBytes, TooManyWaitingJobs};
use crate::features::retraining::RetrainingError;
use crate::platform::compute::Crashed;
use crate::platform::http::ApiError;
use crate::platform::queue::JobError;
use crate::platform::vault::VaultError;

/// Why a source cannot be read, or a run cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// The password cannot be opened.
    #[error("The password of the connection cannot be used: {0}")]
    Secret(#[from] VaultError),
    /// The source, its connection or its project are not as they have to be.
    #[error("{0}")]
    NotUsable(String),
    #[error("A run of this source is under way. Wait until it has ended, or cancel it.")]
    UnderWay,
    /// The run has another state than the request needs.
    #[error("This run is {state}. Only one that is {needed} can be {changed}.")]
    State { state: RunState, needed: &'static str, changed: &'static str },
    #[error("This run has read rows before the ones that were accepted since. Discard it.")]
    Overtaken,
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    StoredBytes(#[from] TooManyStoredBytes),
    #[error(transparent)]
    WaitingJobs(#[from] TooManyWaitingJobs),
    #[error(transparent)]
    Retraining(#[from] RetrainingError),
    #[error("The run stopped unexpectedly: {0}")]
    Crashed(#[from] Crashed),
    #[error(transparent)]
    Database(#[from] diesel::result::Error),
    #[error(transparent)]
    Connection(#[from] crate::platform::db::DbError),
}

impl SourceError {
    /// Returns a stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Connector(error) => error.code(),
            Self::Secret(_) => "secret_unreadable",
            Self::NotUsable(_) => "not_usable",
            Self::UnderWay => "run_under_way",
            Self::State { .. } => "wrong_state",
            Self::Overtaken => "overtaken",
            Self::Data(DataError::TooManyStoredBytes(_)) | Self::StoredBytes(_) => "too_many_stored_bytes",
            Self::Data(DataError::Disk(_)) => "disk_full",
            Self::Data(_) => "not_imported",
            Self::WaitingJobs(_) => "too_many_waiting_jobs",
            Self::Retraining(_) => "no_training",
            Self::Crashed(_) | Self::Database(_) | Self::Connection(_) => "interrupted",
        }
    }

    /// Converts the error to that of the job: whether another attempt may succeed.
    pub fn of_job(self) -> JobError {
        let reason = self.to_string();
        match self {
            Self::Connector(ConnectorError::Stopped) => JobError::Cancelled,
            Self::Connector(error) if error.is_temporary() || matches!(error, ConnectorError::Storage(_)) => {
                JobError::Retry { reason }
            }
            Self::Data(error) => error.into(),
            Self::Crashed(_) | Self::Database(_) | Self::Connection(_) => JobError::Retry { reason },
            _ => JobError::Fail { reason },
        }
    }

    /// Returns the reason with what only the operator may know.
    pub fn for_staff(&self, is_staff: bool) -> String {
        match self {
            Self::Connector(error) if is_staff => error.for_operator(),
            other => other.to_string(),
        }
    }

    /// Converts the error to the answer for a member of staff, or for another user.
    pub fn answer(self, is_staff: bool) -> ApiError {
        let (code, message) = (self.code(), self.for_staff(is_staff));
        match self {
            Self::Connector(ConnectorError::Storage(cause)) => ApiError::unavailable(&cause),
            Self::Connector(_) => ApiError::coded(StatusCode::BAD_REQUEST, code, message),
            Self::Secret(_) | Self::NotUsable(_) | Self::UnderWay | Self::State { .. } | Self::Overtaken => {
                ApiError::coded(StatusCode::CONFLICT, code, message)
            }
            Self::Data(error) if code == "not_imported" && !error.is_passing() => {
                ApiError::coded(StatusCode::BAD_REQUEST, code, message)
            }
            Self::Data(error) => error.into(),
            Self::StoredBytes(error) => DataError::from(error).into(),
            Self::WaitingJobs(error) => error.into(),
            Self::Retraining(error) => error.into(),
            Self::Crashed(error) => ApiError::internal(&error),
            Self::Database(error) => error.into(),
            Self::Connection(error) => error.into(),
        }
    }
}

impl From<SourceError> for ApiError {
    fn from(error: SourceError) -> Self {
        error.answer(false)
    }
}
