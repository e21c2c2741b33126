//! One attempt to deliver a message.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, Request, StatusCode};
use tokio::time::Instant;
use url::Url;

use super::super::model::{ErrorCode, Waiting};
use super::super::signature::{self, SigningKey};
use super::schedule;
use crate::platform::outbound::{Answer, Limits, Outbound, OutboundError, Refusal};

/// Limits of an attempt: the time until the answer is read, and the bytes of it that are read.
const LIMITS: Limits = Limits { total: Duration::from_secs(15), body: 64 << 10 };

/// Bytes of the answer that are kept.
const KEPT_BYTES: usize = 1_024;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub at: DateTime<Utc>,
    pub status_code: Option<i32>,
    /// `None` if the message was delivered.
    pub error_code: Option<ErrorCode>,
    pub duration_ms: i32,
    pub response_head: String,
    /// How long the receiver asks to wait.
    pub asked_pause: Option<TimeDelta>,
}

impl Outcome {
    /// Returns the outcome of an attempt that could not be made.
    pub fn unsent(at: DateTime<Utc>, error_code: ErrorCode) -> Self {
        let (status_code, duration_ms, response_head) = (None, 0, String::new());
        Self { at, status_code, error_code: Some(error_code), duration_ms, response_head, asked_pause: None }
    }

    /// Returns whether the receiver asks for a pause of all messages.
    pub fn asks_for_rest(&self) -> bool {
        self.asked_pause.is_some() && matches!(self.status_code, Some(429 | 503))
    }
}

/// Sends a message, signed with all keys.
pub async fn send(outbound: &Outbound, url: &Url, keys: &[SigningKey], message: &Waiting, at: DateTime<Utc>) -> Outcome {
    let Ok(request) = request_of(url, keys, message, at) else { return Outcome::unsent(at, ErrorCode::ConnectionFailed) };
    let start = Instant::now();
    let answer = outbound.send(request, LIMITS).await;
    let duration_ms = i32::try_from(start.elapsed().as_millis()).unwrap_or(i32::MAX);
    match answer {
        Ok(answer) => Outcome {
            at,
            status_code: Some(answer.status.as_u16().into()),
            error_code: fault_of(answer.status),
            duration_ms,
            response_head: head_of(&answer),
            asked_pause: schedule::asked_pause(&answer.headers, at),
        },
        Err(error) => Outcome { duration_ms, ..Outcome::unsent(at, code_of(&error)) },
    }
}

fn request_of(
    url: &Url,
    keys: &[SigningKey],
    message: &Waiting,
    at: DateTime<Utc>,
) -> Result<Request, reqwest::header::InvalidHeaderValue> {
    let (id, timestamp) = (message.id.to_string(), at.timestamp());
    let signature = signature::sign(keys, &id, timestamp, message.body.as_bytes());
    let mut request = Request::new(Method::POST, url.clone());
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ID, HeaderValue::from_str(&id)?);
    headers.insert(TIMESTAMP, HeaderValue::from(timestamp));
    headers.insert(SIGNATURE, HeaderValue::from_str(&signature)?);
    *request.body_mut() = Some(message.body.clone().into());
    Ok(request)
}

/// Returns why a status is no success.
fn fault_of(status: StatusCode) -> Option<ErrorCode> {
    match status {
        status if status.is_success() => None,
        status if status.is_redirection() => Some(ErrorCode::Redirected),
        StatusCode::GONE => Some(ErrorCode::Gone),
        StatusCode::TOO_MANY_REQUESTS => Some(ErrorCode::RateLimited),
        _ => Some(ErrorCode::HttpStatus),
    }
}

/// Returns why there was no answer.
pub fn code_of(error: &OutboundError) -> ErrorCode {
    match error {
        OutboundError::Refused(Refusal::Unresolved(_)) => ErrorCode::UnresolvedHost,
        OutboundError::Refused(_) => ErrorCode::RefusedAddress,
        OutboundError::TimedOut(_) => ErrorCode::TimedOut,
        OutboundError::Tls(_) => ErrorCode::TlsFailed,
        OutboundError::Unreachable(_) | OutboundError::Settings(_) => ErrorCode::ConnectionFailed,
    }
}

/// Returns the beginning of an answer as text that can be stored.
fn head_of(answer: &Answer) -> String {
    let head = &answer.body[..answer.body.len().min(KEPT_BYTES)];
    String::from_utf8_lossy(head).replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_2xx_is_success() {
        for (status, fault) in [
            (200, None),
            (204, None),
            (299, None),
            (301, Some(ErrorCode::Redirected)),
            (304, Some(ErrorCode::Redirected)),
            (400, Some(ErrorCode::HttpStatus)),
            (410, Some(ErrorCode::Gone)),
            (429, Some(ErrorCode::RateLimited)),
            (500, Some(ErrorCode::HttpStatus)),
        ] {
            assert_eq!(fault_of(StatusCode::from_u16(status).unwrap()), fault, "{status}");
        }
    }

    #[test]
    fn of_an_answer_the_beginning_is_kept_as_text() {
        let answer = |body: Vec<u8>| Answer { status: StatusCode::OK, headers: Default::default(), body, is_cut: false };
        assert_eq!(head_of(&answer(vec![b'x'; KEPT_BYTES])).len(), KEPT_BYTES);
        assert_eq!(head_of(&answer(vec![b'x'; KEPT_BYTES + 1])).len(), KEPT_BYTES);
        assert_eq!(head_of(&answer(b"a\0\xffb".to_vec())), "a\u{fffd}\u{fffd}b");
    }
}
