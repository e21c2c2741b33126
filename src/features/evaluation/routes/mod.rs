//! `/split_config/` and `/evaluation_config/`.

mod evaluation_config;
mod split_config;

use actix_web::web;
use utoipa::OpenApi;

use super::store::ConfigFilter;
use crate::platform::http::{ApiError, ApiResult, Filters};

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

fn read_filter(filters: &Filters) -> ApiResult<ConfigFilter> {
    Ok(ConfigFilter { id: filters.id("id")?, name: filters.text("name"), unnamed: filters.flag("unnamed") })
}

/// A live search must end as it began, so what it goes by stays as it is.
fn refuse_while_used(jobs: &[i64]) -> ApiResult<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    let jobs = jobs.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    Err(ApiError::conflict(format!(
        "Tuning jobs that are pending or running use this: {jobs}. Cancel them or wait for them first."
    )))
}
