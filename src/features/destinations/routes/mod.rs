//! `/destination/` and `/delivery/`.

mod delivery;
mod destination;

use actix_web::web;
use utoipa::OpenApi;

use crate::platform::resource;

#[derive(OpenApi)]
#[openapi(paths(
    destination::list,
    destination::create,
    destination::read,
    destination::replace,
    destination::update,
    destination::delete,
    destination::run,
    delivery::list,
    delivery::read,
    delivery::cancel,
    delivery::retry,
    delivery::download,
))]
pub struct Docs;

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    resource!(config, "/destination/", destination)
        .route("/destination/{id}/run/", web::post().to(destination::run))
        .route("/delivery/", web::get().to(delivery::list))
        .route("/delivery/{id}/", web::get().to(delivery::read))
        .route("/delivery/{id}/cancel/", web::post().to(delivery::cancel))
        .route("/delivery/{id}/retry/", web::post().to(delivery::retry))
        .route("/delivery/{id}/download/", web::get().to(delivery::download));
}
