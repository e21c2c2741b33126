//! Errors of destinations.

use crate::features::models::ModelError;
use crate::features::projects::TooManyWaitingJobs;
use crate::platform::http::ApiError;

/// Why there is no delivery.
#[derive(Debug, thiserror::Error)]
pub enum DestinationError {
    #[error("A delivery of this destination is under way. Wait until it has ended, or cancel it.")]
    UnderWay,
    #[error("This delivery has ended already.")]
    Over,
    #[error("Only a delivery that failed or was cancelled can be tried again. Run the destination instead.")]
    NotRetried,
    #[error("This destination has been deleted. Reload and try again.")]
    Gone,
    #[error("The model of this destination, or its slot, has been deleted. Choose another one.")]
    WithoutModel,
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The delivery would be one more waiting job than the organisation may have.
    #[error(transparent)]
    TooManyWaitingJobs(#[from] TooManyWaitingJobs),
    #[error(transparent)]
    Database(#[from] diesel::result::Error),
    #[error(transparent)]
    Connection(#[from] crate::platform::db::DbError),
}

impl DestinationError {
    /// Returns whether a later attempt would end the same way, for a reason that users should know.
    pub fn is_refusal(&self) -> bool {
        !matches!(self, Self::Database(_) | Self::Connection(_))
    }
}

impl From<DestinationError> for ApiError {
    fn from(error: DestinationError) -> Self {
        match error {
            DestinationError::UnderWay
            | DestinationError::Over
            | DestinationError::NotRetried
            | DestinationError::WithoutModel => Self::conflict(error.to_string()),
            DestinationError::Gone => Self::not_found(),
            DestinationError::Model(error) => error.into(),
            DestinationError::TooManyWaitingJobs(refusal) => refusal.into(),
            DestinationError::Database(error) => error.into(),
            DestinationError::Connection(error) => error.into(),
        }
    }
}
