//! Which limit a request counts against.

use actix_web::HttpRequest;
use actix_web::http::Method;
use chrono::Utc;

use crate::features::accounts::Principal;
use crate::platform::clock::Clock;
use crate::platform::config::ThrottleRates;
use crate::platform::http::throttle::Throttle;
use crate::platform::http::{ApiResult, client_address};

/// The limits of this process, one for each scope.
pub struct Throttles {
    anon: Throttle,
    user: Throttle,
    login: Throttle,
    recommendation: Throttle,
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
            clock,
        }
    }
}

/// Where a secret can be guessed or an account made.
const LOGIN: [&str; 6] = [
    "/auth/login/",
    "/auth/sign_up/",
    "/auth/password/reset/",
    "/auth/password/reset/confirm/",
    "/invitation/look_up/",
    "/invitation/accept/",
];

/// Counts a request of the management API, or refuses it.
pub fn admit(throttles: &Throttles, request: &HttpRequest, caller: &ApiResult<Option<Principal>>) -> ApiResult<()> {
    let now: chrono::DateTime<Utc> = throttles.clock.now();
    let path = request.path();
    let logged_in = matches!(caller, Ok(Some(_)));
    if !logged_in && request.method() == Method::POST && LOGIN.iter().any(|login| path.ends_with(login)) {
        return throttles.login.admit(&client_address(request), now);
    }
    match caller {
        Ok(Some(principal)) if is_recommendation(path) => throttles.recommendation.admit(&principal.user.id.to_string(), now),
        Ok(Some(principal)) => throttles.user.admit(&principal.user.id.to_string(), now),
        // Health checks and token renewals of many people behind one address must not use up their shared allowance.
        Ok(None) if path.ends_with("/ping/") || path.ends_with("/auth/token/refresh/") || path.ends_with("/auth/logout/") => {
            Ok(())
        }
        Ok(None) if is_open(path) => throttles.anon.admit(&client_address(request), now),
        // What will be answered 401 is not counted.
        Ok(None) | Err(_) => Ok(()),
    }
}

fn is_open(path: &str) -> bool {
    path.contains("/schema/") || path.contains("/auth/")
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
