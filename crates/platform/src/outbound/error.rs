//! Errors of requests to other servers.

use std::time::Duration;

use super::policy::Refusal;

/// Why a request to another server has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OutboundError {
    /// The policy refuses the target.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There was no connection, or it failed: unreachable host, or connection lost.
    #[error("The server could not be reached: {0}")]
    Unreachable(String),
    /// The server's certificate is not valid, or encryption failed.
    #[error("The connection to the server is not secure: {0}")]
    Tls(String),
    /// The server did not answer in time.
    #[error("The server did not answer within {} seconds.", .0.as_secs())]
    TimedOut(Duration),
    /// The settings of outbound connections are not valid.
    #[error("{0}")]
    Settings(String),
}

impl OutboundError {
    /// Returns a stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Unreachable(_) => "unreachable",
            Self::Tls(_) => "tls",
            Self::TimedOut(_) => "timeout",
            Self::Settings(_) => "configuration",
        }
    }
}
