//! Errors of searches.

use actix_web::http::StatusCode;

use super::model::SearchStatus;
use crate::ml::error::MlError;
use crate::platform::http::ApiError;

/// Why a search was refused or ended.
#[derive(Debug, thiserror::Error)]
pub enum TuningError {
    /// The data is gone, or could not be read.
    #[error("{0}")]
    Data(String),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] MlError),
    /// Files cannot be read at present.
    #[error("{0}")]
    Passing(String),
    /// Other work holds the memory at present.
    #[error("{0}")]
    MemoryInUse(String),
    /// The job has ended already.
    #[error("This job is {} already; only a pending or running job can be cancelled.", .0.wire().to_lowercase())]
    Over(SearchStatus),
    /// The job cannot be deleted yet.
    #[error("This job is still pending or running. Cancel it before you delete it.")]
    Live,
    /// No trial gave a usable score.
    #[error("None of the {trials} trials gave a score above zero. {hint}")]
    NothingFound { trials: i64, hint: String },
    /// The search timed out before any trial finished.
    #[error("The time was over before a trial had ended. Allow more with timeout_overall.")]
    NoTrial,
    /// A query failed.
    #[error(transparent)]
    Database(#[from] diesel::result::Error),
    /// No connection to the database.
    #[error(transparent)]
    Connection(#[from] crate::platform::db::DbError),
}

impl From<TuningError> for ApiError {
    fn from(error: TuningError) -> Self {
        let message = error.to_string();
        match error {
            TuningError::Data(_) => Self::field("data", message),
            TuningError::Engine(_) => Self::field("split", message),
            TuningError::Passing(cause) => Self::unavailable(&cause),
            TuningError::MemoryInUse(_) => Self::coded(StatusCode::SERVICE_UNAVAILABLE, "not_enough_memory", message),
            TuningError::Over(_) | TuningError::Live | TuningError::NothingFound { .. } | TuningError::NoTrial => {
                Self::detail(StatusCode::CONFLICT, message)
            }
            TuningError::Database(error) => error.into(),
            TuningError::Connection(error) => error.into(),
        }
    }
}
