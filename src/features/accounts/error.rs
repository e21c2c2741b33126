//! Errors of accounts.

use actix_web::http::StatusCode;

use crate::platform::http::ApiError;

/// Why a log-in, a token, an invitation or a change of an account was refused.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Wrong name, wrong password or a deactivated account; the caller is not told which.
    #[error("Unable to log in with provided credentials.")]
    BadCredentials,
    /// A token that is expired, altered, of the wrong kind or revoked.
    #[error("Token is invalid or expired")]
    BadToken,
    /// The account behind a token has been deactivated.
    #[error("User is inactive")]
    Inactive,
    /// A refresh token that is not valid.
    #[error("Token is invalid or expired")]
    BadRefreshToken,
    /// A new password that is too weak.
    #[error("The password is too weak: {}", .0.join(" "))]
    WeakPassword(Vec<String>),
    /// The username is taken.
    #[error("A user with that username already exists.")]
    NameTaken,
    /// Too many failed attempts for this name from this address, with the seconds to wait.
    #[error("Too many failed attempts. Try again in {0} seconds.")]
    TooManyAttempts(u64),
    /// A session is used more often than it may be, with the seconds to wait.
    #[error("This session is used too often. Try again in {0} seconds.")]
    TooOften(u64),
    /// More passwords are being checked than the server has time for, with the seconds to wait.
    #[error("Too many people are logging in right now. Try again in {0} seconds.")]
    TooBusy(u64),
    /// An invitation that is unknown, used, expired or withdrawn; the caller is not told which.
    #[error("This invitation is not valid. It may have expired, been used already or been withdrawn.")]
    NoSuchInvitation,
    /// The organisation has the maximum of open invitations, which it names.
    #[error("{0} invitations of this organisation are open, and no more can be. Withdraw some first.")]
    TooManyInvitations(i64),
    /// Hashing failed for lack of memory or random bytes.
    #[error("The password could not be hashed: {0}")]
    Hashing(String),
    /// A query failed.
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
            AccountError::TooManyAttempts(seconds) | AccountError::TooOften(seconds) => Self::throttled(seconds),
            AccountError::TooBusy(seconds) => {
                Self::coded(StatusCode::SERVICE_UNAVAILABLE, "too_busy", message).retry_after(seconds)
            }
            AccountError::NoSuchInvitation => Self::detail(StatusCode::NOT_FOUND, message),
            AccountError::TooManyInvitations(_) => Self::coded(StatusCode::TOO_MANY_REQUESTS, "too_many_invitations", message),
            AccountError::Hashing(cause) => Self::internal(&cause),
            AccountError::Database(error) => error.into(),
            AccountError::Connection(error) => error.into(),
        }
    }
}
