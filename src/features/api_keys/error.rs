//! Why a key is not created.

use actix_web::http::StatusCode;

use crate::platform::http::ApiError;

/// A project has as many keys as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "This project has {most} API keys that are not revoked, which is as many as one project may. Revoke or delete keys that are \
     not used any more."
)]
pub struct TooManyKeys {
    /// The largest number of keys that are not revoked.
    pub most: u32,
}

impl From<TooManyKeys> for ApiError {
    fn from(refusal: TooManyKeys) -> Self {
        Self::coded(StatusCode::CONFLICT, "too_many_api_keys", refusal.to_string())
    }
}
