//! The API about itself: whether it is up, the addresses of its collections, and its document.

use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::features::accounts::Principal;
use crate::platform::http::{ApiError, ApiResult, Unchanging, origin, threads};

/// The facts about the API; application data of these handlers, computed at the first request for them.
pub type Description = &'static LazyLock<Facts>;

/// The collections of the API and its document in both forms.
pub struct Facts {
    pub collections: Vec<&'static str>,
    /// The document as JSON and as YAML, or why it cannot be written.
    pub document: Result<(Unchanging, Unchanging), String>,
}

/// The state of the server.
#[derive(Serialize, ToSchema)]
pub struct Pong {
    success: bool,
}

/// Returns whether the server is up. Needs no credentials and is not limited.
#[utoipa::path(get, path = "/ping/", tag = "meta", operation_id = "read_ping",
    responses((status = 200, body = inline(Pong)),
        (status = 503, body = inline(Pong), description = "The server is up, but all its threads are busy: `success` is false")))]
pub async fn ping() -> HttpResponse {
    if threads::are_free().await {
        HttpResponse::Ok().json(Pong { success: true })
    } else {
        HttpResponse::ServiceUnavailable().json(Pong { success: false })
    }
}

/// Returns the addresses of the collections of the API.
#[utoipa::path(get, path = "/", tag = "meta", operation_id = "list_collections",
    responses((status = 200, description = "Absolute addresses by name", body = std::collections::HashMap<String, String>)))]
pub async fn root(_: Principal, request: HttpRequest) -> ApiResult<web::Json<Map<String, Value>>> {
    let origin = origin(&request);
    // 1.x names the older alias, and clients may have kept such addresses.
    let address = |name: &&str| ((*name).to_owned(), json!(format!("{origin}/api/{name}/")));
    Ok(web::Json(facts(&request)?.collections.iter().map(address).collect()))
}

/// Returns this document: YAML unless JSON is requested.
#[utoipa::path(get, path = "/schema/", tag = "meta", operation_id = "read_schema",
    params(("format" = Option<String>, Query, description = "`json` or `yaml`; without it the header Accept decides")),
    responses((status = 200, description = "The OpenAPI document", content(
        (Value = "application/vnd.oai.openapi"), (Value = "application/vnd.oai.openapi+json")))))]
pub async fn schema(request: HttpRequest) -> ApiResult<HttpResponse> {
    let format = request.query_string().split('&').rev().find_map(|pair| pair.strip_prefix("format="));
    let accept = request.headers().get("accept").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_json = format.filter(|format| !format.is_empty()).map_or(accept.contains("json"), |format| format.contains("json"));
    let (json, yaml) = facts(&request)?.document.as_ref().map_err(|cause| ApiError::internal(cause))?;
    let (kind, document) =
        if is_json { ("application/vnd.oai.openapi+json", json) } else { ("application/vnd.oai.openapi", yaml) };
    Ok(document.answer(&request, kind, "no-cache"))
}

fn facts(request: &HttpRequest) -> ApiResult<&'static Facts> {
    let description = request.app_data::<Description>();
    description.map(|facts| &***facts).ok_or_else(|| ApiError::internal(&"the API has no description"))
}
