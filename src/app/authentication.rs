//! Finds out who is calling, once per request, before any handler. Handlers that need nobody never look, so a stale
//! cookie cannot keep anybody from logging in or out.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, web};

use crate::features::accounts::{ACCESS_COOKIE, Authentication, Principal, authenticate_token};
use crate::features::api_keys::{self, NotedUses};
use crate::features::inference::Inference;
use crate::platform::db;
use crate::platform::http::{ApiError, ApiResult, client_address, request_id};
use crate::platform::services::Services;

use super::throttling::{self, Throttles};

/// Paths that answer alike whoever calls; credentials sent along, good or bad, are not even looked at.
pub const OPEN_TO_ALL: [&str; 10] = [
    "/auth/login/",
    "/auth/logout/",
    "/auth/token/refresh/",
    "/auth/token/verify/",
    "/auth/sign_up/",
    "/auth/options/",
    "/auth/password/reset/",
    "/invitation/look_up/",
    "/ping/",
    "/schema/",
];

/// Puts the caller into the request and counts it against their limit.
pub async fn identify(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let found = if is_open(request.path()) { Ok(None) } else { caller(request.request()).await };
    let throttles = request.app_data::<web::Data<Throttles>>();
    let standing = match throttles.map(|throttles| throttling::admit(throttles, request.request(), &found)).transpose() {
        Ok(standing) => standing.flatten(),
        Err(refused) => return Ok(request.into_response(refused.into_answer())),
    };
    let session = session_of(request.request(), &found);
    request.extensions_mut().insert(Authentication(found));
    let mut response = db::acting_as(session, next.call(request)).await?.map_into_boxed_body();
    if let Some(standing) = standing {
        throttling::tell(response.headers_mut(), standing);
    }
    Ok(response)
}

/// What the database is told about a request: whose rows it may touch, and who touches them from where.
fn session_of(request: &HttpRequest, found: &ApiResult<Option<Principal>>) -> db::Session {
    let caller = found.as_ref().ok().and_then(Option::as_ref);
    let session =
        caller.map_or_else(|| db::Session { organisations: Some(Vec::new()), ..db::Session::default() }, Principal::session);
    let address = client_address(request);
    db::Session { address, request_id: request_id(request), ..session }
}

fn is_open(path: &str) -> bool {
    let below_base = path.strip_prefix("/api/v1").or_else(|| path.strip_prefix("/api")).unwrap_or(path);
    OPEN_TO_ALL.iter().any(|open| below_base.starts_with(open))
}

/// The caller by API key, bearer token or cookie, in this order.
pub async fn caller(request: &HttpRequest) -> ApiResult<Option<Principal>> {
    let services = request.app_data::<web::Data<Services>>().ok_or_else(|| ApiError::internal(&"no services"))?;
    let key = text_header(request, "x-api-key").filter(|key| key.starts_with(api_keys::PREFIX));
    if let Some(key) = key
        && reports_events(request)
    {
        return by_known_key(request, services, key).await.map(Some);
    }
    if let Some(key) = key
        && let Some(principal) = api_keys::authenticate(services, key).await?
    {
        return Ok(Some(principal));
    }
    match bearer(request)? {
        Some(token) => Ok(Some(authenticate_token(services, token).await?)),
        None => match request.cookie(ACCESS_COOKIE).filter(|cookie| !cookie.value().is_empty()) {
            Some(cookie) => Ok(Some(authenticate_token(services, cookie.value()).await?)),
            None => Ok(None),
        },
    }
}

/// Whether a request reports events. There may be thousands a second, so that a key is then looked up where predictions look.
pub fn reports_events(request: &HttpRequest) -> bool {
    let path = request.path();
    request.method() == Method::POST && (path.ends_with("/conversion_event/") || path.ends_with("/conversion_event/batch/"))
}

async fn by_known_key(request: &HttpRequest, services: &Services, key: &str) -> ApiResult<Principal> {
    let (inference, uses) = (request.app_data::<web::Data<Inference>>(), request.app_data::<web::Data<NotedUses>>());
    let inference = inference.ok_or_else(|| ApiError::internal(&"no inference"))?;
    let known = inference.caller(key).await?;
    if let (Some(uses), Some(grant)) = (uses, &known.principal.key) {
        uses.note(services, grant.id).await?;
    }
    Ok(known.principal.clone())
}

fn text_header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

fn bearer(request: &HttpRequest) -> ApiResult<Option<&str>> {
    let Some(value) = text_header(request, header::AUTHORIZATION.as_str()) else { return Ok(None) };
    let mut words = value.split_whitespace();
    if words.next() != Some("Bearer") {
        return Ok(None);
    }
    match (words.next(), words.next()) {
        (Some(token), None) => Ok(Some(token)),
        _ => Err(ApiError::coded(
            StatusCode::UNAUTHORIZED,
            "bad_authorization_header",
            "Authorization header must contain two space-delimited values",
        )),
    }
}
