//! `/inference/predict/…`, `/inference/health`, `/inference/models`.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{OpenApi, ToSchema};

use super::error::InferenceError;
use super::input::{self, Faults};
use crate::features::accounts::{Guarded, KeyGrant, Principal, Scope};
use crate::features::api_keys;
use crate::features::models::{self, ModelCache, Scored, TrainedModel};
use crate::platform::config::Settings;
use crate::platform::http::throttle::{Rate, Throttle};
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::services::Services;

const LARGEST_BATCH: usize = 100;

/// Predictions; their paths lie under `/inference`, beside the management API.
#[derive(OpenApi)]
#[openapi(paths(predict, predict_batch, health, loaded))]
pub struct Docs;

/// The URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(only("/predict/{model_id}", web::post().to(predict), "POST"))
        .service(only("/predict/{model_id}/batch", web::post().to(predict_batch), "POST"))
        .service(only("/health", web::get().to(health), "GET"))
        .service(only("/models", web::get().to(loaded), "GET"))
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

/// How often each key may call each path. One of these is made at start and handed to every HTTP worker as application data.
pub struct Limits {
    rate: Rate,
    throttle: Throttle,
}

impl Limits {
    /// Limits nobody has used yet.
    pub fn new(settings: &Settings) -> Self {
        let rate = settings.throttle.inference;
        Self { rate, throttle: Throttle::new(rate) }
    }

    fn admit(&self, services: &Services, key: &KeyGrant, path: &str) -> Result<(), InferenceError> {
        let caller = format!("{} {path}", key.prefix);
        self.throttle.admit(&caller, services.clock.now()).map(drop).map_err(|refused| {
            let (requests, seconds) = (self.rate.requests, self.rate.window.as_secs());
            let wait = refused.retry_after_seconds().unwrap_or(seconds);
            InferenceError::TooFast { limit: format!("{requests} per {seconds} seconds"), wait }
        })
    }
}

/// Whom to recommend for.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only describes the body in the API document")]
struct PredictRequest {
    user_id: String,
    /// 1 to 1000, 10 unless told.
    cutoff: Option<i32>,
}

/// Whom to recommend for, at most 100 at once.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only describes the body in the API document")]
struct BatchRequest {
    user_ids: Vec<String>,
    /// 1 to 1000, 10 unless told.
    cutoff: Option<i32>,
}

/// The best items for one user.
#[derive(Debug, Serialize, ToSchema)]
struct Prediction {
    items: Vec<Scored>,
    model_id: i64,
    request_id: uuid::Uuid,
}

impl Prediction {
    fn new(model_id: i64, items: Vec<Scored>) -> Self {
        Self { items, model_id, request_id: uuid::Uuid::new_v4() }
    }
}

/// The best items for many users, in the order they were asked for.
#[derive(Debug, Serialize, ToSchema)]
struct Predictions {
    results: Vec<Prediction>,
}

/// The key that calls, with the scope for it and within its limit.
async fn admitted(request: &HttpRequest, services: &Services, limits: &Limits) -> ApiResult<(Principal, KeyGrant)> {
    let sent = request.headers().get("x-api-key").ok_or(InferenceError::KeyMissing)?;
    let text = sent.to_str().map_err(|_| ApiError::key_not_valid())?;
    let principal = api_keys::authenticate(services, text).await?.ok_or_else(ApiError::key_not_valid)?;
    principal.require_scope(Scope::Predict)?;
    let key = principal.key.clone().ok_or_else(ApiError::key_not_valid)?;
    limits.admit(services, &key, request.path())?;
    Ok((principal, key))
}

/// The model of an id, if the key is of its project.
async fn model_for(services: &Services, principal: &Principal, key: &KeyGrant, id: i64) -> ApiResult<TrainedModel> {
    let mut connection = services.db.conn().await?;
    let (model, ownership) = TrainedModel::load(&mut connection, id).await?.ok_or(InferenceError::NoModel(id))?;
    let of_key = ownership.project_id == Some(key.project_id) && principal.role_on(ownership).is_some();
    if of_key { Ok(model) } else { Err(InferenceError::OtherProject.into()) }
}

/// The best items for a user that they have not met yet.
#[utoipa::path(post, path = "/inference/predict/{model_id}", tag = "inference", operation_id = "create_prediction",
    params(("model_id" = i64, Path)), request_body = inline(PredictRequest),
    responses((status = 200, body = inline(Prediction)), (status = 401, description = "No key, or one that does not count"),
        (status = 403, description = "The key lacks the scope, or is of another project"),
        (status = 404, description = "No such model, or it does not know this user"),
        (status = 422, description = "The body is wrong"), (status = 503, description = "The model's file is missing or damaged")))]
async fn predict(
    request: HttpRequest,
    services: web::Data<Services>,
    cache: web::Data<ModelCache>,
    limits: web::Data<Limits>,
    bytes: web::Bytes,
) -> ApiResult<web::Json<Prediction>> {
    let body = input::parse(&request, &bytes)?;
    let (principal, key) = admitted(&request, &services, &limits).await?;
    let mut faults = Faults::default();
    let id = input::path_id(&request, "model_id", &mut faults);
    let fields =
        fields_of(&body, &mut faults, |body, faults| (input::text(body, "user_id", faults), input::cutoff(body, faults)));
    faults.finish()?;
    let (user, cutoff) = fields;
    let model = model_for(&services, &principal, &key, id).await?;
    let artifact = cache.get(&services, &model).await?;
    let items = models::for_user(artifact, user.clone(), cutoff).await?.ok_or(InferenceError::UnknownUser(user))?;
    Ok(web::Json(Prediction::new(id, items)))
}

/// The same for at most 100 users; one the model does not know gets no items.
#[utoipa::path(post, path = "/inference/predict/{model_id}/batch", tag = "inference", operation_id = "create_prediction_batch",
    params(("model_id" = i64, Path)), request_body = inline(BatchRequest),
    responses((status = 200, body = inline(Predictions)), (status = 400, description = "Too many users"),
        (status = 422, description = "The body is wrong")))]
async fn predict_batch(
    request: HttpRequest,
    services: web::Data<Services>,
    cache: web::Data<ModelCache>,
    limits: web::Data<Limits>,
    bytes: web::Bytes,
) -> ApiResult<web::Json<Predictions>> {
    let body = input::parse(&request, &bytes)?;
    let (principal, key) = admitted(&request, &services, &limits).await?;
    let mut faults = Faults::default();
    let id = input::path_id(&request, "model_id", &mut faults);
    let fields =
        fields_of(&body, &mut faults, |body, faults| (input::texts(body, "user_ids", faults), input::cutoff(body, faults)));
    faults.finish()?;
    let (users, cutoff) = fields;
    if users.len() > LARGEST_BATCH {
        return Err(InferenceError::BatchTooLarge(LARGEST_BATCH).into());
    }
    let model = model_for(&services, &principal, &key, id).await?;
    let artifact = cache.get(&services, &model).await?;
    let lists = models::for_users(artifact, users, cutoff).await?;
    let results = lists.into_iter().map(|items| Prediction::new(id, items.unwrap_or_default())).collect();
    Ok(web::Json(Predictions { results }))
}

/// Reads the fields of a body that is an object; of any other only that it is none is reported.
fn fields_of<T: Default>(body: &Value, faults: &mut Faults, read: impl FnOnce(&Value, &mut Faults) -> T) -> T {
    if input::is_object(body, faults) { read(body, faults) } else { T::default() }
}

/// Whether predictions are answered, and how many models are in memory.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    status: &'static str,
    loaded_models: usize,
}

/// Whether predictions are answered. Needs no key.
#[utoipa::path(get, path = "/inference/health", tag = "inference", operation_id = "read_inference_health",
    responses((status = 200, body = inline(Health))))]
async fn health(cache: web::Data<ModelCache>) -> web::Json<Health> {
    web::Json(Health { status: "healthy", loaded_models: cache.ids().len() })
}

/// The models in memory.
#[derive(Debug, Serialize, ToSchema)]
struct LoadedModels {
    /// Ids, the one used longest ago first.
    models: Vec<i64>,
    count: usize,
}

/// The models in memory. Needs no key.
#[utoipa::path(get, path = "/inference/models", tag = "inference", operation_id = "list_inference_models",
    responses((status = 200, body = inline(LoadedModels))))]
async fn loaded(cache: web::Data<ModelCache>) -> web::Json<LoadedModels> {
    let models = cache.ids();
    web::Json(LoadedModels { count: models.len(), models })
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
