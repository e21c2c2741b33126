//! Rules for every response: every error is JSON, a panic is a 500 and not a broken connection, and a request for an unknown
//! host, or on a connection beyond the limit of its network, is refused.

use std::panic::AssertUnwindSafe;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};
use futures_util::FutureExt;

use crate::platform::http::{ApiError, connections, origin};
use crate::platform::services::Services;

/// Converts any error from below to the one envelope.
pub async fn in_json(request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<ServiceResponse<BoxBody>, Error> {
    let response = AssertUnwindSafe(next.call(request)).catch_unwind().await;
    let mut response = response.map_err(|panic| ApiError::internal(&said(panic.as_ref())))??.map_into_boxed_body();
    if response.headers().get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding == "identity") {
        // The header only kept the response from being compressed, and is not a valid encoding.
        response.headers_mut().remove(header::CONTENT_ENCODING);
    }
    let status = response.status();
    let wrong = status.is_client_error() || status.is_server_error();
    if !wrong || is_json(response.response()) {
        return Ok(response);
    }
    let (request, bare) = response.into_parts();
    let mut answer = ApiError::detail(status, reason(status)).into_answer();
    let of_old_body = [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING];
    for (name, value) in bare.headers().iter().filter(|(name, _)| !of_old_body.contains(name)) {
        answer.headers_mut().append(name.clone(), value.clone());
    }
    Ok(ServiceResponse::new(request, answer))
}

fn is_json(response: &HttpResponse<BoxBody>) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.contains("json"))
}

fn reason(status: StatusCode) -> String {
    format!("{}.", status.canonical_reason().unwrap_or("The request failed"))
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string).or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panicked: {}", text.unwrap_or_default())
}

/// Answers 503 on a connection beyond the limit of its network, and 400 for a host name that is not among the allowed ones, if any
/// are set: links in responses and mails name the host.
pub async fn if_admitted(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Some(refused) = connections::refusal(request.request()) {
        return Ok(request.into_response(refused));
    }
    let services = request.app_data::<web::Data<Services>>();
    let allowed = services.map_or(&[][..], |services| services.settings.allowed_hosts.as_slice());
    if allowed.is_empty() || is_allowed(&origin(request.request()), allowed) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    Ok(request.into_response(ApiError::bad_request("This server does not answer to that host name.").into_answer()))
}

fn is_allowed(origin: &str, allowed: &[String]) -> bool {
    let url = url::Url::parse(origin).ok();
    let Some(host) = url.as_ref().and_then(|url| url.host_str()).map(|host| host.trim_end_matches('.')) else { return false };
    allowed.iter().any(|pattern| match pattern.strip_prefix('.') {
        Some(domain) => host.eq_ignore_ascii_case(domain) || host.to_ascii_lowercase().ends_with(&pattern.to_ascii_lowercase()),
        None => pattern == "*" || host.eq_ignore_ascii_case(pattern),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_matched_as_django_matches_them() {
        let allowed = |host: &str, patterns: &[&str]| {
            is_allowed(&format!("http://{host}"), &patterns.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert!(allowed("example.com:8000", &["example.com"]));
        assert!(allowed("A.Example.com", &[".example.com"]) && allowed("example.com.", &[".example.com"]));
        assert!(allowed("[::1]:8000", &["[::1]"]) && allowed("anything", &["*"]));
        assert!(!allowed("evilexample.com", &[".example.com"]) && !allowed("other", &["example.com"]));
        assert!(!allowed("example.com@evil.com", &["example.com"]) && !allowed("", &["example.com"]));
    }
}
