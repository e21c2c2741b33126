//! Whether predictions are answered, and by what. Needs no key.

use actix_web::web;
use serde::Serialize;
use utoipa::ToSchema;

use crate::features::models::ModelCache;

/// Whether predictions are answered, and how many models are in memory.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    status: &'static str,
    loaded_models: usize,
}

/// Whether predictions are answered. Needs no key.
#[utoipa::path(get, path = "/inference/health", tag = "inference", operation_id = "read_inference_health",
    responses((status = 200, body = inline(Health))))]
pub async fn health(cache: web::Data<ModelCache>) -> web::Json<Health> {
    web::Json(Health { status: "healthy", loaded_models: cache.ids().len() })
}

/// The models in memory.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoadedModels {
    /// Ids, the one used longest ago first.
    models: Vec<i64>,
    count: usize,
}

/// The models in memory. Needs no key.
#[utoipa::path(get, path = "/inference/models", tag = "inference", operation_id = "list_inference_models",
    responses((status = 200, body = inline(LoadedModels))))]
pub async fn loaded(cache: web::Data<ModelCache>) -> web::Json<LoadedModels> {
    let models = cache.ids();
    web::Json(LoadedModels { count: models.len(), models })
}
