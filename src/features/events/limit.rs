//! The limit on reported events. A request is counted before its body is read, so a batch is counted again for its other events.

use std::sync::Arc;

use crate::features::accounts::User;
use crate::platform::clock::Clock;
use crate::platform::http::throttle::Throttle;

/// The limit that reports of this process count against, by user.
pub struct ReportLimit {
    throttle: Arc<Throttle>,
    clock: Clock,
}

impl ReportLimit {
    /// Creates the limit from the throttle that admits the requests.
    pub fn new(throttle: Arc<Throttle>, clock: Clock) -> Self {
        Self { throttle, clock }
    }

    /// Counts the events of a batch, whose request was counted as one.
    pub fn count_batch(&self, user: &User, events: usize) {
        self.throttle.count_more(&user.id.to_string(), events.saturating_sub(1), self.clock.now());
    }
}
