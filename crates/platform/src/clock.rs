//! The time, as a value that is passed on: the system's, or one that tests move forward.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

/// Local times are ahead of UTC by this much at most. A time without a zone may be this far in the future and still be right.
pub const FURTHEST_ZONE: TimeDelta = TimeDelta::hours(14);

/// A source of the time. Clones are cheap; clones of a test clock move together.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// Microseconds since the epoch of a test clock.
    fixed: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// Creates the clock of the machine.
    pub fn system() -> Self {
        Self::default()
    }

    /// Creates a clock that stands still until [`Clock::advance`] moves it.
    pub fn at(start: DateTime<Utc>) -> Self {
        Self { fixed: Some(Arc::new(AtomicI64::new(start.timestamp_micros()))) }
    }

    /// Returns the present time, in whole microseconds as PostgreSQL keeps it.
    pub fn now(&self) -> DateTime<Utc> {
        let micros = match &self.fixed {
            Some(fixed) => fixed.load(Ordering::SeqCst),
            None => system_now().timestamp_micros(),
        };
        DateTime::from_timestamp_micros(micros).unwrap_or_default()
    }

    /// Returns the time of a test clock; `None` for the machine's.
    pub fn pinned(&self) -> Option<DateTime<Utc>> {
        self.fixed.as_ref().map(|_| self.now())
    }

    /// Moves a test clock forward; does nothing to the system clock.
    pub fn advance(&self, by: TimeDelta) {
        if let Some(fixed) = &self.fixed {
            let micros = by.num_microseconds().unwrap_or(i64::MAX);
            fixed.fetch_add(micros, Ordering::SeqCst);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
fn system_now() -> DateTime<Utc> {
    Utc::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_clock_moves_only_when_told_and_with_its_clones() {
        let clock = Clock::at(DateTime::UNIX_EPOCH);
        let clone = clock.clone();
        clock.advance(TimeDelta::minutes(5));
        assert_eq!(clone.now() - DateTime::UNIX_EPOCH, TimeDelta::minutes(5));
    }
}
