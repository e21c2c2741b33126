//! The one error envelope. Slices describe errors in their own enums and convert them to [`ApiError`], which converts to HTTP. A
//! 5xx never shows its cause: the cause is logged.

use std::collections::BTreeMap;
use std::fmt;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::disk::DiskShortage;
use crate::memory::Shortage;
use crate::vault::VaultError;

/// The result of a handler.
pub type ApiResult<T> = Result<T, ApiError>;

/// An error response: a status and a JSON body, with its headers.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    body: Value,
    retry_after_seconds: Option<u64>,
}

/// An object that depends on the one to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Dependent {
    /// Kind of object, as in the API's paths.
    pub resource: &'static str,
    pub id: i64,
    /// Name of the object; empty when it has none.
    pub name: String,
}

/// The largest number of dependents that a 409 lists.
const MOST_DEPENDENTS: usize = 100;

/// The body of a 409 with dependents.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConflictBody {
    detail: String,
    /// The first 100 of them.
    dependents: Vec<Dependent>,
    /// How many there are.
    dependents_count: usize,
}

impl ApiError {
    fn new(status: StatusCode, body: Value) -> Self {
        Self { status, body, retry_after_seconds: None }
    }

    /// Creates `{"detail": message}` with the given status.
    pub fn detail(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, json!({ "detail": message.into() }))
    }

    /// Creates `{"detail": message, "code": code}`: a stable code for programs beside the sentence for people.
    pub fn coded(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(status, json!({ "detail": message.into(), "code": code }))
    }

    /// Creates an error with a body of the caller's own shape.
    pub fn with_body(status: StatusCode, body: Value) -> Self {
        Self::new(status, body)
    }

    /// Creates a 400 with one message on one field.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self::fields(BTreeMap::from([(field.to_owned(), vec![message.into()])]))
    }

    /// Creates a 400 with messages on several fields at once.
    pub fn fields(messages: BTreeMap<String, Vec<String>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, json!(messages))
    }

    /// Returns the messages by field, if this is a 400 by field.
    pub fn by_field(&self) -> Option<BTreeMap<String, Vec<String>>> {
        if self.status != StatusCode::BAD_REQUEST {
            return None;
        }
        serde_json::from_value(self.body.clone()).ok()
    }

    /// Creates a 400 about the whole body rather than one field.
    pub fn non_field(message: impl Into<String>) -> Self {
        Self::field("non_field_errors", message)
    }

    /// Creates a 400 for a request that could not be read.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::detail(StatusCode::BAD_REQUEST, message)
    }

    /// Creates a 404: the object does not exist, or the caller may not see it.
    pub fn not_found() -> Self {
        Self::detail(StatusCode::NOT_FOUND, "Not found.")
    }

    /// Creates a 401 for missing credentials.
    pub fn not_authenticated() -> Self {
        Self::detail(StatusCode::UNAUTHORIZED, "Authentication credentials were not provided.")
    }

    /// Creates a 401 for a token that is expired, altered, of the wrong kind or withdrawn.
    pub fn token_not_valid(message: &str) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            json!({
                "detail": "Given token not valid for any token type",
                "code": "token_not_valid",
                "messages": [{ "token_class": "AccessToken", "token_type": "access", "message": message }],
            }),
        )
    }

    /// Creates a 401 for an API key that is unknown, revoked or expired, without telling which.
    pub fn key_not_valid() -> Self {
        Self::detail(StatusCode::UNAUTHORIZED, "Invalid API key. It may be mistyped, expired or revoked.")
    }

    /// Creates a 403: the caller is known, but not allowed to do this.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::detail(StatusCode::FORBIDDEN, message)
    }

    /// Creates a 409: the object is in use, or in the wrong state.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::detail(StatusCode::CONFLICT, message)
    }

    /// Creates a 409 with the first of the objects that prevent it, so that a client can show or remove them first, and their
    /// number.
    pub fn conflict_with(message: impl Into<String>, dependents: impl IntoIterator<Item = Dependent>) -> Self {
        let mut dependents: Vec<Dependent> = dependents.into_iter().collect();
        let dependents_count = dependents.len();
        dependents.truncate(MOST_DEPENDENTS);
        let body = ConflictBody { detail: message.into(), dependents, dependents_count };
        Self::new(StatusCode::CONFLICT, json!(body))
    }

    /// Creates a 409 for an object that was deleted by another request after it was checked.
    fn gone_meanwhile() -> Self {
        Self::conflict("An object that this refers to was deleted at the same time. Reload it and try again.")
    }

    /// Creates a 429 with the seconds to wait.
    pub fn throttled(retry_after_seconds: u64) -> Self {
        let seconds = retry_after_seconds.max(1);
        let message = format!("Request was throttled. Expected available in {seconds} seconds.");
        Self { retry_after_seconds: Some(seconds), ..Self::detail(StatusCode::TOO_MANY_REQUESTS, message) }
    }

    /// Creates a 503 for a database or file store that cannot be reached; the cause is logged, not shown.
    pub fn unavailable(cause: &dyn fmt::Display) -> Self {
        tracing::error!(%cause, "a service this request needs is unavailable");
        let answer = Self::coded(
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            "The server cannot reach its database or file store right now. Try again in a few seconds.",
        );
        Self { retry_after_seconds: Some(5), ..answer }
    }

    /// Creates a 503 for a query that took longer than one of a request may.
    fn query_too_long() -> Self {
        tracing::warn!("a query was stopped after statement_timeout_seconds");
        Self::coded(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_long",
            "The database took too long to answer. Ask for less at once, such as fewer days, or try again later.",
        )
    }

    /// Creates a 500; the cause is logged, not shown.
    pub fn internal(cause: &dyn fmt::Display) -> Self {
        tracing::error!(%cause, "request failed");
        Self::coded(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "Something went wrong on the server. The cause is in its log, under this request's id.",
        )
    }

    /// Converts to the response, where no extractor or handler does so.
    pub fn into_answer(self) -> HttpResponse {
        self.error_response()
    }

    /// Returns the error with the header that says when to try again.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after_seconds: Some(seconds), ..self }
    }

    /// Returns the seconds to wait, if known.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after_seconds
    }

    /// Returns the message of the response, for people who see no JSON.
    pub fn in_words(&self) -> String {
        fn collect<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::String(text) => found.push(text),
                Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
                Value::Object(fields) => {
                    fields.iter().filter(|(name, _)| *name != "code").for_each(|(_, value)| collect(value, found))
                }
                _ => {}
            }
        }
        let mut found = Vec::new();
        collect(&self.body, &mut found);
        found.join(" ")
    }

    /// Returns the status of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the JSON of the response.
    pub fn body(&self) -> &Value {
        &self.body
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.body)
    }
}

impl std::error::Error for ApiError {}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status);
        if self.status == StatusCode::UNAUTHORIZED {
            answer.insert_header((header::WWW_AUTHENTICATE, "X-API-Key"));
        }
        if let Some(seconds) = self.retry_after_seconds {
            answer.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        answer.json(&self.body)
    }
}

impl From<Shortage> for ApiError {
    fn from(shortage: Shortage) -> Self {
        Self::coded(StatusCode::SERVICE_UNAVAILABLE, "not_enough_memory", format!("This cannot be done now: {shortage}."))
    }
}

impl From<DiskShortage> for ApiError {
    fn from(shortage: DiskShortage) -> Self {
        Self::coded(StatusCode::INSUFFICIENT_STORAGE, "disk_full", shortage.to_string())
    }
}

impl From<VaultError> for ApiError {
    fn from(error: VaultError) -> Self {
        Self::internal(&error)
    }
}

impl From<diesel::result::Error> for ApiError {
    fn from(error: diesel::result::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&diesel::result::Error> for ApiError {
    fn from(error: &diesel::result::Error) -> Self {
        use diesel::result::{DatabaseErrorKind, Error};
        match error {
            Error::NotFound => Self::not_found(),
            Error::DatabaseError(DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand, _)
            | Error::BrokenTransactionManager => Self::unavailable(error),
            Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _) => Self::gone_meanwhile(),
            // Row-level security reports a parent that has just been deleted as one that the caller must not see.
            Error::DatabaseError(_, details) if details.message().contains("violates row-level security policy") => {
                tracing::warn!(%error, "a row was refused because it belongs to an object that the caller may not see");
                Self::gone_meanwhile()
            }
            // The errors of a PostgreSQL that restarts, or has no room, arrive without a kind of their own.
            Error::DatabaseError(_, details) if connection_was_lost(details.message()) || is_out_of_room(details.message()) => {
                Self::unavailable(error)
            }
            error if crate::db::is_too_long(error) => Self::query_too_long(),
            _ => Self::internal(&crate::db::in_full(error)),
        }
    }
}

impl From<crate::db::DbError> for ApiError {
    fn from(error: crate::db::DbError) -> Self {
        Self::from(&error)
    }
}

impl From<&crate::db::DbError> for ApiError {
    fn from(error: &crate::db::DbError) -> Self {
        match error {
            crate::db::DbError::Busy => Self::coded(StatusCode::SERVICE_UNAVAILABLE, "busy", error.to_string()).retry_after(2),
            error => Self::unavailable(error),
        }
    }
}

impl From<&crate::db::ReadError> for ApiError {
    fn from(error: &crate::db::ReadError) -> Self {
        match error {
            crate::db::ReadError::Unavailable(error) => Self::from(error),
            crate::db::ReadError::Query(error) => Self::from(error),
        }
    }
}

fn connection_was_lost(message: &str) -> bool {
    ["connection closed", "terminating connection", "the database system is", "error communicating with the server"]
        .iter()
        .any(|sign| message.contains(sign))
}

/// Returns whether PostgreSQL has run out of a resource that recovers automatically or through its operator: the errors of class
/// 53, whose codes the driver does not pass on.
fn is_out_of_room(message: &str) -> bool {
    [
        "No space left on device",
        "Disk quota exceeded",
        "out of memory",
        "out of shared memory",
        "too many clients",
        "remaining connection slots",
        "too many connections",
        "exceeds temp_file_limit",
    ]
    .iter()
    .any(|sign| message.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;
    use diesel::result::{DatabaseErrorKind, Error};

    #[test]
    fn a_conflict_lists_the_first_dependents_and_counts_all() {
        let rows = (0..=100).map(|id| Dependent { resource: "project", id, name: id.to_string() });
        let body = ApiError::conflict_with("In use.", rows).body().clone();
        let listed = body["dependents"].as_array().unwrap();
        assert_eq!((listed.len(), &body["dependents_count"]), (100, &json!(101)));
        assert_eq!(listed[99], json!({ "resource": "project", "id": 99, "name": "99" }));
    }

    #[test]
    fn a_database_without_room_is_away_and_not_at_fault() {
        let status = |message: &str| {
            let error = Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned()));
            ApiError::from(error).status().as_u16()
        };
        assert_eq!(status("could not extend file \"base/16384/16500\": No space left on device"), 503);
        assert_eq!(status("could not write to file \"base/pgsql_tmp/pgsql_tmp1.0\": No space left on device"), 503);
        assert_eq!(status("temporary file size exceeds temp_file_limit (1024kB)"), 503);
        assert_eq!(status("out of memory"), 503);
        assert_eq!(status("division by zero"), 500);
    }
}
