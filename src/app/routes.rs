//! Every URL there is.

use actix_web::dev::HttpServiceFactory;
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{addresses, api_docs, authentication, spa};
use crate::features::{
    ab_tests, accounts, api_keys, audit, datasets, deployments, evaluation, events, inference, live_updates, model_configs,
    models, off_policy, projects, recommendation_log, retraining, task_logs, tuning,
};
use crate::platform::http::ApiError;

/// Largest body of a request that is not an upload.
const LARGEST_BODY: usize = 10 << 20;

/// API, live updates, inference and the UI: all a browser or a program can ask `serve` for.
pub fn all(config: &mut web::ServiceConfig) {
    config
        .app_data(web::PayloadConfig::new(LARGEST_BODY))
        .service(api_docs::swagger_ui("/api/v1"))
        .service(api_docs::swagger_ui("/api"))
        .service(management("/api/v1"))
        .service(management("/api"))
        .configure(live_updates::routes)
        .service(inference_scope())
        .service(web::redirect("/docs/", "/api/v1/schema/swagger-ui/"))
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
        // From the outside in: the last one sees a request first.
        .wrap(from_fn(addresses::describe))
        .wrap(from_fn(authentication::identify))
        .wrap(from_fn(addresses::tidy))
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
        .configure(deployments::routes)
        .configure(events::routes)
        .configure(ab_tests::routes)
        .configure(recommendation_log::routes)
        .configure(off_policy::routes)
        .configure(retraining::routes)
        .route("/", web::get().to(addresses::root))
        .route("/ping/", web::get().to(ping))
        .route("/schema/", web::get().to(api_docs::schema))
        .route("/schema/redoc/", web::get().to(api_docs::redoc))
        .route("/schema/redoc/redoc.standalone.js", web::get().to(api_docs::redoc_script))
        .default_service(web::route().to(not_found))
}

/// That the server is up.
#[derive(Serialize, ToSchema)]
pub struct Pong {
    success: bool,
}

/// Whether the server is up. Needs no credentials and is not limited.
#[utoipa::path(get, path = "/ping/", tag = "meta", operation_id = "read_ping", security(()),
    responses((status = 200, body = inline(Pong))))]
pub async fn ping() -> web::Json<Pong> {
    web::Json(Pong { success: true })
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
