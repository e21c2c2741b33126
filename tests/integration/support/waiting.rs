//! Polling for effects of background work.

use std::time::Duration;

/// The longest pause between two polls.
const LONGEST: Duration = Duration::from_millis(100);

/// Returns growing pauses between polls, `total` in all: quick effects are seen soon, and slow ones are not slowed down by
/// frequent polls.
pub fn pauses(total: Duration) -> impl Iterator<Item = Duration> {
    let growing = (1..).map(|look| Duration::from_millis(5 * look).min(LONGEST));
    growing.scan(total, |left, pause| {
        *left = left.checked_sub(pause)?;
        Some(pause)
    })
}
