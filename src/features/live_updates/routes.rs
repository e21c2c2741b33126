//! `/ws/job/{id}/…/` and `/ws/model/{id}/…/`: `status` and `logs` of a search and of a training.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};

use super::access::{self, Refusal};
use super::feed::{Feed, Topic};
use super::hub::Hub;
use super::sockets::{self, Watcher};
use super::warden::Place;
use crate::features::accounts::{ACCESS_COOKIE, SessionLimits};
use crate::features::task_logs::Subject;
use crate::platform::http::{ApiError, ApiResult, Filters, is_same_site};
use crate::platform::services::Services;

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route(r"/ws/{of:job|model}/{id:\d+}/{kind:status|logs}/", web::get().to(open));
}

async fn open(
    request: HttpRequest,
    body: web::Payload,
    services: web::Data<Services>,
    hub: web::Data<Hub>,
    limits: web::Data<SessionLimits>,
    filters: Filters,
) -> ApiResult<HttpResponse> {
    // Known errors are answered before the upgrade: clients whose socket opens and closes again reconnect forever.
    if !is_same_site(&request, &services.settings) {
        return Err(ApiError::forbidden("This origin may not open live updates."));
    }
    let after = filters.id("after")?;
    let (response, session, frames) = actix_ws::handle(&request, body)
        .map_err(|error| ApiError::bad_request(format!("This is a WebSocket address: {error}")))?;
    let (feed, place) = enter(&request, &filters, &services, &hub, &limits).await.map_err(Refusal::answer)?;
    let watcher = Watcher::new(services.get_ref().clone(), limits.into_inner(), session, feed, after);
    actix_web::rt::spawn(watcher.serve(frames.max_frame_size(sockets::LARGEST_FRAME), place, hub.stop().clone()));
    Ok(response)
}

async fn enter(
    request: &HttpRequest,
    filters: &Filters,
    services: &Services,
    hub: &Hub,
    limits: &SessionLimits,
) -> Result<(Arc<Feed>, Place), Refusal> {
    let token = token_of(request, filters).ok_or(Refusal::NotAuthenticated)?;
    let caller = access::caller(services, limits, &token).await?;
    let topic = topic_of(request).ok_or(Refusal::NoAccess)?;
    // Registered before the right is checked, so that a heartbeat in between checks it again.
    let place = hub.warden.enter(caller.session_id.ok_or(Refusal::NotAuthenticated)?, topic.subject);
    access::allow(services, &caller, topic.subject).await?;
    let feed = hub.watch(&services.db, topic).await.map_err(|_| Refusal::Unknown)?;
    Ok((feed, place))
}

/// Returns the token in the cookie; that of the query parameter only if there is no cookie.
fn token_of(request: &HttpRequest, filters: &Filters) -> Option<String> {
    let cookie = request.cookie(ACCESS_COOKIE).map(|cookie| cookie.value().to_owned());
    cookie.filter(|token| !token.is_empty()).or_else(|| filters.text("token"))
}

fn topic_of(request: &HttpRequest) -> Option<Topic> {
    let path = request.match_info();
    let id = path.get("id")?.parse().ok()?;
    let subject = if path.get("of")? == "job" { Subject::Tuning(id) } else { Subject::Model(id) };
    let kind = path.get("kind")?.parse().ok()?;
    Some(Topic { subject, kind })
}
