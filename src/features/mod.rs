//! One vertical slice per concept. A slice imports the ones above it in this list, by their face only.

pub mod accounts;
pub mod projects;

pub mod api_keys;
pub mod evaluation;
pub mod model_configs;
pub mod task_logs;

use utoipa::OpenApi;

/// The API document of every slice.
pub fn docs() -> Vec<utoipa::openapi::OpenApi> {
    vec![
        accounts::Docs::openapi(),
        projects::Docs::openapi(),
        api_keys::Docs::openapi(),
        evaluation::Docs::openapi(),
        model_configs::Docs::openapi(),
        task_logs::Docs::openapi(),
    ]
}
