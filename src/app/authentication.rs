//! Identifies the caller, once per request, before any handler. Handlers that need no caller never read it, so a stale cookie
//! cannot keep users from logging in or out.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, web};

use crate::features::accounts::{ACCESS_COOKIE, Authentication, Principal, SessionLimits, authenticate_token, user_named_by};
use crate::features::api_keys::{self, AppRequest, KnownKeys, NotedUses};
use crate::platform::db;
use crate::platform::http::{ApiError, ApiResult, bodies, client_address, client_network, is_same_site, request_id};
use crate::platform::services::Services;

use super::api_docs::Asked;
use super::policy::Policy;
use super::throttling::{self, Throttles};

const API_KEY: &str = "x-api-key";

/// Attaches the caller to the request and counts it against their limit.
pub async fn identify(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let policy = request.extensions().get::<Asked>().map_or(Policy::PAGE, |asked| asked.policy);
    if let Err(refused) = refuse_foreign_pages(request.request()) {
        return Ok(request.into_response(refused.into_answer()));
    }
    if policy.takes_bodies_of_strangers() {
        bodies::comes_from_stranger(request.request());
    }
    let found = if policy.is_public { Ok(None) } else { caller(request.request(), policy).await };
    if let Ok(Some(principal)) = &found {
        bodies::comes_from(request.request(), principal.user.id);
    }
    let throttles = request.app_data::<web::Data<Throttles>>();
    let admit = |throttles: &web::Data<Throttles>| throttling::admit(throttles, request.request(), policy, &found);
    let standing = match throttles.map(admit).transpose() {
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

/// Returns the database session of a request: whose rows it may use, and who uses them from where.
fn session_of(request: &HttpRequest, found: &ApiResult<Option<Principal>>) -> db::Session {
    let caller = found.as_ref().ok().and_then(Option::as_ref);
    let session =
        caller.map_or_else(|| db::Session { organisations: Some(Vec::new()), ..db::Session::default() }, Principal::session);
    let address = client_address(request);
    db::Session { address, request_id: request_id(request), ..session }
}

/// Refuses changes that a page of another site requests with our cookies, and log-ins of its visitor as a user of its choice. A
/// key or token in a header does not depend on cookies; browsers let no page of another site send such a header.
fn refuse_foreign_pages(request: &HttpRequest) -> ApiResult<()> {
    // Browsers send the other schemes of this header automatically.
    let bearer = text_header(request, header::AUTHORIZATION.as_str()).is_some_and(|value| value.starts_with("Bearer "));
    let has_credentials = bearer || request.headers().contains_key(API_KEY);
    let Some(services) = request.app_data::<web::Data<Services>>() else { return Ok(()) };
    if request.method().is_safe() || has_credentials || is_same_site(request, &services.settings) {
        return Ok(());
    }
    Err(ApiError::coded(
        StatusCode::FORBIDDEN,
        "foreign_origin",
        "A page of another site may not do this with a cookie. If the page is yours, list its origin in cors_allowed_origins; \
         if it belongs to this server, set public_url to the address in the browser.",
    ))
}

/// Returns the caller by API key, bearer token or cookie, in this order.
async fn caller(request: &HttpRequest, policy: Policy) -> ApiResult<Option<Principal>> {
    let services = request.app_data::<web::Data<Services>>().ok_or_else(|| ApiError::internal(&"no services"))?;
    let key = text_header(request, API_KEY).filter(|key| key.starts_with(api_keys::PREFIX));
    if let Some(key) = key
        && policy.reports_events()
    {
        return by_known_key(request, services, key).await.map(Some);
    }
    if let Some(key) = key {
        let keys = known_keys(request)?;
        let network = client_network(request);
        let look_up = keys.counted(key, &network, api_keys::authenticate(services, key));
        let found = match keys.user_of(key) {
            Some(user) => within_limit_of(request, policy, &user.to_string(), look_up).await?,
            None => look_up.await?,
        };
        if let Some(principal) = found {
            return Ok(Some(principal));
        }
    }
    match bearer(request)? {
        Some(token) => by_token(request, services, policy, token).await.map(Some),
        None => match request.cookie(ACCESS_COOKIE).filter(|cookie| !cookie.value().is_empty()) {
            Some(cookie) => by_token(request, services, policy, cookie.value()).await.map(Some),
            None => Ok(None),
        },
    }
}

/// Looks up a user; refuses what is beyond their limit before anything is asked of the database.
async fn within_limit_of<T>(
    request: &HttpRequest,
    policy: Policy,
    user: &str,
    look_up: impl Future<Output = ApiResult<T>>,
) -> ApiResult<T> {
    match request.app_data::<web::Data<Throttles>>() {
        Some(throttles) => throttling::look_up(throttles, policy, user, look_up).await,
        None => look_up.await,
    }
}

/// Returns the caller of an access token.
async fn by_token(request: &HttpRequest, services: &Services, policy: Policy, token: &str) -> ApiResult<Principal> {
    let user = user_named_by(services, token)?;
    let limits = request.app_data::<web::Data<SessionLimits>>().ok_or_else(|| ApiError::internal(&"no limits of sessions"))?;
    let look_up = async { authenticate_token(services, limits, token).await.map_err(ApiError::from) };
    within_limit_of(request, policy, &user, look_up).await
}

/// Returns the caller of event reports, of which there may be thousands a second: their keys are looked up where those of
/// predictions are.
async fn by_known_key(request: &HttpRequest, services: &Services, key: &str) -> ApiResult<Principal> {
    let (keys, uses) = (known_keys(request)?, request.app_data::<web::Data<NotedUses>>());
    let known = keys.caller(key, || client_network(request)).await?;
    if known.app.is_some() {
        AppRequest::note(request, &known)?;
    }
    if let (Some(uses), Some(grant)) = (uses, &known.principal.key) {
        uses.note(services, grant.id).await?;
    }
    Ok(known.principal.clone())
}

fn known_keys(request: &HttpRequest) -> ApiResult<&KnownKeys> {
    let keys = request.app_data::<web::Data<KnownKeys>>().ok_or_else(|| ApiError::internal(&"no keys"))?;
    Ok(keys.get_ref())
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
