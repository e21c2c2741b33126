//! `/inference/predict/…`, `/inference/next/…`, `/inference/related/…`, `/inference/health`, `/inference/ready`,
//! `/inference/models`.

mod health;
mod next;
mod other_clients;
mod predict;
mod project;
mod related;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentEncoding, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::OpenApi;
use uuid::Uuid;

use super::answer::Strategy;
pub use other_clients::{admit_client, suggest, suggest_to};

use super::error::InferenceError;
use super::input;
use super::limits::Target;
use super::listed::List;
use super::observer::LONGEST_USER;
use super::service::Inference;
use crate::features::api_keys::{self, AppRequest, KnownKey, Served};
use crate::platform::http::{ApiError, ApiResult, bodies, client_network, whole};

/// The largest body of a prediction, decompressed: two lists of the largest size fit, with ids of 40 characters.
const LARGEST_BODY: usize = 1 << 20;

/// The largest answer that is sent uncompressed even to clients that accept compression: it fits into one packet, and compressing
/// it would take longer than all other work.
const LONGEST_PLAIN: usize = 1_400;

/// The number of items of a list that others are told of, from the top.
const TOLD_ITEMS: usize = 100;

/// Predictions; their paths are under `/inference`, outside the management API.
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

/// Registers the URLs of this slice.
pub fn routes(config: &mut web::ServiceConfig) {
    let served = [
        ("/predict/project/{project_id}", web::post().to(project::one), "POST"),
        ("/predict/{model_id}", web::post().to(predict::one), "POST"),
        ("/predict/{model_id}/batch", web::post().to(predict::batch), "POST"),
        ("/next/{model_id}", web::post().to(next::one), "POST"),
        ("/related/{model_id}", web::post().to(related::one), "POST"),
        ("/health", web::get().to(health::health), "GET"),
        ("/ready", web::get().to(health::readiness), "GET"),
        ("/models", web::get().to(health::loaded), "GET"),
    ];
    let paths = served.each_ref().map(|(path, ..)| *path);
    // Patterns are tried in this order, and each takes a few microseconds: the spellings with a slash come last.
    for (path, route, verb) in served {
        config.service(only(path, route, verb));
    }
    for path in paths {
        config.service(web::resource(format!("{path}/")).to(without_slash));
    }
}

/// Returns a resource that accepts one verb, and names that verb in the answer to any other.
fn only(path: &str, route: actix_web::Route, verb: &'static str) -> actix_web::Resource {
    let wrong_verb = move |request: HttpRequest| async move {
        let message = format!("Method \"{}\" not allowed.", request.method());
        let mut answer = ApiError::detail(StatusCode::METHOD_NOT_ALLOWED, message).into_answer();
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(verb));
        answer
    };
    web::resource(path).route(route).default_service(web::route().to(wrong_verb))
}

/// Authenticates the key, checks its scope and its rate limit for predictions of this kind by the target in the path, and returns
/// it with the body. The body is read only after the key is accepted.
async fn admitted(
    request: &HttpRequest,
    inference: &Inference,
    kind: &'static str,
    name: &str,
    body: web::Payload,
) -> ApiResult<(Arc<KnownKey>, Value)> {
    bodies::limit(request, LARGEST_BODY);
    let caller = caller(request, inference, kind, name).await?;
    bodies::comes_from(request, caller.principal.user.id);
    let bytes = whole(request, &mut body.into_inner()).await?;
    Ok((caller, input::parse(request, &bytes)?))
}

async fn caller(request: &HttpRequest, inference: &Inference, kind: &'static str, name: &str) -> ApiResult<Arc<KnownKey>> {
    let sent = request.headers().get("x-api-key").ok_or(InferenceError::KeyMissing)?;
    let key = sent.to_str().ok().filter(|key| key.starts_with(api_keys::PREFIX)).ok_or(InferenceError::KeyMalformed)?;
    let id = request.match_info().get(name).and_then(|text| text.parse().ok());
    let caller = inference.admit(key, || client_network(request), Target::new(kind, id)).await?;
    if caller.app.is_some() {
        AppRequest::note(request, &caller)?;
    }
    Ok(caller)
}

/// A list that was answered to an app.
struct Answered<'a> {
    kind: &'static str,
    request_id: Uuid,
    model: i64,
    slot: Option<i64>,
    user: Option<&'a str>,
    strategy: Option<Strategy>,
    items: &'a List,
}

/// Counts a list that was answered to an app, and passes it on to those who are told of it.
fn note(inference: &Inference, caller: &KnownKey, answered: &Answered<'_>) {
    let Some(traffic) = &caller.traffic else { return };
    traffic.serve(answered.items.len(), || Served {
        request_id: answered.request_id,
        kind: answered.kind,
        model: answered.model,
        slot: answered.slot,
        // No event can contain a longer id.
        user_id: answered.user.filter(|user| user.chars().count() <= LONGEST_USER).map(str::to_owned),
        strategy: answered.strategy.map(Strategy::wire),
        items: Served::head(answered.items.ids(), TOLD_ITEMS),
        at: inference.now(),
    });
}

/// Returns the answer to a request, serialised into one buffer; `bytes` is its approximate length.
fn written(request: &HttpRequest, answer: &impl Serialize, bytes: usize) -> ApiResult<HttpResponse> {
    let mut body = Vec::with_capacity(bytes);
    serde_json::to_writer(&mut body, answer).map_err(|error| ApiError::internal(&error))?;
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, HeaderValue::from_static("application/json")));
    if body.len() <= LONGEST_PLAIN && request.headers().contains_key(header::ACCEPT_ENCODING) {
        // The compression middleware skips responses that name an encoding; it removes this one before sending.
        response.insert_header(ContentEncoding::Identity);
    }
    Ok(response.body(body))
}

/// Redirects addresses with a trailing slash to those without, keeping method and body.
async fn without_slash(request: HttpRequest) -> HttpResponse {
    let path = request.path().trim_end_matches('/');
    let query = request.query_string();
    let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    HttpResponse::TemporaryRedirect()
        .insert_header(("location", target))
        .json(json!({ "detail": "Leave out the slash at the end." }))
}
