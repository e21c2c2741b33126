//! Why a server cannot be read.

use std::io;

use recotem_platform::objects::ObjectError;
use recotem_platform::outbound::{OutboundError, Refusal};
use recotem_tabular::TabularError;

/// Why a server cannot be read. The texts are for users: they hold no secret and no address that a name resolved to.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    #[error("The settings are not valid: {0}")]
    InvalidSettings(String),
    #[error("{0}")]
    RefusedAddress(Refusal),
    #[error("The server could not be reached: {0}. Check host and port, and that it accepts connections from here.")]
    Unreachable(String),
    #[error("The server did not answer within {0} seconds. Check that it is not overloaded, or try again later.")]
    TimedOut(u64),
    #[error("The server stopped working on the query after its time limit. Read less at once, or add an index on the cursor.")]
    StatementTimedOut,
    #[error("The connection could not be encrypted: {0}")]
    TlsFailed(String),
    #[error(
        "The server's certificate is not trusted: {0}. Enter the host as its certificate names it, or the certificate of its \
         authority."
    )]
    WrongCertificate(String),
    #[error("The log-in failed: {0}. Check username, password and database.")]
    LogInFailed(String),
    #[error("Permission denied: {0}. Grant the role the right to read (SELECT).")]
    PermissionDenied(String),
    #[error("The table does not exist: {0}. Choose another one.")]
    NoSuchTable(String),
    #[error("The column does not exist: {0}. Choose another one.")]
    NoSuchColumn(String),
    #[error("Permission denied: {0}. To deliver, {needed}.", needed = .1)]
    MayNotDeliver(String, &'static str),
    #[error("{0}. Choose another name, or drop it.")]
    OtherTable(String),
    #[error("The rows do not fit into the table: {0}. Drop the table, so that it is created again, or choose another one.")]
    DoesNotFit(String),
    #[error("The table cannot be replaced: {0}. Drop what depends on it, or choose another one.")]
    Depended(String),
    #[error("{0}")]
    BadQuery(String),
    #[error("The server refused the query: {0}. Correct it and try again.")]
    BadSql(String),
    #[error("The query wants to change the server, which is only read: {0}. Use a query that only reads.")]
    Writes(String),
    #[error("More than {limit} bytes: {what}. Read less at once, or raise the limit.")]
    TooLarge { what: &'static str, limit: u64 },
    #[error("The server has no room for another connection: {0}. Try again later.")]
    Busy(String),
    #[error("The connection was interrupted: {0}. Try again.")]
    Interrupted(String),
    #[error("The reading was stopped.")]
    Stopped,
    #[error("The server answered something that is not expected: {0}. Check that the kind of the connection is right.")]
    Protocol(String),
    #[error("The server reports an error: {0}")]
    Server(String),
    #[error(transparent)]
    Object(ObjectError),
    #[error("No file matches {0}. Change the pattern, or wait until there is one.")]
    NoFiles(String),
    #[error("The file {key} cannot be read: {cause}")]
    BadFile { key: String, cause: TabularError },
    #[error("What was read could not be stored: {0}")]
    Storage(#[source] io::Error),
}

impl ConnectorError {
    /// Returns a stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidSettings(_) => "invalid_settings",
            Self::RefusedAddress(_) => "refused_address",
            Self::Unreachable(_) => "unreachable",
            Self::TimedOut(_) => "timed_out",
            Self::StatementTimedOut => "statement_timed_out",
            Self::TlsFailed(_) => "tls_failed",
            Self::WrongCertificate(_) => "wrong_certificate",
            Self::LogInFailed(_) => "log_in_failed",
            Self::PermissionDenied(_) => "permission_denied",
            Self::NoSuchTable(_) => "no_such_table",
            Self::NoSuchColumn(_) => "no_such_column",
            Self::MayNotDeliver(..) => "may_not_deliver",
            Self::OtherTable(_) => "other_table",
            Self::DoesNotFit(_) => "does_not_fit",
            Self::Depended(_) => "depended",
            Self::BadQuery(_) => "bad_query",
            Self::BadSql(_) => "bad_sql",
            Self::Writes(_) => "writes",
            Self::TooLarge { .. } => "too_large",
            Self::Busy(_) => "busy",
            Self::Interrupted(_) => "interrupted",
            Self::Stopped => "stopped",
            Self::Protocol(_) => "protocol",
            Self::Server(_) => "server_error",
            Self::Object(error) => error.code(),
            Self::NoFiles(_) => "no_files",
            Self::BadFile { .. } => "bad_file",
            Self::Storage(_) => "storage",
        }
    }

    /// Returns the error as one of a delivery, whose statements are not those of the user. `needed` says which rights it needs.
    pub(super) fn while_delivering(self, needed: &'static str) -> Self {
        match self {
            Self::PermissionDenied(text) | Self::Writes(text) => Self::MayNotDeliver(text, needed),
            Self::BadSql(text) | Self::NoSuchColumn(text) => Self::DoesNotFit(text),
            other => other,
        }
    }

    /// Returns whether the same may succeed a little later, with nothing changed.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Object(error) => error.is_temporary(),
            other => matches!(other, Self::Unreachable(_) | Self::TimedOut(_) | Self::Busy(_) | Self::Interrupted(_)),
        }
    }

    /// Returns the reason with what only the operator may know.
    pub fn for_operator(&self) -> String {
        match self {
            Self::RefusedAddress(refusal) => refusal.for_operator(),
            Self::Object(error) => error.for_operator(),
            other => other.to_string(),
        }
    }
}

impl From<ObjectError> for ConnectorError {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Outbound(error) => error.into(),
            ObjectError::Storage(error) => Self::Storage(error),
            other => Self::Object(other),
        }
    }
}

impl From<OutboundError> for ConnectorError {
    fn from(error: OutboundError) -> Self {
        match error {
            OutboundError::Refused(Refusal::Unresolved(host)) => Self::Unreachable(format!("there is no \"{host}\"")),
            OutboundError::Refused(refusal) => Self::RefusedAddress(refusal),
            OutboundError::Unreachable(cause) => Self::Unreachable(cause),
            OutboundError::Tls(cause) => Self::TlsFailed(cause),
            OutboundError::TimedOut(limit) => Self::TimedOut(limit.as_secs()),
            OutboundError::Settings(cause) => Self::InvalidSettings(cause),
        }
    }
}

/// The longest text of a server that is shown, in characters.
const LONGEST: usize = 300;

/// Cuts a text of a server, on one line and without a full stop at its end.
pub fn cut(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.trim_end_matches('.');
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_servers_are_short_and_on_one_line() {
        assert_eq!(cut("syntax error\n  at \"x\"."), "syntax error at \"x\"");
        assert_eq!(cut(&"é".repeat(LONGEST)).chars().count(), LONGEST);
        assert_eq!(cut(&"é".repeat(LONGEST + 1)).chars().count(), LONGEST + 1, "with a sign that it is cut");
    }
}
