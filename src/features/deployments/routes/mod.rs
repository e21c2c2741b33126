//! `/deployment_slot/` and `/slot_change/`.

mod change;
mod slot;

use actix_web::web;
use utoipa::OpenApi;

use crate::platform::resource;

#[derive(OpenApi)]
#[openapi(paths(
    slot::list,
    slot::create,
    slot::read,
    slot::replace,
    slot::update,
    slot::delete,
    change::list,
    change::read,
    change::revert,
))]
pub struct Docs;

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    resource!(config, "/deployment_slot/", slot)
        .route("/slot_change/", web::get().to(change::list))
        .route("/slot_change/{id}/", web::get().to(change::read))
        .route("/slot_change/{id}/revert/", web::post().to(change::revert));
}
