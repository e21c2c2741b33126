//! Headers of every response, and the id that connects a response to its log lines.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::{DefaultHeaders, Next};
use actix_web::{Error, HttpMessage};
use tracing::Instrument;

use crate::platform::http::RequestId;

/// The content security policy; pictures are also loaded from the given sources.
macro_rules! policy {
    ($pictures:literal) => {
        concat!(
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:",
            $pictures,
            "; connect-src 'self' ws: wss:; object-src 'none'; base-uri 'self'; frame-ancestors 'none'; form-action 'self'"
        )
    };
}

const CONTENT_SECURITY_POLICY: &str = policy!("");
/// The policy of pages that show the pictures of items, which are at the addresses that the item metadata names.
pub const POLICY_WITH_PICTURES: &str = policy!(" https:");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Time for which browsers use HTTPS only: a year.
const TRANSPORT_SECURITY: &str = "max-age=31536000";

/// Returns safe defaults for browsers; where cookies are sent over HTTPS only, browsers are told to use it for everything else,
/// too.
pub fn defaults(is_secure: bool) -> DefaultHeaders {
    let headers = DefaultHeaders::new()
        .add((header::X_FRAME_OPTIONS, "DENY"))
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::REFERRER_POLICY, "same-origin"))
        .add((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .add(("cross-origin-opener-policy", "same-origin"));
    if is_secure { headers.add((header::STRICT_TRANSPORT_SECURITY, TRANSPORT_SECURITY)) } else { headers }
}

/// Gives the request an id (or keeps the proxy's), logs it when it is done, and returns the id in a header.
pub async fn trace(request: ServiceRequest, next: Next<impl MessageBody>) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let sent = request.headers().get(&REQUEST_ID).and_then(|value| value.to_str().ok());
    let acceptable =
        |id: &&str| !id.is_empty() && id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let id = sent.filter(acceptable).map_or_else(|| uuid::Uuid::new_v4().simple().to_string(), str::to_owned);
    let span = tracing::info_span!("request", id, method = %request.method(), path = request.path());
    request.extensions_mut().insert(RequestId(id.clone()));
    async move {
        let mut response = next.call(request).await?;
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        tracing::debug!(status = response.status().as_u16(), "answered");
        Ok(response)
    }
    .instrument(span)
    .await
}
