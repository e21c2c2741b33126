//! `/app/`, `/webhook_endpoint/` and `/notification/`.

mod apps;
mod endpoints;
mod messages;
mod notifications;

use actix_web::web;
use utoipa::OpenApi;

use crate::platform::resource;

#[derive(OpenApi)]
#[openapi(paths(
    apps::list,
    apps::create,
    apps::read,
    apps::replace,
    apps::update,
    apps::delete,
    apps::new_key,
    apps::usage,
    endpoints::list,
    endpoints::create,
    endpoints::read,
    endpoints::replace,
    endpoints::update,
    endpoints::delete,
    endpoints::rotate_secret,
    messages::test,
    messages::list,
    messages::read,
    messages::retry,
    messages::replay,
    notifications::list,
    notifications::mark_read
))]
pub struct Docs;

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    resource!(config, "/app/", apps)
        .route("/app/{id}/new_key/", web::post().to(apps::new_key))
        .route("/app/{id}/usage/", web::get().to(apps::usage));
    resource!(config, "/webhook_endpoint/", endpoints)
        .route("/webhook_endpoint/{id}/rotate_secret/", web::post().to(endpoints::rotate_secret))
        .route("/webhook_endpoint/{id}/test/", web::post().to(messages::test))
        .route("/webhook_endpoint/{id}/replay/", web::post().to(messages::replay))
        .route("/webhook_endpoint/{id}/messages/", web::get().to(messages::list))
        .route("/webhook_endpoint/{id}/messages/{message_id}/", web::get().to(messages::read))
        .route("/webhook_endpoint/{id}/messages/{message_id}/retry/", web::post().to(messages::retry));
    config
        .route("/notification/", web::get().to(notifications::list))
        .route("/notification/mark_read/", web::post().to(notifications::mark_read));
}
