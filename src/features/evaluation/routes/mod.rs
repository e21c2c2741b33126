//! `/split_config/` and `/evaluation_config/`.

mod evaluation_config;
mod split_config;

use actix_web::web;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(
    split_config::list,
    split_config::create,
    split_config::read,
    split_config::replace,
    split_config::update,
    split_config::delete,
    evaluation_config::list,
    evaluation_config::create,
    evaluation_config::read,
    evaluation_config::replace,
    evaluation_config::update,
    evaluation_config::delete
))]
pub struct Docs;

/// The URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    config.configure(split_config::routes).configure(evaluation_config::routes);
}
