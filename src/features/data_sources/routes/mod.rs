//! `/data_connection/`, `/data_source/` and `/source_run/`.

mod connections;
mod runs;
mod sources;

use actix_web::web;
use utoipa::OpenApi;

use crate::platform::resource;

#[derive(OpenApi)]
#[openapi(paths(
    connections::list,
    connections::create,
    connections::read,
    connections::replace,
    connections::update,
    connections::delete,
    connections::test,
    connections::browse,
    connections::sample,
    sources::list,
    sources::create,
    sources::read,
    sources::replace,
    sources::update,
    sources::delete,
    sources::preview,
    sources::dry_run,
    sources::run,
    sources::backfill,
    sources::reset,
    runs::list,
    runs::read,
    runs::accept,
    runs::discard,
    runs::cancel,
    runs::retry
))]
pub struct Docs;

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    resource!(config, "/data_connection/", connections)
        .route("/data_connection/{id}/test/", web::post().to(connections::test))
        .route("/data_connection/{id}/browse/", web::get().to(connections::browse))
        .route("/data_connection/{id}/sample/", web::get().to(connections::sample));
    resource!(config, "/data_source/", sources)
        .route("/data_source/{id}/preview/", web::post().to(sources::preview))
        .route("/data_source/{id}/dry_run/", web::post().to(sources::dry_run))
        .route("/data_source/{id}/run/", web::post().to(sources::run))
        .route("/data_source/{id}/backfill/", web::post().to(sources::backfill))
        .route("/data_source/{id}/reset/", web::post().to(sources::reset));
    config
        .route("/source_run/", web::get().to(runs::list))
        .route("/source_run/{id}/", web::get().to(runs::read))
        .route("/source_run/{id}/accept/", web::post().to(runs::accept))
        .route("/source_run/{id}/discard/", web::post().to(runs::discard))
        .route("/source_run/{id}/cancel/", web::post().to(runs::cancel))
        .route("/source_run/{id}/retry/", web::post().to(runs::retry));
}
