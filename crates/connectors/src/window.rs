//! The half-open range of a cursor that one pull reads.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The rows with `lo ≤ cursor < hi`. Windows that follow each other share a bound and no row, so rows with equal cursors are never
/// split between two of them.
///
/// The bounds are integers for both kinds of cursors: of a time, microseconds since 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The first value; `None` for every row before `hi`.
    pub lo: Option<i64>,
    /// The first value after the window.
    pub hi: i64,
}

impl Window {
    /// Creates a window of times.
    pub fn of_times(lo: Option<DateTime<Utc>>, hi: DateTime<Utc>) -> Self {
        Self { lo: lo.map(|lo| lo.timestamp_micros()), hi: hi.timestamp_micros() }
    }

    /// Returns whether no row can be in the window.
    pub fn is_empty(self) -> bool {
        self.lo.is_some_and(|lo| lo >= self.hi)
    }
}
