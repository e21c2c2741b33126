//! Health of predictions. Needs no key.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::features::inference::service::Inference;
use crate::features::models::ModelCache;
use crate::platform::http::threads;
use crate::platform::wire_enum;

/// Whether predictions are answered, and how many models are in memory.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    status: &'static str,
    loaded_models: usize,
}

/// Returns whether predictions are answered. Needs no key.
#[utoipa::path(get, path = "/inference/health", tag = "inference", operation_id = "read_inference_health",
    responses((status = 200, body = inline(Health)),
        (status = 503, body = inline(Health), description = "All threads are busy: `overloaded`")))]
pub async fn health(cache: web::Data<ModelCache>) -> HttpResponse {
    let loaded_models = cache.ids().len();
    if threads::are_free().await {
        HttpResponse::Ok().json(Health { status: "healthy", loaded_models })
    } else {
        HttpResponse::ServiceUnavailable().json(Health { status: "overloaded", loaded_models })
    }
}

wire_enum! {
    /// Whether the process is ready for traffic.
    pub enum ReadinessStatus {
        Ready = "ready",
        /// The models of active slots are being loaded.
        Preloading = "preloading",
        /// All threads are busy.
        Overloaded = "overloaded",
    }
}

/// Whether the first requests find their models in memory.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    status: ReadinessStatus,
    loaded_models: usize,
    /// Projects whose deployment slots are in memory.
    known_projects: u64,
    /// API keys in memory.
    known_keys: u64,
}

/// Returns whether the models of active slots have been loaded since the start and threads are free, for a load balancer. A model
/// that cannot be loaded, or does not fit into memory, does not delay this; all together delay it by a minute at most. Needs no key.
#[utoipa::path(get, path = "/inference/ready", tag = "inference", operation_id = "read_inference_readiness",
    responses((status = 200, body = inline(Readiness)), (status = 503, body = inline(Readiness), description = "The models are not loaded yet, or all threads are busy")))]
pub async fn readiness(cache: web::Data<ModelCache>, inference: web::Data<Inference>) -> HttpResponse {
    let status = if !inference.is_ready() {
        ReadinessStatus::Preloading
    } else if threads::are_free().await {
        ReadinessStatus::Ready
    } else {
        ReadinessStatus::Overloaded
    };
    let body = Readiness {
        status,
        loaded_models: cache.ids().len(),
        known_projects: inference.known_projects(),
        known_keys: inference.known_keys(),
    };
    match status {
        ReadinessStatus::Ready => HttpResponse::Ok().json(body),
        ReadinessStatus::Preloading | ReadinessStatus::Overloaded => HttpResponse::ServiceUnavailable().json(body),
    }
}

/// The models in memory.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoadedModels {
    /// Ids, the least recently used first.
    models: Vec<i64>,
    count: usize,
}

/// Returns the models in memory. Needs no key.
#[utoipa::path(get, path = "/inference/models", tag = "inference", operation_id = "list_inference_models",
    responses((status = 200, body = inline(LoadedModels))))]
pub async fn loaded(cache: web::Data<ModelCache>) -> web::Json<LoadedModels> {
    let models = cache.ids();
    web::Json(LoadedModels { count: models.len(), models })
}
