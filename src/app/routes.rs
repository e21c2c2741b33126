//! Every URL there is.

use actix_web::dev::HttpServiceFactory;
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::{api_docs, authentication, spa};
use crate::features::{
    accounts, api_keys, audit, datasets, evaluation, inference, live_updates, model_configs, models, projects, task_logs, tuning,
};
use crate::platform::http::ApiError;

/// Largest body of a request that is not an upload.
const LARGEST_BODY: usize = 10 << 20;

/// API, live updates, inference and the UI: all a browser or a program can ask `serve` for.
pub fn all(config: &mut web::ServiceConfig) {
    config
        .app_data(web::PayloadConfig::new(LARGEST_BODY))
        .service(management("/api/v1"))
        .service(management("/api"))
        .configure(live_updates::routes)
        .service(inference_scope())
        .service(api_docs::swagger_ui())
        .default_service(web::route().to(fallback));
}

/// What the lean `infer` role answers.
pub fn inference_only(config: &mut web::ServiceConfig) {
    config
        .app_data(web::PayloadConfig::new(LARGEST_BODY))
        .service(inference_scope())
        .route("/health", web::get().to(|| async { HttpResponse::Ok().json(json!({ "status": "healthy" })) }))
        .default_service(web::route().to(|| async { HttpResponse::NotFound().json(json!({ "error": "Not found." })) }));
}

fn inference_scope() -> impl HttpServiceFactory {
    web::scope("/inference").configure(inference::routes).default_service(web::route().to(not_found))
}

fn management(base: &'static str) -> impl HttpServiceFactory {
    web::scope(base)
        .wrap(from_fn(authentication::identify))
        .configure(accounts::routes)
        .configure(audit::routes)
        .configure(projects::routes)
        .configure(api_keys::routes)
        .configure(datasets::routes)
        .configure(evaluation::routes)
        .configure(model_configs::routes)
        .configure(task_logs::routes)
        .configure(models::routes)
        .configure(tuning::routes)
        .route("/ping/", web::get().to(ping))
        .route("/schema/", web::get().to(api_docs::schema))
        .route("/schema/swagger-ui/", web::get().to(api_docs::swagger_redirect))
        .route("/schema/redoc/", web::get().to(api_docs::swagger_redirect))
        .default_service(web::route().to(slash_or_not_found))
}

async fn ping() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "success": true }))
}

/// Addresses end in a slash: reading without it is sent to where it is, anything else is told so.
async fn slash_or_not_found(request: HttpRequest) -> HttpResponse {
    let path = request.path();
    if path.ends_with('/') || !matches!(*request.method(), Method::GET | Method::HEAD) {
        return ApiError::not_found().into_answer();
    }
    let query = request.query_string();
    let target = if query.is_empty() { format!("{path}/") } else { format!("{path}/?{query}") };
    HttpResponse::MovedPermanently().insert_header(("location", target)).finish()
}

async fn not_found() -> HttpResponse {
    ApiError::not_found().into_answer()
}

async fn fallback(request: HttpRequest) -> HttpResponse {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let of_program = ["/api", "/ws", "/inference"]
        .iter()
        .any(|base| request.path().strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    if reads && !of_program { spa::page(request).await } else { not_found().await }
}
