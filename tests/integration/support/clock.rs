//! The time of the tests: a fixed moment, so that a test does the same on every day, or the one in `RECOTEM_TEST_NOW`.

use chrono::{DateTime, Utc};
use recotem::platform::clock::Clock;

/// A day in the middle of a month and a week, far from any change of summer time.
const START: &str = "2026-05-13T12:00:00Z";

/// Returns a clock that stands still until a test moves it. It starts at a fixed moment; `RECOTEM_TEST_NOW=2028-02-29T23:59:30Z`
/// starts it on a day that programs often get wrong, as `make test-dates` does for several.
pub fn test_clock() -> Clock {
    let start = std::env::var("RECOTEM_TEST_NOW").unwrap_or_else(|_| START.to_owned());
    let start = DateTime::parse_from_rfc3339(&start).expect("RECOTEM_TEST_NOW is a moment such as 2028-02-29T23:59:30Z");
    Clock::at(start.with_timezone(&Utc))
}
