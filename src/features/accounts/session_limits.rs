//! Limits of single sessions. Renewals, log-outs and live updates are counted against no user or address: many users share an
//! address, and identifying the user needs a query. They are counted by the session that their token names, after the signature
//! of the token is checked and before any query.

use chrono::{DateTime, Utc};

use super::error::AccountError;
use crate::platform::config::Rate;
use crate::platform::http::ApiError;
use crate::platform::http::throttle::Throttle;

/// What is counted, each apart from the others.
#[derive(Debug, Clone, Copy)]
pub enum SessionUse {
    Renewal,
    LogOut,
    /// An opened socket, or a token sent on one.
    LiveUpdates,
    /// An access token of a session that has ended.
    Ended,
}

/// The limits of the sessions in this process.
#[derive(Debug)]
pub struct SessionLimits(Throttle);

impl SessionLimits {
    /// Creates empty limits with the same rate for each use.
    pub fn new(rate: Rate) -> Self {
        Self(Throttle::new(rate))
    }

    /// Counts one use of a session, or refuses it.
    pub fn admit(&self, of: SessionUse, session: i64, now: DateTime<Utc>) -> Result<(), AccountError> {
        self.0.admit(key(of, session).as_str(), now).map(drop).map_err(too_often)
    }

    /// Fails if the next such use would be refused; counts nothing.
    pub fn check(&self, of: SessionUse, session: i64, now: DateTime<Utc>) -> Result<(), AccountError> {
        self.0.check(key(of, session).as_str(), now).map_err(too_often)
    }
}

fn key(of: SessionUse, session: i64) -> String {
    format!("{of:?} {session}")
}

fn too_often(refused: ApiError) -> AccountError {
    AccountError::TooOften(refused.retry_after_seconds().unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_of_each_session_is_counted_apart() {
        let limits = SessionLimits::new("2/min".parse().unwrap());
        let now = DateTime::from_timestamp(1_000, 0).unwrap();
        for _ in 0..2 {
            limits.admit(SessionUse::Renewal, 1, now).unwrap();
        }
        assert!(matches!(limits.admit(SessionUse::Renewal, 1, now), Err(AccountError::TooOften(60))));
        assert!(limits.check(SessionUse::Renewal, 1, now).is_err());
        limits.admit(SessionUse::Renewal, 2, now).unwrap();
        limits.admit(SessionUse::LogOut, 1, now).unwrap();
        limits.admit(SessionUse::Renewal, 1, now + chrono::TimeDelta::seconds(61)).unwrap();
    }
}
