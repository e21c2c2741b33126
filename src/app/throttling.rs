//! The limit that a request counts against.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderName};
use chrono::Utc;

use super::policy::{Allowance, Policy};
use crate::features::accounts::Principal;
use crate::features::events::ReportLimit;
use crate::platform::clock::Clock;
use crate::platform::config::ThrottleRates;
use crate::platform::http::throttle::{Standing, Throttle};
use crate::platform::http::{ApiResult, client_network};

/// The limits of this process, one for each scope.
pub struct Throttles {
    anon: Throttle,
    user: Throttle,
    login: Throttle,
    recommendation: Throttle,
    events: Arc<Throttle>,
    clock: Clock,
}

impl Throttles {
    /// Creates empty limiters.
    pub fn new(rates: &ThrottleRates, clock: Clock) -> Self {
        Self {
            anon: Throttle::new(rates.anon),
            user: Throttle::new(rates.user),
            login: Throttle::new(rates.login),
            recommendation: Throttle::new(rates.recommendation),
            events: Arc::new(Throttle::new(rates.events)),
            clock,
        }
    }

    /// Returns the limit of reported events, for those of a batch.
    pub fn of_reports(&self) -> ReportLimit {
        ReportLimit::new(Arc::clone(&self.events), self.clock.clone())
    }

    /// Returns the limit that the requests of a known user count against.
    fn of_users(&self, allowance: Allowance) -> &Throttle {
        match allowance {
            Allowance::Recommendation => &self.recommendation,
            Allowance::Events => &self.events,
            _ => &self.user,
        }
    }
}

/// Looks up a user, unless their limit is used up. Counts nothing, unless the client goes away before the answer: the request is
/// counted by [`admit`] once the user is known.
pub async fn look_up<T>(
    throttles: &Throttles,
    policy: Policy,
    user: &str,
    look_up: impl Future<Output = ApiResult<T>>,
) -> ApiResult<T> {
    let (throttle, now) = (throttles.of_users(policy.allowance), throttles.clock.now());
    throttle.check(user, now)?;
    throttle.counted_if_left(user, now, look_up).await
}

/// Counts a request of the management API, or refuses it. Returns `None` if such requests are not counted.
pub fn admit(
    throttles: &Throttles,
    request: &HttpRequest,
    policy: Policy,
    caller: &ApiResult<Option<Principal>>,
) -> ApiResult<Option<Standing>> {
    let now: chrono::DateTime<Utc> = throttles.clock.now();
    match (caller, policy.allowance) {
        (Ok(Some(principal)), allowance) => throttles.of_users(allowance).admit(principal.user.id.to_string(), now).map(Some),
        (_, Allowance::LogIn) => throttles.login.admit(client_network(request), now).map(Some),
        (_, Allowance::Unlimited | Allowance::Renewals) => Ok(None),
        (Ok(None), _) if policy.is_public => throttles.anon.admit(client_network(request), now).map(Some),
        // A request that will be answered with a 401 is not counted here: invalid keys are counted where they are looked up.
        (Ok(None) | Err(_), _) => Ok(None),
    }
}

/// Adds headers that tell the caller how much is left.
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
