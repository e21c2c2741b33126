//! The policy is that of the very operation that the router chooses, for any spelling of an address.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, Error, HttpMessage, web};

use super::{addresses, not_found, operations};
use crate::app::api_docs::{self, Asked};
use crate::app::policy::{self, Allowance, Policy};

const DECIDED: HeaderName = HeaderName::from_static("x-decided");
const BASES: [&str; 2] = ["/api/v1", "/api"];

/// Records for which operation the policy was looked up, just before the router runs.
async fn note(request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<ServiceResponse<BoxBody>, Error> {
    let asked = request.extensions().get::<Asked>().copied();
    let decided = asked.map_or_else(|| "page".to_owned(), |asked| asked.endpoint.template());
    let mut response = next.call(request).await?.map_into_boxed_body();
    response.headers_mut().insert(DECIDED, HeaderValue::from_str(&decided).expect("plain text"));
    Ok(response)
}

/// Returns the operation whose policy was looked up and the one whose handler was called; `None` where no handler was.
async fn decided_and_chosen<R, B>(
    service: &impl Service<R, Response = ServiceResponse<B>, Error = Error>,
    request: R,
) -> Option<(String, String)> {
    let response = service.call(request).await.ok()?;
    let decided = response.headers().get(DECIDED)?.to_str().ok()?.to_owned();
    let pattern = response.request().match_pattern()?;
    let below = BASES.iter().find_map(|base| pattern.strip_prefix(base).filter(|rest| rest.starts_with('/')))?;
    Some((decided, below.to_owned()))
}

fn request(method: &Method, path: &str) -> TestRequest {
    TestRequest::with_uri(path).method(method.clone())
}

fn scope(base: &'static str) -> impl actix_web::dev::HttpServiceFactory {
    let scope = web::scope(base).wrap(from_fn(note)).wrap(from_fn(addresses::tidy)).configure(operations);
    scope.default_service(web::route().to(not_found))
}

/// Returns every operation of the management API: its verb, and its address below the base.
fn all_operations() -> Vec<(Method, String)> {
    let document = serde_json::to_value(api_docs::document("")).expect("a document");
    let paths = document["paths"].as_object().expect("paths").iter();
    let operations = paths.flat_map(|(path, item)| item.as_object().into_iter().flatten().map(move |(verb, _)| (verb, path)));
    operations.map(|(verb, path)| (verb.to_uppercase().parse().expect("a verb"), path.clone())).collect()
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

/// Returns an address of the operation, in an unusual spelling.
fn spelled(template: &str, dice: &mut Dice) -> String {
    let filled: Vec<String> = template
        .split('/')
        .map(|segment| match segment.starts_with('{') {
            true => dice.one(&["1", "01", "+1", "%31", "%2B1", "1.json", "a", "%C3%84", "a%2Fb", "change_password"]).to_owned(),
            false => segment.to_owned(),
        })
        .collect();
    let mut path = format!("{}{}", dice.one(&BASES), filled.join("/"));
    for _ in 0..dice.below(4) {
        let at = dice.below(path.len());
        let Some(character) = path.get(at..=at).map(str::to_owned) else { continue };
        let byte = character.as_bytes()[0];
        let instead = match dice.below(12) {
            0..=4 => format!("%{byte:02x}"),
            5 => format!("%{byte:02X}"),
            6 => format!("%25{byte:02x}"),
            7 => format!("%%{:02x}{:x}", b'0' + (byte >> 4), byte & 15),
            8 => format!("/{character}"),
            9 => dice.one(&["/.", "/..", "/%2e", ";a=b", ".json", "%2F", "%00", " %20"]).trim().to_owned() + &character,
            10 => character.to_uppercase(),
            _ => String::new(),
        };
        path.replace_range(at..=at, &instead);
    }
    match dice.below(8) {
        0 => path.trim_end_matches('/').to_owned(),
        1 => path.trim_end_matches('/').to_owned() + ".json",
        2 => path + "?format=json",
        _ => path,
    }
}

#[actix_web::test]
async fn the_policy_decides_about_the_operation_that_the_router_chooses() {
    let app = App::new().wrap(from_fn(addresses::spell)).service(scope("/api/v1")).service(scope("/api"));
    let service = init_service(app.default_service(web::route().to(not_found))).await;
    let operations: Vec<_> = all_operations().into_iter().filter(|(_, path)| !api_docs::is_beside(path)).collect();
    for (method, template) in &operations {
        let path = format!("/api/v1{}", template.replace(['{', '}'], ""));
        let both = Some((template.clone(), template.clone()));
        assert_eq!(decided_and_chosen(&service, request(method, &path).to_request()).await, both, "{method} {path}");
    }
    let (mut dice, mut reached, mut elsewhere) = (Dice(7), 0, 0);
    for round in 0..10_000 {
        let (method, template) = &operations[round % operations.len()];
        let path = spelled(template, &mut dice);
        if !path.starts_with('/') || path.parse::<actix_web::http::Uri>().is_err() {
            continue;
        }
        if let Some((decided, chosen)) = decided_and_chosen(&service, request(method, &path).to_request()).await {
            let page = decided == "page" && chosen.starts_with("/schema/redoc/");
            assert!(decided == chosen || page, "{method} {path}: decided about {decided}, but {chosen} was asked");
            reached += 1;
            elsewhere += usize::from(chosen != *template);
        }
    }
    assert!(reached > 2_000, "only {reached} addresses reached a handler");
    assert!(elsewhere > 0, "no address led to another operation than the one it was made of");
}

#[test]
fn every_operation_has_a_line_in_the_policy_table_and_every_line_an_operation() {
    let mut operations: Vec<(String, String)> =
        all_operations().into_iter().map(|(method, path)| (path, method.to_string())).collect();
    let mut lines: Vec<(String, String)> = policy::lines().map(|(path, method)| (path.to_owned(), method.to_owned())).collect();
    operations.sort();
    lines.sort();
    assert_eq!(lines, operations);
}

#[test]
fn what_opens_an_account_counts_as_a_guess_and_what_needs_a_model_as_dear() {
    let of = |method: Method, path: &str| policy::policy_of(&method, path).expect("a line");
    for guess in ["/auth/login/", "/auth/sign_up/", "/auth/password/reset/confirm/", "/invitation/look_up/"] {
        let Policy { is_public, allowance, .. } = of(Method::POST, guess);
        assert_eq!((is_public, allowance), (true, Allowance::LogIn), "{guess}");
    }
    for dear in ["off_policy", "similar", "recommendation", "sample_recommendation_raw"] {
        let path = format!("/trained_model/{{id}}/{dear}/");
        assert_eq!(of(Method::GET, &path).allowance, Allowance::Recommendation, "{dear}");
    }
    assert!(of(Method::POST, "/conversion_event/").reports_events() && !of(Method::GET, "/conversion_event/").reports_events());
    assert_eq!(policy::policy_of(&Method::DELETE, "/auth/login/"), None);
}

#[test]
fn a_full_disk_refuses_what_is_stored_and_nothing_that_makes_room_or_stores_nothing() {
    let takes_disk = |method: Method, path: &str| policy::policy_of(&method, path).expect("a line").takes_disk(&method);
    for change in [
        (Method::POST, "/project/"),
        (Method::PATCH, "/project/{id}/"),
        (Method::PUT, "/model_configuration/{id}/"),
        (Method::POST, "/training_data/"),
        (Method::POST, "/auth/sign_up/"),
    ] {
        assert!(takes_disk(change.0.clone(), change.1), "{change:?}");
    }
    for other in [
        (Method::GET, "/project/"),
        (Method::DELETE, "/project/{id}/"),
        (Method::DELETE, "/training_data/{id}/unlink_file/"),
        (Method::POST, "/parameter_tuning_job/{id}/cancel/"),
        (Method::POST, "/auth/login/"),
        (Method::POST, "/auth/logout/"),
        (Method::POST, "/auth/token/refresh/"),
        (Method::POST, "/conversion_event/batch/"),
        (Method::POST, "/inference/predict/{model_id}"),
    ] {
        assert!(!takes_disk(other.0.clone(), other.1), "{other:?}");
    }
}
