//! How often each key may call.

use super::error::InferenceError;
use crate::features::accounts::KeyGrant;
use crate::platform::clock::Clock;
use crate::platform::config::Settings;
use crate::platform::http::throttle::{Rate, Throttle};

/// How often each key may call each path.
pub struct Limits {
    rate: Rate,
    throttle: Throttle,
}

impl Limits {
    /// Limits nobody has used yet.
    pub fn new(settings: &Settings) -> Self {
        let rate = settings.throttle.inference;
        Self { rate, throttle: Throttle::new(rate) }
    }

    /// Counts a call, or refuses it and says how long to wait.
    pub fn admit(&self, clock: &Clock, key: &KeyGrant, path: &str) -> Result<(), InferenceError> {
        let caller = format!("{} {path}", key.prefix);
        self.throttle.admit(&caller, clock.now()).map(drop).map_err(|refused| {
            let (requests, seconds) = (self.rate.requests, self.rate.window.as_secs());
            let wait = refused.retry_after_seconds().unwrap_or(seconds);
            InferenceError::TooFast { limit: format!("{requests} per {seconds} seconds"), wait }
        })
    }
}
