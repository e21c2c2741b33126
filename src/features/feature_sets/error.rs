//! Errors of feature sets.

use actix_web::http::StatusCode;

use crate::features::datasets::sentence;
use crate::features::item_metadata::Unread;
use crate::ml::error::MlError;
use crate::platform::http::ApiError;

/// Seconds after which memory may be free again.
const AFTER_NO_MEMORY: u64 = 60;

/// Why columns or encodings cannot be shown, or a spec is refused.
#[derive(Debug, thiserror::Error)]
pub enum FeatureSetError {
    /// There is nothing to encode.
    #[error("This project has no item metadata. Upload a file with one row for each item.")]
    NoItems,
    /// The item metadata has no row of the requested item.
    #[error("The item metadata has no item \"{0}\". Choose another one.")]
    UnknownItem(String),
    /// The item metadata cannot be read now.
    #[error("The item metadata cannot be read now: {0}.")]
    Unread(Unread),
    /// The engine refuses the spec.
    #[error("{}", sentence(&.0.to_string()))]
    Spec(#[from] MlError),
}

impl From<Unread> for FeatureSetError {
    fn from(unread: Unread) -> Self {
        if matches!(unread, Unread::Gone) { Self::NoItems } else { Self::Unread(unread) }
    }
}

impl From<FeatureSetError> for ApiError {
    fn from(error: FeatureSetError) -> Self {
        let message = error.to_string();
        let out_of_memory =
            |message| Self::coded(StatusCode::SERVICE_UNAVAILABLE, "out_of_memory", message).retry_after(AFTER_NO_MEMORY);
        match error {
            FeatureSetError::NoItems => Self::detail(StatusCode::NOT_FOUND, message),
            FeatureSetError::UnknownItem(_) => Self::field("item_id", message),
            FeatureSetError::Unread(Unread::Memory(_))
            | FeatureSetError::Spec(MlError::MemoryInUse { .. } | MlError::MemoryBudget { .. }) => out_of_memory(message),
            FeatureSetError::Unread(unread) => Self::unavailable(&unread),
            FeatureSetError::Spec(_) => Self::field("spec", message),
        }
    }
}
