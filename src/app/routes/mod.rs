//! All URLs.

use actix_web::dev::HttpServiceFactory;
use actix_web::guard::{GuardContext, fn_guard};
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, web};

use super::{addresses, api_docs, authentication, full_disk, meta, spa};
use crate::features::{
    ab_tests, accounts, api_keys, audit, catalogue, data_sources, datasets, deployments, destinations, evaluation, events,
    feature_measurements, feature_sets, inference, item_metadata, live_updates, model_configs, models, off_policy, pipelines,
    projects, recommendation_log, retraining, studio, task_logs, tuning, webhooks,
};
use crate::platform::http::ApiError;
use crate::platform::services::Services;

/// Adds all routes of `serve`: API, live updates, inference and the UI.
pub fn all(config: &mut web::ServiceConfig) {
    // The router tries them in this order, and predictions are the most frequent requests.
    config
        .service(api_docs::inference::pages("/inference"))
        .service(inference_scope("/inference"))
        .service(api_docs::swagger_ui("/api/v1"))
        .service(api_docs::swagger_ui("/api"))
        .service(management("/api/v1"))
        .service(management("/api"))
        .service(airec_predictions())
        .service(airec())
        .configure(live_updates::routes)
        .service(web::redirect("/docs/", "/api/v1/schema/swagger-ui/"))
        .default_service(web::route().to(fallback));
}

/// Adds the routes of the lean `infer` role: predictions, with the prefix and without it, since a proxy may remove it.
pub fn inference_only(config: &mut web::ServiceConfig) {
    config
        .service(api_docs::inference::pages("/inference"))
        .service(inference_scope("/inference"))
        .service(api_docs::inference::pages(""))
        .service(inference_scope(""));
}

fn inference_scope(base: &'static str) -> impl HttpServiceFactory {
    web::scope(base)
        .route("/openapi.json", web::get().to(api_docs::inference::document))
        .route("/docs", web::get().to(api_docs::inference::to_pages))
        .configure(inference::routes)
        .default_service(web::route().to(not_found))
}

fn management(base: &'static str) -> impl HttpServiceFactory {
    web::scope(base)
        // From the outside in: the last one sees a request first.
        .wrap(from_fn(full_disk::refuse_changes))
        .wrap(from_fn(addresses::describe))
        .wrap(from_fn(authentication::identify))
        .wrap(from_fn(addresses::tidy))
        .configure(operations)
        .default_service(web::route().to(not_found))
}

/// Returns the addresses of AiREC, which exist where the setting is on.
fn airec() -> impl HttpServiceFactory {
    web::scope("/airec")
        .guard(fn_guard(answers_airec))
        // From the outside in: the last one sees a request first.
        .wrap(from_fn(full_disk::refuse_changes))
        .wrap(from_fn(authentication::identify))
        .wrap(from_fn(addresses::look_up_airec))
        .configure(studio::airec::routes)
        .default_service(web::route().to(not_found))
}

/// Returns the addresses of AiREC for programs, whose keys are looked up like those of predictions.
fn airec_predictions() -> impl HttpServiceFactory {
    web::scope("/airec/api/recommend").guard(fn_guard(answers_airec)).configure(studio::airec::predictions)
}

fn answers_airec(context: &GuardContext<'_>) -> bool {
    context.app_data::<web::Data<Services>>().is_some_and(|services| services.settings.compat.airec)
}

/// Adds the operations of the management API, below its base.
fn operations(config: &mut web::ServiceConfig) {
    config
        .configure(accounts::routes)
        .configure(audit::routes)
        .configure(projects::routes)
        .configure(api_keys::routes)
        .configure(datasets::routes)
        .configure(item_metadata::routes)
        .configure(feature_sets::routes)
        .configure(catalogue::routes)
        .configure(evaluation::routes)
        .configure(model_configs::routes)
        .configure(task_logs::routes)
        .configure(models::routes)
        .configure(feature_measurements::routes)
        .configure(tuning::routes)
        .configure(deployments::routes)
        .configure(events::routes)
        .configure(ab_tests::routes)
        .configure(recommendation_log::routes)
        .configure(off_policy::routes)
        .configure(retraining::routes)
        .configure(webhooks::routes)
        .configure(data_sources::routes)
        .configure(destinations::routes)
        .configure(pipelines::routes)
        .configure(studio::routes)
        .app_data(api_docs::description())
        .route("/", web::get().to(meta::root))
        .route("/ping/", web::get().to(meta::ping))
        .route("/schema/", web::get().to(meta::schema))
        .route("/schema/redoc/", web::get().to(api_docs::redoc))
        .route("/schema/redoc/redoc.standalone.js", web::get().to(api_docs::redoc_script))
        .default_service(web::route().to(not_found));
}

async fn not_found() -> HttpResponse {
    ApiError::not_found().into_answer()
}

async fn fallback(request: HttpRequest) -> HttpResponse {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let of_program = ["/api", "/ws", "/inference", "/airec"]
        .iter()
        .any(|base| request.path().strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    if reads && !of_program { spa::page(request).await } else { not_found().await }
}

#[cfg(test)]
mod tests;
