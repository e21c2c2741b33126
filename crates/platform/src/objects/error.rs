//! Why an object cannot be read or written.

use std::error::Error;
use std::io;

use crate::outbound::OutboundError;

use super::settings::SettingFault;

/// The longest text of a server that is shown, in characters.
const LONGEST: usize = 300;

/// Why an object cannot be read or written. The texts hold no secret and no address that a name resolved to.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    #[error("The settings are not valid: {}: {}", .0.field, .0.message)]
    InvalidSettings(SettingFault),
    #[error("The secret is not valid: {0}")]
    InvalidSecret(&'static str),
    #[error(transparent)]
    Outbound(OutboundError),
    #[error("The log-in failed: {0}. Check the key and its secret.")]
    LogInFailed(String),
    #[error("Permission denied: {0}. Grant the key the right to list and to read.")]
    PermissionDenied(String),
    #[error("There is no {0}. Check its name.")]
    NotFound(String),
    #[error("{0} has changed while it was read. Try again.")]
    Changed(String),
    #[error("The reading of {0} was interrupted. Try again.")]
    Interrupted(String),
    #[error("The server reports an error: {0}. Try again later.")]
    Busy(String),
    #[error("The server answered something that is not expected: {0}. Check the endpoint, the region and the kind.")]
    Protocol(String),
    #[error("The folder is not released. The operator adds it, or one above it, to sources.folders.")]
    NotReleased,
    #[error("\"{0}\" is not the name of a file in this place.")]
    InvalidKey(String),
    #[error("Nothing can be written here: {0} is only read.")]
    ReadOnly(&'static str),
    #[error("A file could not be read or written: {0}")]
    Storage(#[from] io::Error),
}

impl ObjectError {
    /// Returns a stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidSettings(_) | Self::InvalidSecret(_) | Self::NotReleased => "invalid_settings",
            Self::Outbound(error) => error.code(),
            Self::LogInFailed(_) => "log_in_failed",
            Self::PermissionDenied(_) => "permission_denied",
            Self::NotFound(_) => "not_found",
            Self::Changed(_) => "changed",
            Self::Interrupted(_) => "interrupted",
            Self::Busy(_) => "busy",
            Self::Protocol(_) => "protocol",
            Self::InvalidKey(_) => "invalid_key",
            Self::ReadOnly(_) => "read_only",
            Self::Storage(_) => "storage",
        }
    }

    /// Returns whether the same may succeed a little later, with nothing changed.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Outbound(error) => matches!(error, OutboundError::Unreachable(_) | OutboundError::TimedOut(_)),
            Self::Changed(_) | Self::Interrupted(_) | Self::Busy(_) => true,
            _ => false,
        }
    }

    /// Returns the reason with what only the operator may know.
    pub fn for_operator(&self) -> String {
        match self {
            Self::Outbound(OutboundError::Refused(refusal)) => refusal.for_operator(),
            other => other.to_string(),
        }
    }

    /// Translates an error of the library. `what` is the key, or the bucket.
    pub(super) fn of_store(error: &object_store::Error, what: &str) -> Self {
        let text = error.to_string();
        let mut cause: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(found) = cause {
            if let Some(outbound) = found.downcast_ref::<OutboundError>() {
                return Self::Outbound(outbound.clone());
            }
            cause = found.source();
        }
        let status = match error {
            object_store::Error::NotFound { .. } => 404,
            object_store::Error::PermissionDenied { .. } => 403,
            object_store::Error::Unauthenticated { .. } => 401,
            object_store::Error::Precondition { .. } => 412,
            object_store::Error::InvalidPath { .. } => return Self::InvalidKey(what.to_owned()),
            _ => status_in(&text).unwrap_or(0),
        };
        Self::of_status(status, what, said_in(&text))
    }

    /// Translates the status of an answer that is not a success.
    pub(super) fn of_status(status: u16, what: &str, said: Option<String>) -> Self {
        let code = said.as_deref().and_then(|said| said.split(':').next()).unwrap_or_default();
        let bad_keys = ["InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthenticationFailed", "InvalidToken", "ExpiredToken"];
        let text = said.clone().unwrap_or_else(|| format!("status {status}"));
        match status {
            _ if bad_keys.contains(&code) => Self::LogInFailed(text),
            401 => Self::LogInFailed(text),
            403 => Self::PermissionDenied(said.unwrap_or_else(|| what.to_owned())),
            404 | 410 => Self::NotFound(if code == "NoSuchBucket" { "such bucket".to_owned() } else { what.to_owned() }),
            412 => Self::Changed(what.to_owned()),
            408 | 429 | 500.. => Self::Busy(text),
            0 => Self::Protocol(said.unwrap_or_else(|| "the answer could not be read".to_owned())),
            300..=399 => Self::Protocol(format!("{text}, a redirect, which is not followed")),
            _ => Self::Protocol(text),
        }
    }
}

impl From<OutboundError> for ObjectError {
    fn from(error: OutboundError) -> Self {
        Self::Outbound(error)
    }
}

/// Finds the status in a text of the library.
fn status_in(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("status code: ")?;
    rest.get(..3)?.parse().ok()
}

/// Finds code and message of the server in the text, which is XML somewhere. The rest may repeat parts of the request.
pub(super) fn said_in(text: &str) -> Option<String> {
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once("</").map(|(value, _)| value.trim())
    };
    let code = element("Code").filter(|code| !code.is_empty() && code.chars().all(|c| c.is_ascii_alphanumeric()))?;
    let message = element("Message").unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let message: String = message.trim_end_matches('.').chars().take(LONGEST).collect();
    Some(if message.is_empty() { code.to_owned() } else { format!("{code}: {message}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_and_message_of_a_server_are_shown() {
        let text = "Error performing GET http://x/ - Server returned non-2xx status code: 403 Forbidden: <Error><Code>SignatureDoesNotMatch\
            </Code><Message>The signature\n differs.</Message><StringToSign>AWS4 hush</StringToSign></Error>";
        assert_eq!(status_in(text), Some(403));
        assert_eq!(said_in(text).as_deref(), Some("SignatureDoesNotMatch: The signature differs"));
        assert_eq!(ObjectError::of_status(403, "a.csv", said_in(text)).code(), "log_in_failed");
        assert_eq!(said_in("<Code>a b</Code>"), None);
    }

    #[test]
    fn statuses_have_their_codes() {
        let code = |status| ObjectError::of_status(status, "a.csv", None).code();
        let codes: Vec<&str> = [401, 403, 404, 412, 429, 500, 503, 301, 400].into_iter().map(code).collect();
        let wanted =
            ["log_in_failed", "permission_denied", "not_found", "changed", "busy", "busy", "busy", "protocol", "protocol"];
        assert_eq!(codes, wanted);
        assert!(ObjectError::of_status(503, "a", None).is_temporary() && !ObjectError::of_status(404, "a", None).is_temporary());
    }
}
