//! What can go wrong with an account.

use actix_web::http::StatusCode;

use crate::platform::http::ApiError;

/// A refusal about who somebody is.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Wrong name, wrong password or a deactivated account: which of them is not told.
    #[error("Unable to log in with provided credentials.")]
    BadCredentials,
    /// Expired, altered, of the wrong kind, or withdrawn.
    #[error("Token is invalid or expired")]
    BadToken,
    /// The account behind a token has been deactivated.
    #[error("User is inactive")]
    Inactive,
    /// A refresh token that is no good.
    #[error("Token is invalid or expired")]
    BadRefreshToken,
    /// A new password that is too weak.
    #[error("The password is too weak: {}", .0.join(" "))]
    WeakPassword(Vec<String>),
    /// The name is taken.
    #[error("A user with that username already exists.")]
    NameTaken,
    /// Too many failed attempts for this name from this address; seconds to wait.
    #[error("Too many failed attempts. Try again in {0} seconds.")]
    TooManyAttempts(u64),
    /// More passwords are being checked than the server has time for; seconds to wait.
    #[error("Too many people are logging in right now. Try again in {0} seconds.")]
    TooBusy(u64),
    /// An invitation that is unknown, used, expired or withdrawn: which of them is not told.
    #[error("This invitation is not valid. It may have expired, been used already or been withdrawn.")]
    NoSuchInvitation,
    /// Hashing failed for want of memory or random bytes.
    #[error("The password could not be hashed: {0}")]
    Hashing(String),
    /// The database said no.
    #[error(transparent)]
    Database(#[from] diesel::result::Error),
    /// No connection to the database.
    #[error(transparent)]
    Connection(#[from] crate::platform::db::DbError),
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        let message = error.to_string();
        match error {
            AccountError::BadCredentials => Self::non_field(message),
            AccountError::BadToken => Self::token_not_valid(&message),
            AccountError::Inactive => Self::coded(StatusCode::UNAUTHORIZED, "user_inactive", message),
            AccountError::BadRefreshToken => Self::coded(StatusCode::UNAUTHORIZED, "token_not_valid", message),
            AccountError::WeakPassword(reasons) => Self::fields([("new_password".to_owned(), reasons)].into_iter().collect()),
            AccountError::NameTaken => Self::field("username", message),
            AccountError::TooManyAttempts(seconds) => Self::throttled(seconds),
            AccountError::TooBusy(seconds) => {
                Self::coded(StatusCode::SERVICE_UNAVAILABLE, "too_busy", message).retry_after(seconds)
            }
            AccountError::NoSuchInvitation => Self::detail(StatusCode::NOT_FOUND, message),
            AccountError::Hashing(cause) => Self::internal(&cause),
            AccountError::Database(error) => error.into(),
            AccountError::Connection(error) => error.into(),
        }
    }
}
