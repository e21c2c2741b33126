//! Why a change is refused.

use actix_web::http::StatusCode;

use crate::platform::http::ApiError;

/// Seconds after which changes may have been merged.
const SOON: u64 = 30;

/// As many changes wait as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "The changed rows of this project that are not in its item metadata yet would be more than {changes} or take more than {} MB. \
     Wait until some are merged, or upload a whole file.",
    bytes >> 20
)]
pub struct TooManyChanges {
    pub changes: i64,
    pub bytes: i64,
}

impl From<TooManyChanges> for ApiError {
    fn from(refusal: TooManyChanges) -> Self {
        let message = refusal.to_string();
        Self::coded(StatusCode::TOO_MANY_REQUESTS, "too_many_item_changes", message).retry_after(SOON)
    }
}
