//! `/studio/`.

mod form;
mod guesses;
mod run;

use actix_web::web;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(run::list, run::create, run::read, run::cancel, run::demo_key, guesses::create))]
pub struct Docs;

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/studio/").route(web::get().to(run::list)).route(web::post().to(run::create)))
        .route("/studio/guess/", web::post().to(guesses::create))
        .route("/studio/{id}/", web::get().to(run::read))
        .route("/studio/{id}/cancel/", web::post().to(run::cancel))
        .route("/studio/{id}/demo_key/", web::post().to(run::demo_key));
}
