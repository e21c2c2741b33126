//! URL conventions: one spelling for each address, and in the management API format suffixes, the slash at the end, wrong verbs,
//! OPTIONS and HEAD. The addresses and verbs are read from the API document, so that the two cannot differ; requests for others
//! are answered here and reach no handler.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::uri::PathAndQuery;
use actix_web::http::{Method, StatusCode, Uri};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpResponse};

use super::api_docs::{Asked, Endpoint, find, find_of_airec};
use crate::features::accounts::Principal;
use crate::platform::http::{ApiError, ApiResult};

/// Both bases serve the same operations; the longer one is tried first.
const BASES: [&str; 2] = ["/api/v1", "/api"];
/// Pages for people below the document, which are not operations of the API.
const PAGES: [&str; 2] = ["/schema/swagger-ui/", "/schema/redoc/"];
/// Files that a page loads.
const PARTS_OF_PAGES: [&str; 1] = ["/schema/redoc/redoc.standalone.js"];

/// The action for a request, decided by its address and verb alone.
enum Verdict {
    /// A page for people.
    Page,
    Go(&'static Endpoint, Option<String>),
    Redirect(String),
    Refuse(ApiError, Option<&'static Endpoint>),
}

/// Rewrites the address to the canonical spelling that later steps expect. The router decodes percent-encoded characters, so that
/// any other spelling would be one address to it and another to the code that reads the path.
pub async fn spell(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Some(path) = canonical(request.path()) {
        let target = with_query(&path, request.query_string());
        rewrite(&mut request, &target)?;
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// Returns the path with every unreserved character (RFC 3986, 2.3) as itself; `None` when it is spelled so already.
fn canonical(path: &str) -> Option<String> {
    if !path.contains('%') {
        return None;
    }
    let mut spelled = Vec::with_capacity(path.len());
    for byte in path.bytes() {
        spelled.push(byte);
        // Decoded characters may complete another code: "%3%36" is "%36".
        while let Some(character) = last_code(&spelled) {
            spelled.truncate(spelled.len() - 3);
            spelled.push(character);
        }
    }
    (spelled.len() < path.len()).then(|| String::from_utf8(spelled).ok()).flatten()
}

/// Returns the unreserved character whose code ends a text.
fn last_code(text: &[u8]) -> Option<u8> {
    let [.., b'%', high, low] = text else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?;
    (byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)).then_some(byte)
}

/// Rewrites the address to the form that the router knows, or answers at once.
pub async fn tidy(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let (endpoint, mut response) = match judge(request.path(), request.query_string(), request.method()) {
        Verdict::Page => (None, next.call(request).await?.map_into_boxed_body()),
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
                // The server automatically leaves out the body of a response to HEAD.
                request.head_mut().method = Method::GET;
            }
            let policy = endpoint.policy(request.method());
            request.extensions_mut().insert(Asked { endpoint, policy });
            (Some(endpoint), next.call(request).await?.map_into_boxed_body())
        }
    };
    let is_personal = endpoint.is_some_and(|endpoint| !endpoint.policy(&Method::GET).is_public);
    if is_personal && !response.headers().contains_key(header::CACHE_CONTROL) {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Some(allow) = endpoint.and_then(|endpoint| HeaderValue::from_str(&endpoint.allow()).ok()) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_static("origin, Cookie"));
    Ok(response)
}

/// Looks up the policy of a request to an address of AiREC, which has no slash at the end, or answers at once.
pub async fn look_up_airec(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let path = request.path().trim_end_matches('/').to_owned();
    let Some(endpoint) = find_of_airec(&slashed(&path)) else {
        return Ok(request.into_response(ApiError::not_found().into_answer()));
    };
    let method = request.method().clone();
    if method == Method::OPTIONS || !endpoint.allows(&method) {
        let message = format!("Method \"{method}\" not allowed.");
        let mut refusal = ApiError::detail(StatusCode::METHOD_NOT_ALLOWED, message).into_answer();
        if let Ok(allow) = HeaderValue::from_str(&endpoint.allow()) {
            refusal.headers_mut().insert(header::ALLOW, allow);
        }
        return Ok(request.into_response(refusal));
    }
    if path != request.path() {
        let target = with_query(&path, request.query_string());
        rewrite(&mut request, &target)?;
    }
    let policy = endpoint.policy(&method);
    request.extensions_mut().insert(Asked { endpoint, policy });
    let mut response = next.call(request).await?.map_into_boxed_body();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn judge(path: &str, query: &str, method: &Method) -> Verdict {
    let Some((base, below)) = below_base(path) else { return Verdict::Refuse(ApiError::not_found(), None) };
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let (stem, suffix) = match split_suffix(below) {
        (stem, Some(suffix)) if find(&slashed(stem)).is_some_and(Endpoint::takes_suffix) => (stem, Some(suffix)),
        _ => (below, None),
    };
    let slashed = slashed(stem);
    let Some(endpoint) = find(&slashed) else {
        return match below {
            _ if !reads => Verdict::Refuse(ApiError::not_found(), None),
            page if PAGES.contains(&page) || PARTS_OF_PAGES.contains(&page) => Verdict::Page,
            _ if PAGES.contains(&slashed.as_str()) => Verdict::Redirect(with_query(&format!("{path}/"), query)),
            _ => Verdict::Refuse(ApiError::not_found(), None),
        };
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
    // 1.x loses the body of a write without the slash, and fails. The intent is clear, so it is served.
    Verdict::Go(endpoint, (slashed != below).then(|| with_query(&format!("{base}{slashed}"), query)))
}

fn slashed(path: &str) -> String {
    if path.ends_with('/') { path.to_owned() } else { format!("{path}/") }
}

fn below_base(path: &str) -> Option<(&'static str, &str)> {
    let below = |base: &'static str| Some((base, path.strip_prefix(base)?));
    BASES.into_iter().filter_map(below).find(|(_, rest)| rest.is_empty() || rest.starts_with('/'))
}

/// Splits off the format: `/project/1.json` is `/project/1` in the format `json`.
fn split_suffix(below: &str) -> (&str, Option<&str>) {
    let whole = below.strip_suffix('/').unwrap_or(below);
    let suffix = whole.rsplit_once('.').filter(|(stem, suffix)| {
        let last_segment = stem.rsplit('/').next().unwrap_or_default();
        let is_word = suffix.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        !last_segment.is_empty() && !suffix.is_empty() && is_word
    });
    suffix.map_or((below, None), |(stem, suffix)| (stem, Some(suffix)))
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

/// Answers OPTIONS, for callers who may use the address.
pub async fn describe(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let asked = request.extensions().get::<Asked>().copied();
    let Some(Asked { endpoint, policy }) = asked.filter(|_| *request.method() == Method::OPTIONS) else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let refused = if policy.is_public { None } else { Principal::extract(request.request()).await.err() };
    let answer = refused.map_or_else(|| HttpResponse::Ok().json(endpoint.metadata()), ApiError::into_answer);
    Ok(request.into_response(answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(method: Method, path: &str, query: &str) -> String {
        match judge(path, query, &method) {
            Verdict::Page => "page".to_owned(),
            Verdict::Go(_, None) => "go".to_owned(),
            Verdict::Go(_, Some(path)) => format!("go {path}"),
            Verdict::Redirect(target) => format!("to {target}"),
            Verdict::Refuse(error, _) => error.status().as_u16().to_string(),
        }
    }

    #[test]
    fn each_address_has_one_spelling() {
        let spelled = |path: &str| canonical(path).unwrap_or_else(|| path.to_owned());
        assert_eq!(canonical("/api/v1/project/%C3%84%2F%20+a/"), None);
        for way in ["/auth/%6cogin/", "/auth/%6Cogin/", "/%61uth/lo%67in/", "/auth/%6%63ogin/", "/auth/%%36%63ogin/"] {
            assert_eq!(spelled(way), "/auth/login/", "{way}");
        }
        assert_eq!(spelled("/a%2F%25%41%"), "/a%2F%25A%");
        assert_eq!(spelled(&format!("/{}6", "%3".repeat(50_000))), "/6");
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
        assert_eq!(get("/api/v1/schema/redoc/", ""), "page");
        assert_eq!(get("/api/v1/schema/redoc/redoc.standalone.js", ""), "page");
        assert_eq!(verdict(Method::POST, "/api/v1/schema/redoc/", ""), "404");
        for nowhere in ["/api/v1/nowhere", "/api/v1//project/", "/api/v1/project//", "/api/v1/./project/", "/api/V1/project/"] {
            assert_eq!(get(nowhere, ""), "404", "{nowhere}");
        }
        assert_eq!(verdict(Method::POST, "/api/v1/project", ""), "go /api/v1/project/");
        assert_eq!(verdict(Method::HEAD, "/api/v1/project/", ""), "go");
        assert_eq!(verdict(Method::OPTIONS, "/api/v1/project/", ""), "go");
        assert_eq!(verdict(Method::DELETE, "/api/v1/project/", ""), "405");
        assert_eq!(verdict(Method::GET, "/api/v1/auth/login/", ""), "405");
        assert_eq!(verdict(Method::TRACE, "/api/v1/project/", ""), "405");
    }
}
