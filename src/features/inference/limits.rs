//! Rate limits of each key, and of attempts to guess keys and ids.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::error::InferenceError;
use crate::features::accounts::KeyGrant;
use crate::platform::config::{Rate, Settings};
use crate::platform::http::ApiError;
use crate::platform::http::throttle::Throttle;

/// The number of missing targets for which a key may use up its limit.
const MISSING_TARGETS: usize = 10;

/// The window of the limits that single keys have.
const A_MINUTE: Duration = Duration::from_secs(60);

/// The target of a call: predictions of one kind by one model or project, independent of the spelling of the address.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub kind: &'static str,
    /// `None` if the address contains no number: all of these are counted together.
    pub id: Option<i64>,
}

impl Target {
    /// Predictions by the models that a project has deployed.
    pub const OF_PROJECT: &str = "project";

    /// Creates the target for predictions of a kind by the model or project with this id.
    pub fn new(kind: &'static str, id: Option<i64>) -> Self {
        Self { kind, id }
    }
}

/// The id of a key, and the kind and the id of its target.
type Call = (i64, &'static str, Option<i64>);

/// The limits of one process.
pub struct Limits {
    /// Per key and target.
    calls: Limit<Call>,
    /// Per key, for all missing targets together.
    missing: Limit<i64>,
    /// Per key, for all targets together, of keys with a limit of their own; by that limit.
    own: Mutex<HashMap<usize, Arc<Limit<i64>>>>,
    /// Per client network, for invalid keys; counted where keys are looked up.
    guesses: Rate,
}

impl Limits {
    /// Creates the configured limits with nothing counted.
    pub fn new(settings: &Settings) -> Self {
        let calls = settings.throttle.inference;
        let missing = Rate { requests: calls.requests.saturating_mul(MISSING_TARGETS), ..calls };
        Self { calls: Limit::new(calls), missing: Limit::new(missing), own: Mutex::default(), guesses: settings.throttle.anon }
    }

    /// Counts a call, or refuses it and returns how long to wait.
    pub fn admit(&self, key: &KeyGrant, target: Target, now: DateTime<Utc>) -> Result<(), InferenceError> {
        if let Some(most) = key.requests_per_minute {
            self.own_limit(most).count(key.id, now)?;
        }
        self.calls.count((key.id, target.kind, target.id), now)
    }

    fn own_limit(&self, requests: usize) -> Arc<Limit<i64>> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = own.entry(requests).or_insert_with(|| Arc::new(Limit::new(Rate { requests, window: A_MINUTE })));
        Arc::clone(limit)
    }

    /// Counts a call for a missing target, or refuses it.
    pub fn admit_missing(&self, key: &KeyGrant, now: DateTime<Utc>) -> Result<(), InferenceError> {
        self.missing.count(key.id, now)
    }

    /// Refuses a call for a possibly missing target if no more of these are allowed.
    pub fn check_missing(&self, key: &KeyGrant, now: DateTime<Utc>) -> Result<(), InferenceError> {
        self.missing.check(key.id, now)
    }

    /// Returns the error of a key look-up in the form that predictions use: too many invalid keys from a network are reported
    /// like the other rate limits.
    pub fn worded(&self, error: ApiError) -> ApiError {
        if error.status().as_u16() == 429 { refusal(self.guesses, &error).into() } else { error }
    }
}

/// One rate limit, per key of type `K`.
struct Limit<K> {
    rate: Rate,
    throttle: Throttle<K>,
}

impl<K: Hash + Eq> Limit<K> {
    fn new(rate: Rate) -> Self {
        Self { rate, throttle: Throttle::new(rate) }
    }

    fn count(&self, caller: K, now: DateTime<Utc>) -> Result<(), InferenceError> {
        self.throttle.admit(caller, now).map(drop).map_err(|refused| refusal(self.rate, &refused))
    }

    fn check(&self, caller: K, now: DateTime<Utc>) -> Result<(), InferenceError> {
        self.throttle.check(caller, now).map_err(|refused| refusal(self.rate, &refused))
    }
}

fn refusal(rate: Rate, refused: &ApiError) -> InferenceError {
    let (requests, seconds) = (rate.requests, rate.window.as_secs());
    let wait = refused.retry_after_seconds().unwrap_or(seconds);
    InferenceError::TooFast { limit: format!("{requests} per {seconds} seconds"), wait }
}
