//! `/retraining_schedule/` and `/retraining_run/`.

mod run;
mod schedule;

use actix_web::web;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(
    schedule::list,
    schedule::create,
    schedule::read,
    schedule::replace,
    schedule::update,
    schedule::delete,
    schedule::trigger,
    run::list,
    run::read,
))]
pub struct Docs;

/// The URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/retraining_schedule/").route(web::get().to(schedule::list)).route(web::post().to(schedule::create)),
        )
        .service(
            web::resource("/retraining_schedule/{id}/")
                .route(web::get().to(schedule::read))
                .route(web::put().to(schedule::replace))
                .route(web::patch().to(schedule::update))
                .route(web::delete().to(schedule::delete)),
        )
        .route("/retraining_schedule/{id}/trigger/", web::post().to(schedule::trigger))
        .route("/retraining_run/", web::get().to(run::list))
        .route("/retraining_run/{id}/", web::get().to(run::read));
}
