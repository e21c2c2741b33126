//! Waiting for what happens in the background.

use std::time::Duration;

/// The longest pause between two looks.
const LONGEST: Duration = Duration::from_millis(100);

/// Returns growing pauses between two looks, of `total` in all: what is quick is seen soon, and what is slow is not held up by
/// looking often.
pub fn pauses(total: Duration) -> impl Iterator<Item = Duration> {
    let growing = (1..).map(|look| Duration::from_millis(5 * look).min(LONGEST));
    growing.scan(total, |left, pause| {
        *left = left.checked_sub(pause)?;
        Some(pause)
    })
}
