//! Why a key is not created, or not accepted.

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

/// The key of an app is used by a web page that may not use it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Pages of {0} may not use this key. Add that origin to the allowed origins of the app.")]
pub struct ForeignOrigin(pub String);

impl From<ForeignOrigin> for ApiError {
    fn from(refusal: ForeignOrigin) -> Self {
        Self::coded(StatusCode::FORBIDDEN, "origin_not_allowed", refusal.to_string())
    }
}
