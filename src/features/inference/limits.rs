//! How often each key may call, and how often callers may guess.

use std::hash::Hash;

use chrono::{DateTime, Utc};

use super::error::InferenceError;
use crate::features::accounts::KeyGrant;
use crate::platform::config::{Rate, Settings};
use crate::platform::http::ApiError;
use crate::platform::http::throttle::Throttle;

/// For how many targets that do not exist a key may use up its allowance.
const MISSING_TARGETS: usize = 10;

/// What a call is for: predictions of one kind by one model or project, however the address spells them.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub kind: &'static str,
    /// None where the address names no number: all of these count together.
    pub id: Option<i64>,
}

impl Target {
    /// Predictions by the models that a project has deployed.
    pub const OF_PROJECT: &str = "project";

    /// Predictions of a kind, by the model or project of this id.
    pub fn new(kind: &'static str, id: Option<i64>) -> Self {
        Self { kind, id }
    }
}

/// The id of a key, and the kind and the id of its target.
type Call = (i64, &'static str, Option<i64>);

/// The limits of one process.
pub struct Limits {
    /// Of each key for each target.
    calls: Limit<Call>,
    /// Of each key for all targets together that do not exist.
    missing: Limit<i64>,
    /// Of each network of a client for keys that are not valid; counted where keys are looked up.
    guesses: Rate,
}

impl Limits {
    /// Creates the configured limits, of which nothing is used yet.
    pub fn new(settings: &Settings) -> Self {
        let calls = settings.throttle.inference;
        let missing = Rate { requests: calls.requests.saturating_mul(MISSING_TARGETS), ..calls };
        Self { calls: Limit::new(calls), missing: Limit::new(missing), guesses: settings.throttle.anon }
    }

    /// Counts a call, or refuses it and says how long to wait.
    pub fn admit(&self, key: &KeyGrant, target: Target, now: DateTime<Utc>) -> Result<(), InferenceError> {
        self.calls.count((key.id, target.kind, target.id), now)
    }

    /// Counts a call for what does not exist, or refuses it.
    pub fn admit_missing(&self, key: &KeyGrant, now: DateTime<Utc>) -> Result<(), InferenceError> {
        self.missing.count(key.id, now)
    }

    /// Refuses a call for what may not exist where no more of these are allowed.
    pub fn check_missing(&self, key: &KeyGrant, now: DateTime<Utc>) -> Result<(), InferenceError> {
        self.missing.check(key.id, now)
    }

    /// Returns the error of a key's look-up as predictions word it: a network that sent too many keys that are not valid is told
    /// so in the shape of the other limits.
    pub fn worded(&self, error: ApiError) -> ApiError {
        if error.status().as_u16() == 429 { refusal(self.guesses, &error).into() } else { error }
    }
}

/// One limit, by what is counted.
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
