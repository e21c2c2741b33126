//! The manners of the management API's addresses: format suffixes, the slash at the end, wrong verbs, OPTIONS and HEAD.
//! Which addresses and verbs there are is read from the API document, so that the two cannot differ.

use std::sync::LazyLock;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::uri::PathAndQuery;
use actix_web::http::{Method, StatusCode, Uri};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

use super::api_docs::{self, Endpoint};
use crate::features::accounts::Principal;
use crate::platform::http::{ApiError, ApiResult, origin};

/// Both bases serve the same; the longer one is looked for first.
const BASES: [&str; 2] = ["/api/v1", "/api"];
/// Pages for people below the document; they are no operations of the API.
const PAGES: [&str; 2] = ["/schema/swagger-ui/", "/schema/redoc/"];

static ENDPOINTS: LazyLock<Vec<Endpoint>> = LazyLock::new(api_docs::endpoints);

/// The endpoint a request of the management API was found to be for.
#[derive(Clone, Copy)]
pub struct Asked(pub &'static Endpoint);

/// What to do with a request, going by its address and verb alone.
enum Verdict {
    /// Nothing is known about the address: the router answers.
    Pass,
    Go(&'static Endpoint, Option<String>),
    Redirect(String),
    Refuse(ApiError, Option<&'static Endpoint>),
}

/// Brings the address into the form the router knows, or answers at once.
pub async fn tidy(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let (endpoint, mut response) = match judge(request.path(), request.query_string(), request.method()) {
        Verdict::Pass => (None, next.call(request).await?.map_into_boxed_body()),
        Verdict::Redirect(target) => {
            let answer = HttpResponse::MovedPermanently().insert_header((header::LOCATION, target)).finish();
            (None, request.into_response(answer))
        }
        Verdict::Refuse(error, endpoint) => (endpoint, request.into_response(error.into_answer())),
        Verdict::Go(endpoint, path) => {
            if let Some(path) = path {
                rewrite(&mut request, &path)?;
            }
            if *request.method() == Method::HEAD {
                // The server leaves out the body of an answer to HEAD by itself.
                request.head_mut().method = Method::GET;
            }
            request.extensions_mut().insert(Asked(endpoint));
            (Some(endpoint), next.call(request).await?.map_into_boxed_body())
        }
    };
    if let Some(allow) = endpoint.and_then(|endpoint| HeaderValue::from_str(&endpoint.allow()).ok()) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_static("origin, Cookie"));
    Ok(response)
}

fn judge(path: &str, query: &str, method: &Method) -> Verdict {
    let Some((base, below)) = below_base(path) else { return Verdict::Pass };
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let (stem, suffix) = split_suffix(below);
    let slashed = if stem.ends_with('/') { stem.to_owned() } else { format!("{stem}/") };
    let Some(endpoint) = find(&slashed).filter(|endpoint| suffix.is_none() || endpoint.takes_suffix()) else {
        let page = PAGES.contains(&format!("{below}/").as_str());
        return if page && reads { Verdict::Redirect(with_query(&format!("{path}/"), query)) } else { Verdict::Pass };
    };
    if let Some(format) = suffix.map(str::to_owned).or_else(|| parameter(query, "format"))
        && !endpoint.knows_format(&format)
    {
        return Verdict::Refuse(ApiError::not_found(), Some(endpoint));
    }
    if suffix.is_none() && !below.ends_with('/') && reads {
        return Verdict::Redirect(with_query(&format!("{path}/"), query));
    }
    if !endpoint.allows(method) {
        let message = format!("Method \"{method}\" not allowed.");
        return Verdict::Refuse(ApiError::detail(StatusCode::METHOD_NOT_ALLOWED, message), Some(endpoint));
    }
    // 1.x loses the body of a write without the slash, and fails. There is no doubt about what is meant, so it is served.
    Verdict::Go(endpoint, (slashed != below).then(|| with_query(&format!("{base}{slashed}"), query)))
}

fn below_base(path: &str) -> Option<(&'static str, &str)> {
    let below = |base: &'static str| Some((base, path.strip_prefix(base)?));
    BASES.into_iter().filter_map(below).find(|(_, rest)| rest.is_empty() || rest.starts_with('/'))
}

/// `/project/1.json` is `/project/1` in the format `json`.
fn split_suffix(below: &str) -> (&str, Option<&str>) {
    let whole = below.strip_suffix('/').unwrap_or(below);
    let suffix = whole.rsplit_once('.').filter(|(stem, suffix)| {
        let last_segment = stem.rsplit('/').next().unwrap_or_default();
        let is_word = suffix.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        !last_segment.is_empty() && !suffix.is_empty() && is_word
    });
    suffix.map_or((below, None), |(stem, suffix)| (stem, Some(suffix)))
}

fn find(below: &str) -> Option<&'static Endpoint> {
    ENDPOINTS.iter().find(|endpoint| endpoint.matches(below))
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.filter(|(key, value)| key == name && !value.is_empty()).last().map(|(_, value)| value.into_owned())
}

fn with_query(path: &str, query: &str) -> String {
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

fn rewrite(request: &mut ServiceRequest, target: &str) -> ApiResult<()> {
    let wrong = |_| ApiError::not_found();
    let mut parts = request.head().uri.clone().into_parts();
    parts.path_and_query = Some(target.parse::<PathAndQuery>().map_err(wrong)?);
    let uri = Uri::from_parts(parts).map_err(|_| ApiError::not_found())?;
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
    Ok(())
}

/// Answers OPTIONS, for those who may ask the address anything at all.
pub async fn describe(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let asked = request.extensions().get::<Asked>().copied();
    let Some(Asked(endpoint)) = asked.filter(|_| *request.method() == Method::OPTIONS) else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let refused = if endpoint.public { None } else { Principal::extract(request.request()).await.err() };
    let answer = refused.map_or_else(|| HttpResponse::Ok().json(endpoint.metadata()), ApiError::into_answer);
    Ok(request.into_response(answer))
}

/// Where the collections of the API are.
#[utoipa::path(get, path = "/", tag = "meta", operation_id = "list_collections",
    responses((status = 200, description = "Absolute addresses by name", body = std::collections::HashMap<String, String>)))]
pub async fn root(_: Principal, request: HttpRequest) -> web::Json<Map<String, Value>> {
    let origin = origin(&request);
    let collections = ENDPOINTS.iter().filter_map(|endpoint| endpoint.collection());
    let collections = collections.filter(|name| find(&format!("/{name}/1/")).is_some());
    // 1.x names the older alias, and clients may have kept such addresses.
    web::Json(collections.map(|name| (name.to_owned(), json!(format!("{origin}/api/{name}/")))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(method: Method, path: &str, query: &str) -> String {
        match judge(path, query, &method) {
            Verdict::Pass => "pass".to_owned(),
            Verdict::Go(_, None) => "go".to_owned(),
            Verdict::Go(_, Some(path)) => format!("go {path}"),
            Verdict::Redirect(target) => format!("to {target}"),
            Verdict::Refuse(error, _) => error.status().as_u16().to_string(),
        }
    }

    #[test]
    fn every_way_to_write_an_address_leads_to_it() {
        let get = |path: &str, query: &str| verdict(Method::GET, path, query);
        assert_eq!(get("/api/v1/project/", ""), "go");
        assert_eq!(get("/api/project/", "page=2"), "go");
        assert_eq!(get("/api/v1/project", "page=2"), "to /api/v1/project/?page=2");
        assert_eq!(get("/api/v1", ""), "to /api/v1/");
        assert_eq!(get("/api/v1/project.json", "page=2"), "go /api/v1/project/?page=2");
        assert_eq!(get("/api/project/1.json", ""), "go /api/project/1/");
        assert_eq!(get("/api/v1/project/1.json/", ""), "go /api/v1/project/1/");
        assert_eq!(get("/api/v1/project.xml", ""), "404");
        assert_eq!(get("/api/v1/project/", "format=xml"), "404");
        assert_eq!(get("/api/v1/project/", "format=json"), "go");
        assert_eq!(get("/api/v1/schema/", "format=yaml"), "go");
        assert_eq!(get("/api/v1/schema/redoc", ""), "to /api/v1/schema/redoc/");
        assert_eq!(get("/api/v1/schema/swagger-ui/index.css", ""), "pass");
        assert_eq!(get("/api/v1/nowhere", ""), "pass");
        assert_eq!(verdict(Method::POST, "/api/v1/project", ""), "go /api/v1/project/");
        assert_eq!(verdict(Method::HEAD, "/api/v1/project/", ""), "go");
        assert_eq!(verdict(Method::OPTIONS, "/api/v1/project/", ""), "go");
        assert_eq!(verdict(Method::DELETE, "/api/v1/project/", ""), "405");
        assert_eq!(verdict(Method::GET, "/api/v1/auth/login/", ""), "405");
        assert_eq!(verdict(Method::TRACE, "/api/v1/project/", ""), "405");
    }
}
