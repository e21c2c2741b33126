//! `/inference/predict/…`, `/inference/next/…`, `/inference/related/…`, `/inference/health`, `/inference/ready`,
//! `/inference/models`.

mod health;
mod item_filter;
mod next;
mod predict;
mod project;
mod related;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use utoipa::OpenApi;

use super::error::InferenceError;
use super::service::Inference;
use crate::features::api_keys::KnownKey;
use crate::platform::http::{ApiError, ApiResult};

/// Predictions; their paths lie under `/inference`, beside the management API.
#[derive(OpenApi)]
#[openapi(paths(
    predict::one,
    predict::batch,
    project::one,
    related::one,
    next::one,
    health::health,
    health::readiness,
    health::loaded
))]
pub struct Docs;

/// The URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(only("/predict/project/{project_id}", web::post().to(project::one), "POST"))
        .service(only("/predict/{model_id}", web::post().to(predict::one), "POST"))
        .service(only("/predict/{model_id}/batch", web::post().to(predict::batch), "POST"))
        .service(only("/next/{model_id}", web::post().to(next::one), "POST"))
        .service(only("/related/{model_id}", web::post().to(related::one), "POST"))
        .service(only("/health", web::get().to(health::health), "GET"))
        .service(only("/ready", web::get().to(health::readiness), "GET"))
        .service(only("/models", web::get().to(health::loaded), "GET"))
        .route("/{path:.+}/", web::route().to(without_slash));
}

/// An address with one verb; any other is answered with which that is.
fn only(path: &str, route: actix_web::Route, verb: &'static str) -> actix_web::Resource {
    let wrong_verb = move |request: HttpRequest| async move {
        let message = format!("Method \"{}\" not allowed.", request.method());
        let mut answer = ApiError::detail(StatusCode::METHOD_NOT_ALLOWED, message).into_answer();
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(verb));
        answer
    };
    web::resource(path).route(route).default_service(web::route().to(wrong_verb))
}

/// The key that calls, with the scope for it and within its limit.
async fn admitted(request: &HttpRequest, inference: &Inference) -> ApiResult<Arc<KnownKey>> {
    let sent = request.headers().get("x-api-key").ok_or(InferenceError::KeyMissing)?;
    let key = sent.to_str().map_err(|_| ApiError::key_not_valid())?;
    inference.admit(key, request.path()).await
}

/// Addresses here end without a slash: the method and body go along to the right one.
async fn without_slash(request: HttpRequest) -> HttpResponse {
    let path = request.path().trim_end_matches('/');
    let query = request.query_string();
    let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    HttpResponse::TemporaryRedirect()
        .insert_header(("location", target))
        .json(json!({ "detail": "Leave out the slash at the end." }))
}
