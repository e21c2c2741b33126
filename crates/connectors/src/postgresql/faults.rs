//! The server's errors as ours.

use std::error::Error as _;
use std::io;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

use super::super::error::{ConnectorError, cut};
use super::wire::{BadMessage, LONGEST_MESSAGE};

const OTHER_PROTOCOL: &str = "it does not answer as PostgreSQL does";

/// Returns the error of a statement.
pub fn in_words(error: &Error) -> ConnectorError {
    if let Some(reported) = error.as_db_error() {
        return of_server(reported);
    }
    if let Some(BadMessage(bytes)) = bad_message(error) {
        return match *bytes > LONGEST_MESSAGE {
            true => too_long(),
            false => ConnectorError::Protocol(OTHER_PROTOCOL.to_owned()),
        };
    }
    let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    let is_io = error.source().is_some_and(|cause| cause.is::<io::Error>());
    match error.is_closed() || is_io {
        true => ConnectorError::Interrupted(cut(&cause)),
        false => ConnectorError::Protocol(cut(&cause)),
    }
}

/// Returns the error of a message that is too long.
pub fn too_long() -> ConnectorError {
    ConnectorError::TooLarge { what: "a row of the source", limit: LONGEST_MESSAGE }
}

/// Returns the error of a log-in.
pub fn of_log_in(error: &Error) -> ConnectorError {
    match in_words(error) {
        ConnectorError::PermissionDenied(text) | ConnectorError::Server(text) => ConnectorError::LogInFailed(text),
        // A log-in has no rows: what seems to be a long one is another protocol.
        ConnectorError::TooLarge { .. } => ConnectorError::Protocol(OTHER_PROTOCOL.to_owned()),
        other => other,
    }
}

fn bad_message(error: &Error) -> Option<&BadMessage> {
    let cause = error.source()?.downcast_ref::<io::Error>()?;
    cause.get_ref()?.downcast_ref::<BadMessage>()
}

fn of_server(error: &DbError) -> ConnectorError {
    let text = cut(error.message());
    let code = error.code();
    if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        return ConnectorError::PermissionDenied(text);
    }
    if [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME].contains(code) {
        return ConnectorError::NoSuchTable(text);
    }
    if *code == SqlState::DEPENDENT_OBJECTS_STILL_EXIST {
        return ConnectorError::Depended(text);
    }
    if *code == SqlState::LOCK_NOT_AVAILABLE {
        return ConnectorError::Busy(text);
    }
    if *code == SqlState::UNDEFINED_COLUMN {
        return ConnectorError::NoSuchColumn(text);
    }
    if *code == SqlState::INVALID_CATALOG_NAME {
        return ConnectorError::LogInFailed(text);
    }
    if *code == SqlState::QUERY_CANCELED {
        return ConnectorError::StatementTimedOut;
    }
    match code.code().get(..2).unwrap_or_default() {
        "28" => ConnectorError::LogInFailed(text),
        "42" | "22" | "21" | "0A" => ConnectorError::BadSql(text),
        "25" => ConnectorError::Writes(text),
        "53" => ConnectorError::Busy(text),
        "57" | "08" | "40" => ConnectorError::Interrupted(text),
        _ => ConnectorError::Server(text),
    }
}
