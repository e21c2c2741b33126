//! `/deployment_slot/` and `/slot_change/`.

mod change;
mod slot;

use actix_web::web;
use utoipa::OpenApi;

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

/// The URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/deployment_slot/").route(web::get().to(slot::list)).route(web::post().to(slot::create)))
        .service(
            web::resource("/deployment_slot/{id}/")
                .route(web::get().to(slot::read))
                .route(web::put().to(slot::replace))
                .route(web::patch().to(slot::update))
                .route(web::delete().to(slot::delete)),
        )
        .route("/slot_change/", web::get().to(change::list))
        .route("/slot_change/{id}/", web::get().to(change::read))
        .route("/slot_change/{id}/revert/", web::post().to(change::revert));
}
