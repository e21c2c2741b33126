//! Errors of slots.

use crate::features::models::ModelError;
use crate::platform::http::{ApiError, Dependent};

/// Why a slot was not changed.
#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    /// No active slot would have a weight.
    #[error(
        "The weights of all active slots of this project would be 0, so no request could be answered. \
         Give at least one of them a weight above 0."
    )]
    AllWeightsZero,
    /// Running tests of the slot, as pairs of id and name.
    #[error("A running A/B test uses this slot. Stop the test first.")]
    InUse(Vec<(i64, String)>),
    #[error("A model that this change took out of service has been deleted since, so it cannot be put back.")]
    ModelGone,
    /// The model that a slot was to be given has no file.
    #[error("{0}")]
    ModelWithoutFile(ModelError),
    /// A slot was to be activated, but its model has no file.
    #[error("The slot \"{slot}\" cannot answer. {cause}")]
    CannotAnswer { slot: String, cause: ModelError },
    #[error("This slot has been deleted. Reload and try again.")]
    Gone,
    #[error(transparent)]
    Database(#[from] diesel::result::Error),
}

impl From<SlotError> for ApiError {
    fn from(error: SlotError) -> Self {
        let message = error.to_string();
        match error {
            SlotError::AllWeightsZero => Self::field("weight", message),
            SlotError::InUse(tests) => {
                let tests = tests.into_iter().map(|(id, name)| Dependent { resource: "ab_test", id, name });
                Self::conflict_with(message, tests)
            }
            SlotError::ModelWithoutFile(_) => Self::field("trained_model", message),
            SlotError::ModelGone | SlotError::CannotAnswer { .. } => Self::conflict(message),
            SlotError::Gone => Self::not_found(),
            SlotError::Database(error) => error.into(),
        }
    }
}
