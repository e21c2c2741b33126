//! When a worker may take jobs away from others. After an outage that stopped all of them, such as a lost database or a suspended
//! machine, every lease has expired although no worker died: the others need time to renew theirs first.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// Closed for one lease after each outage of this worker.
#[derive(Debug)]
pub(super) struct Gate {
    lease: Duration,
    last_trouble: Mutex<Option<Instant>>,
}

impl Gate {
    /// Returns an open gate.
    pub fn new(lease: Duration) -> Self {
        Self { lease, last_trouble: Mutex::default() }
    }

    /// Closes the gate. The time is measured on the monotonic clock, which stands still while the machine is suspended.
    pub fn close(&self, now: Instant) {
        *self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Returns whether a full lease has passed since the last outage.
    pub fn is_open(&self, now: Instant) -> bool {
        let last = *self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_none_or(|last| now.saturating_duration_since(last) > self.lease)
    }
}

/// Checks that rounds follow each other at a third of a lease.
#[derive(Debug)]
pub(super) struct Rhythm {
    longest_gap: TimeDelta,
    last: DateTime<Utc>,
}

impl Rhythm {
    /// Returns the rhythm of rounds that begin now.
    pub fn new(lease: Duration, now: DateTime<Utc>) -> Self {
        Self { longest_gap: TimeDelta::from_std(lease * 2 / 3).unwrap_or(TimeDelta::MAX), last: now }
    }

    /// Returns whether this moment of a round is late after the previous one.
    pub fn is_late(&mut self, now: DateTime<Utc>) -> bool {
        let gap = now - self.last;
        self.last = now;
        gap > self.longest_gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(30);

    #[test]
    fn nothing_is_rescued_until_a_lease_has_passed_since_the_last_trouble() {
        let (gate, start) = (Gate::new(LEASE), Instant::now());
        assert!(gate.is_open(start));
        gate.close(start);
        gate.close(start + LEASE / 2);
        assert!(!gate.is_open(start + LEASE / 2) && !gate.is_open(start + LEASE * 3 / 2));
        assert!(gate.is_open(start + LEASE * 3 / 2 + Duration::from_millis(1)));
    }

    #[test]
    fn a_round_that_took_or_waited_too_long_is_late() {
        let mut rhythm = Rhythm::new(LEASE, DateTime::UNIX_EPOCH);
        let mut after = |seconds| rhythm.is_late(DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds));
        assert_eq!([10, 20, 40, 61, 71, 3_600, 3_610].map(&mut after), [false, false, false, true, false, true, false]);
    }
}
