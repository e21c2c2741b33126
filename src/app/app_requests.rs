//! Requests of apps: they are counted, and browsers show their answers to the web pages that an app allows.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, VARY,
};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};

use crate::features::api_keys::{AppRequest, origin_of};
use crate::platform::services::Services;

/// The headers that pages may send and read.
const SENT: HeaderValue = HeaderValue::from_static("content-type, x-api-key");
const READ: HeaderValue = HeaderValue::from_static("retry-after, x-request-id");
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// Addresses of predictions where they have no prefix.
const PREDICTIONS: [&str; 3] = ["/predict/", "/next/", "/related/"];

/// Counts a request of an app, and allows its answer to be shown to the page that it comes from, if the app does.
pub async fn watch(request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Some(answer) = preflight(&request) {
        return Ok(request.into_response(answer));
    }
    let mut response = next.call(request).await?.map_into_boxed_body();
    let Some(AppRequest(key)) = AppRequest::of(response.request()) else { return Ok(response) };
    if let Some(traffic) = &key.traffic {
        traffic.count(response.status().is_client_error() || response.status().is_server_error());
    }
    let origin = origin_of(response.request()).filter(|origin| key.shows_to(origin));
    if let Some(origin) = origin.and_then(|origin| HeaderValue::from_str(origin).ok()) {
        show_to(response.headers_mut(), origin);
    }
    Ok(response)
}

fn show_to(headers: &mut HeaderMap, origin: HeaderValue) {
    // The origin may also be one of the operator's.
    if !headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, READ);
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
}

/// Answers a browser that asks whether a page may send a request with a key. It names no key, so the answer is yes; the request
/// itself is refused if its app does not allow the page, and its answer is shown only to pages that are allowed.
fn preflight(request: &ServiceRequest) -> Option<HttpResponse> {
    let headers = request.headers();
    if *request.method() != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) || !is_of_apps(request.path())
    {
        return None;
    }
    let origin = origin_of(request.request())?;
    let settings = &request.app_data::<web::Data<Services>>()?.settings;
    if settings.cors_allowed_origins.iter().any(|allowed| allowed == origin) {
        return None;
    }
    let mut answer = HttpResponse::NoContent();
    answer
        .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_str(origin).ok()?))
        .insert_header((ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST")))
        .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, SENT))
        .insert_header((ACCESS_CONTROL_MAX_AGE, MAX_AGE))
        .insert_header((VARY, HeaderValue::from_static("origin")));
    Some(answer.finish())
}

/// Returns whether apps send requests to an address: predictions and reports of events.
fn is_of_apps(path: &str) -> bool {
    let below = ["/api/v1", "/api"].iter().find_map(|base| path.strip_prefix(base)?.strip_prefix("/conversion_event/"));
    below.is_some_and(|rest| ["", "batch/"].contains(&rest))
        || path.strip_prefix("/inference").is_some_and(|rest| PREDICTIONS.iter().any(|one| rest.starts_with(one)))
        || PREDICTIONS.iter().any(|one| path.starts_with(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_may_send_predictions_and_events_and_nothing_else() {
        for path in [
            "/inference/predict/7",
            "/predict/project/7",
            "/inference/next/1",
            "/api/v1/conversion_event/",
            "/api/conversion_event/batch/",
        ] {
            assert!(is_of_apps(path), "{path}");
        }
        for path in ["/api/v1/project/", "/api/v1/conversion_event/7/", "/inference/models", "/", "/projects/1"] {
            assert!(!is_of_apps(path), "{path}");
        }
    }
}
