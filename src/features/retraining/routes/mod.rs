//! `/retraining_schedule/` and `/retraining_run/`.

mod run;
mod schedule;

use actix_web::web;
use utoipa::OpenApi;

use crate::platform::resource;

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

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    resource!(config, "/retraining_schedule/", schedule)
        .route("/retraining_schedule/{id}/trigger/", web::post().to(schedule::trigger))
        .route("/retraining_run/", web::get().to(run::list))
        .route("/retraining_run/{id}/", web::get().to(run::read));
}
