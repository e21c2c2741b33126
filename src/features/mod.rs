//! One vertical slice per concept. A slice imports the ones above it in this list, by what their `mod.rs` offers only;
//! `tests/architecture/` checks it.

/// Users, the organisations they belong to with a role, and their authentication.
pub mod accounts;

/// The record of who changed what.
pub mod audit;

/// Projects, and the deletion of what is in them.
pub mod projects;

/// Keys that act for a user within one project.
pub mod api_keys;

/// The log lines of background jobs.
pub mod task_logs;

/// Uploads of interactions, and their preparation.
pub mod datasets;

/// Uploads about items, and how their rows are found.
pub mod item_metadata;

/// What the columns of item metadata mean, in versions.
pub mod feature_sets;

/// The items and users of a project, listed and searched.
pub mod catalogue;

/// What is held out to evaluate models, and what is measured.
pub mod evaluation;

/// An algorithm with its parameters.
pub mod model_configs;

/// Trained models: their training, their signed files, and the lists they recommend.
pub mod models;

/// How much each field of a feature set is worth for new items.
pub mod feature_measurements;

/// Searches for the best algorithm and parameters, and their trials.
pub mod tuning;

/// Slots: which model answers which share of a project's traffic.
pub mod deployments;

/// What users did with the lists they were shown.
pub mod events;

/// Comparisons of two slots by what their users did.
pub mod ab_tests;

/// The lists that were answered, and those that shadow slots would have answered.
pub mod recommendation_log;

/// Schedules that train again, and the gate a new model passes before it is deployed.
pub mod retraining;

/// Predictions, answered from memory.
pub mod inference;

/// What another model would have earned, estimated from past traffic.
pub mod off_policy;

/// Other programs: apps with a key, and endpoints that are told what happens in a project.
pub mod webhooks;

/// Tables of other servers that projects read by themselves.
pub mod data_sources;

/// The lists of all users or items, delivered on request or by the clock.
pub mod destinations;

/// What happens from new rows to delivered lists, stage by stage.
pub mod pipelines;

/// From files to an endpoint in one call.
pub mod studio;

/// WebSockets that report the state of searches and trainings.
pub mod live_updates;

use utoipa::OpenApi;

/// Returns the API documents of all slices.
pub fn docs() -> Vec<utoipa::openapi::OpenApi> {
    vec![
        accounts::Docs::openapi(),
        audit::Docs::openapi(),
        projects::Docs::openapi(),
        api_keys::Docs::openapi(),
        task_logs::Docs::openapi(),
        datasets::Docs::openapi(),
        item_metadata::Docs::openapi(),
        feature_sets::Docs::openapi(),
        catalogue::Docs::openapi(),
        evaluation::Docs::openapi(),
        model_configs::Docs::openapi(),
        models::Docs::openapi(),
        feature_measurements::Docs::openapi(),
        tuning::Docs::openapi(),
        deployments::Docs::openapi(),
        events::Docs::openapi(),
        ab_tests::Docs::openapi(),
        recommendation_log::Docs::openapi(),
        retraining::Docs::openapi(),
        inference::Docs::openapi(),
        off_policy::Docs::openapi(),
        webhooks::Docs::openapi(),
        data_sources::Docs::openapi(),
        destinations::Docs::openapi(),
        pipelines::Docs::openapi(),
        studio::Docs::openapi(),
        studio::airec::Docs::openapi(),
    ]
}
