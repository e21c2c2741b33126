//! Which limit a request counts against.

use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::{HttpMessage, HttpRequest};
use chrono::Utc;

use super::addresses::Asked;
use super::authentication::reports_events;
use crate::features::accounts::Principal;
use crate::platform::clock::Clock;
use crate::platform::config::ThrottleRates;
use crate::platform::http::throttle::{Standing, Throttle};
use crate::platform::http::{ApiResult, client_address};

/// The limits of this process, one for each scope.
pub struct Throttles {
    anon: Throttle,
    user: Throttle,
    login: Throttle,
    recommendation: Throttle,
    events: Throttle,
    clock: Clock,
}

impl Throttles {
    /// Limits nobody has used yet.
    pub fn new(rates: &ThrottleRates, clock: Clock) -> Self {
        Self {
            anon: Throttle::new(rates.anon),
            user: Throttle::new(rates.user),
            login: Throttle::new(rates.login),
            recommendation: Throttle::new(rates.recommendation),
            events: Throttle::new(rates.events),
            clock,
        }
    }
}

/// Health checks, renewals and log-outs of many people behind one address must not use up their shared allowance.
pub const UNLIMITED: [&str; 3] = ["/ping/", "/auth/token/refresh/", "/auth/logout/"];

/// Where a secret can be guessed or an account made.
const LOGIN: [&str; 6] = [
    "/auth/login/",
    "/auth/sign_up/",
    "/auth/password/reset/",
    "/auth/password/reset/confirm/",
    "/invitation/look_up/",
    "/invitation/accept/",
];

/// Counts a request of the management API, or refuses it. None where nothing is counted.
pub fn admit(throttles: &Throttles, request: &HttpRequest, caller: &ApiResult<Option<Principal>>) -> ApiResult<Option<Standing>> {
    let now: chrono::DateTime<Utc> = throttles.clock.now();
    let path = request.path();
    let logged_in = matches!(caller, Ok(Some(_)));
    if !logged_in && request.method() == Method::POST && LOGIN.iter().any(|login| path.ends_with(login)) {
        return throttles.login.admit(&client_address(request), now).map(Some);
    }
    match caller {
        Ok(Some(principal)) => {
            let throttle = if is_recommendation(path) {
                &throttles.recommendation
            } else if reports_events(request) {
                &throttles.events
            } else {
                &throttles.user
            };
            throttle.admit(&principal.user.id.to_string(), now).map(Some)
        }
        Ok(None) if UNLIMITED.iter().any(|unlimited| path.ends_with(unlimited)) => Ok(None),
        Ok(None) if is_public(request) => throttles.anon.admit(&client_address(request), now).map(Some),
        // What will be answered 401 is not counted.
        Ok(None) | Err(_) => Ok(None),
    }
}

/// Tells a caller how much is left.
pub fn tell(headers: &mut HeaderMap, standing: Standing) {
    let values = [
        ("ratelimit-limit", standing.limit as u64),
        ("ratelimit-remaining", standing.remaining as u64),
        ("ratelimit-reset", standing.reset_seconds),
    ];
    for (name, value) in values {
        headers.insert(HeaderName::from_static(name), value.into());
    }
}

fn is_public(request: &HttpRequest) -> bool {
    request.extensions().get::<Asked>().is_some_and(|Asked(endpoint)| endpoint.public)
}

fn is_recommendation(path: &str) -> bool {
    path.contains("/trained_model/")
        && [
            "/recommendation/",
            "/sample_recommendation_raw/",
            "/recommend_using_profile_interaction/",
            "/sample_recommendation_metadata/",
        ]
        .iter()
        .any(|action| path.contains(action))
}
