//! `/feature_sets/`.

mod sets;
mod shown;

use actix_web::web;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(sets::list, sets::create, sets::read, sets::update, sets::delete, shown::columns, shown::preview))]
pub struct Docs;

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/feature_sets/").route(web::get().to(sets::list)).route(web::post().to(sets::create)))
        .service(web::resource("/feature_sets/columns/").route(web::get().to(shown::columns)))
        .service(web::resource("/feature_sets/preview/").route(web::post().to(shown::preview)))
        .service(
            web::resource("/feature_sets/{id}/")
                .route(web::get().to(sets::read))
                .route(web::patch().to(sets::update))
                .route(web::delete().to(sets::delete)),
        );
}
