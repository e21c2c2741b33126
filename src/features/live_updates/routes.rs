//! `/ws/job/{id}/status/` and `/ws/job/{id}/logs/`.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{CloseCode, CloseReason};

use super::hub::Hub;
use super::sockets::{self, Topic};
use crate::features::accounts::{ACCESS_COOKIE, Role, authenticate_token};
use crate::features::tuning::TuningJob;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::services::Services;

/// Nobody is logged in.
const NOT_AUTHENTICATED: u16 = 4401;
/// No such job, or not the caller's.
const NO_ACCESS: u16 = 4403;

/// The URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/ws/job/{id}/status/", web::get().to(status)).route("/ws/job/{id}/logs/", web::get().to(logs));
}

async fn status(
    request: HttpRequest,
    body: web::Payload,
    services: web::Data<Services>,
    hub: web::Data<Hub>,
) -> ApiResult<HttpResponse> {
    open(&request, body, &services, &hub, Topic::Status).await
}

async fn logs(
    request: HttpRequest,
    body: web::Payload,
    services: web::Data<Services>,
    hub: web::Data<Hub>,
) -> ApiResult<HttpResponse> {
    open(&request, body, &services, &hub, Topic::Logs).await
}

async fn open(
    request: &HttpRequest,
    body: web::Payload,
    services: &Services,
    hub: &Hub,
    topic: Topic,
) -> ApiResult<HttpResponse> {
    refuse_foreign_origin(request)?;
    let job = request.match_info().get("id").and_then(|id| id.parse().ok()).unwrap_or(-1);
    let refused = access(request, services, job).await.err();
    let (response, session, frames) = actix_ws::handle(request, body)
        .map_err(|error| ApiError::bad_request(format!("This is a WebSocket address: {error}")))?;
    match refused {
        // Accepted first, so that browsers get to see the code.
        Some(code) => {
            let reason = CloseReason { code: CloseCode::Other(code), description: None };
            actix_web::rt::spawn(async move { session.close(Some(reason)).await });
        }
        None => {
            let (services, hub) = (services.clone(), hub.clone());
            actix_web::rt::spawn(sockets::serve(services, hub, session, frames, topic, job));
        }
    }
    Ok(response)
}

/// A page of another site must not open a socket with the cookies of ours.
fn refuse_foreign_origin(request: &HttpRequest) -> ApiResult<()> {
    let Some(origin) = request.headers().get(header::ORIGIN).and_then(|value| value.to_str().ok()) else { return Ok(()) };
    let connection = request.connection_info();
    let same = origin.split_once("://").is_some_and(|(_, host)| host == connection.host());
    if same { Ok(()) } else { Err(ApiError::forbidden("This origin may not open live updates.")) }
}

async fn access(request: &HttpRequest, services: &Services, job: i64) -> Result<(), u16> {
    let cookie = request.cookie(ACCESS_COOKIE).map(|cookie| cookie.value().to_owned()).filter(|token| !token.is_empty());
    let sent = || {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string()).ok()?;
        pairs.into_inner().into_iter().find(|(name, _)| name == "token").map(|(_, token)| token)
    };
    let token = cookie.or_else(sent).ok_or(NOT_AUTHENTICATED)?;
    let principal = authenticate_token(services, &token).await.map_err(|_| NOT_AUTHENTICATED)?;
    let mut connection = services.db.conn().await.map_err(|_| NO_ACCESS)?;
    principal.load::<TuningJob>(&mut connection, job, Role::Viewer).await.map(|_| ()).map_err(|_| NO_ACCESS)
}
