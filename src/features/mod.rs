//! One vertical slice per concept. A slice imports the ones above it in this list, by their face only.

pub mod accounts;

pub mod audit;

pub mod projects;

pub mod api_keys;

pub mod datasets;

pub mod evaluation;

pub mod model_configs;

pub mod task_logs;

pub mod models;

pub mod tuning;

pub mod deployments;

pub mod events;

pub mod ab_tests;

pub mod recommendation_log;

pub mod retraining;

pub mod inference;

pub mod off_policy;

pub mod live_updates;

use utoipa::OpenApi;

/// The API document of every slice.
pub fn docs() -> Vec<utoipa::openapi::OpenApi> {
    vec![
        accounts::Docs::openapi(),
        audit::Docs::openapi(),
        projects::Docs::openapi(),
        api_keys::Docs::openapi(),
        datasets::Docs::openapi(),
        evaluation::Docs::openapi(),
        model_configs::Docs::openapi(),
        task_logs::Docs::openapi(),
        models::Docs::openapi(),
        tuning::Docs::openapi(),
        deployments::Docs::openapi(),
        events::Docs::openapi(),
        ab_tests::Docs::openapi(),
        recommendation_log::Docs::openapi(),
        retraining::Docs::openapi(),
        inference::Docs::openapi(),
        off_policy::Docs::openapi(),
    ]
}
