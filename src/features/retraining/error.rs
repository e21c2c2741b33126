//! Errors of retraining.

use crate::features::deployments::SlotError;
use crate::features::projects::TooManyWaitingJobs;
use crate::features::tuning::TuningError;
use crate::platform::http::ApiError;

/// Why there is no run, or why it failed.
#[derive(Debug, thiserror::Error)]
pub enum RetrainingError {
    #[error("This schedule is disabled. Enable it first, then trigger it.")]
    Disabled,
    #[error("This schedule has been deleted. Reload and try again.")]
    Gone,
    /// The run would be one more waiting job than the organisation may have.
    #[error(transparent)]
    TooManyWaitingJobs(#[from] TooManyWaitingJobs),
    /// The search could not be created.
    #[error(transparent)]
    Tuning(#[from] TuningError),
    /// The model could not be deployed.
    #[error(transparent)]
    Slot(SlotError),
    #[error(transparent)]
    Database(#[from] diesel::result::Error),
    #[error(transparent)]
    Connection(#[from] crate::platform::db::DbError),
}

impl From<RetrainingError> for ApiError {
    fn from(error: RetrainingError) -> Self {
        match error {
            RetrainingError::Disabled => Self::conflict(error.to_string()),
            RetrainingError::TooManyWaitingJobs(refusal) => refusal.into(),
            RetrainingError::Tuning(error) => error.into(),
            RetrainingError::Slot(error) => error.into(),
            RetrainingError::Gone => Self::not_found(),
            RetrainingError::Database(error) => error.into(),
            RetrainingError::Connection(error) => error.into(),
        }
    }
}
