//! Errors of models.

use actix_web::http::StatusCode;

use super::model::{ModelStatus, TrainedModel};
use crate::ml::error::MlError;
use crate::platform::computing::Busy;
use crate::platform::http::ApiError;

/// Seconds after which memory may be free again.
const AFTER_NO_MEMORY: u64 = 60;

/// Why a model cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ModelError {
    /// Training has not ended yet.
    #[error("This model is still being trained. Try again when its status is COMPLETED.")]
    NotReady,
    /// Training failed.
    #[error("This model could not be trained: {0}")]
    Failed(String),
    /// A user removed the file.
    #[error("The file of this model has been removed. Train the configuration again.")]
    Unlinked,
    /// The file should be there but is not.
    #[error("The file of this model is missing on the server. Restore it from a backup, or train the configuration again.")]
    Missing,
    /// The file is truncated, altered, or signed with another key; it was not parsed.
    #[error(
        "The file of this model is damaged or was not signed by this install, so it is not used. Restore it, or train again."
    )]
    Untrusted(String),
    /// The file is as it was signed, but this version cannot read it.
    #[error("The file of this model cannot be read by this version. Train the configuration again.")]
    Unreadable(String),
    /// There is not enough free memory.
    #[error(
        "There is not enough free memory to read this model. Try again when less is running, or give the server more memory."
    )]
    NoMemory,
    /// Its file has to be read, and other requests of its tenant take all places for that.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The model was trained on sessions, but the request is for a user.
    #[error(
        "This model learnt from sessions and knows no users. Ask it with the items of a session instead, through \
         recommend_using_profile_interaction or /inference/next."
    )]
    KnowsNoUsers,
    /// The thread that loads or scores panicked.
    #[error("Something went wrong on the server.")]
    Crashed(String),
}

impl ModelError {
    /// Returns why a model has no file.
    pub fn without_file(model: &TrainedModel) -> Self {
        match model.status {
            ModelStatus::Failed => Self::Failed(model.error.clone().unwrap_or_else(|| "the cause is in its log.".to_owned())),
            ModelStatus::Completed => Self::Unlinked,
            ModelStatus::Pending | ModelStatus::Running => Self::NotReady,
        }
    }
}

impl ModelError {
    /// Returns what exactly was wrong with a file, for the operator of the server.
    pub fn details(&self) -> Option<&str> {
        match self {
            Self::Untrusted(details) | Self::Unreadable(details) => Some(details),
            _ => None,
        }
    }
}

impl From<MlError> for ModelError {
    fn from(error: MlError) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl From<ModelError> for ApiError {
    fn from(error: ModelError) -> Self {
        let message = error.to_string();
        match error {
            ModelError::NotReady => Self::coded(StatusCode::CONFLICT, "model_not_ready", message),
            ModelError::Failed(_) => Self::coded(StatusCode::CONFLICT, "model_failed", message),
            ModelError::Unlinked => Self::coded(StatusCode::CONFLICT, "model_file_removed", message),
            ModelError::KnowsNoUsers => Self::coded(StatusCode::CONFLICT, "model_without_users", message),
            ModelError::Missing => Self::coded(StatusCode::SERVICE_UNAVAILABLE, "model_file_missing", message),
            ModelError::Untrusted(_) => Self::coded(StatusCode::SERVICE_UNAVAILABLE, "model_file_untrusted", message),
            ModelError::NoMemory => {
                Self::coded(StatusCode::SERVICE_UNAVAILABLE, "out_of_memory", message).retry_after(AFTER_NO_MEMORY)
            }
            ModelError::Busy(busy) => busy.into(),
            ModelError::Unreadable(_) => Self::coded(StatusCode::SERVICE_UNAVAILABLE, "model_file_unreadable", message),
            ModelError::Crashed(cause) => Self::internal(&cause),
        }
    }
}
