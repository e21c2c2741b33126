//! The wait before another attempt.

use chrono::TimeDelta;

use super::model::JobId;

const FIRST_SECONDS: i64 = 2;
const LONGEST_SECONDS: i64 = 600;
/// The wait is lengthened by up to this share, so that jobs that failed together do not return together.
const JITTER_PERCENT: i64 = 25;

/// Returns the wait, which doubles with every attempt. The jitter is computed from the job and the attempt, so it can be
/// reproduced.
pub(super) fn pause(job: JobId, attempt: i32) -> TimeDelta {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0).min(20);
    let seconds = (FIRST_SECONDS << doublings).min(LONGEST_SECONDS);
    let jitter_ms = seconds * 10 * JITTER_PERCENT * spread(job, attempt) / 1_000;
    TimeDelta::milliseconds(seconds * 1_000 + jitter_ms)
}

/// Returns a number from 0 to 999 that looks random.
fn spread(job: JobId, attempt: i32) -> i64 {
    let mixed = (job ^ i64::from(attempt).rotate_left(40)).wrapping_mul(0x9E37_79B9_7F4A_7C15_u64.cast_signed());
    (mixed >> 20).rem_euclid(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_a_limit_with_a_little_spread() {
        for (attempt, seconds) in [(1, 2), (2, 4), (3, 8), (9, 512), (10, 600), (99, 600)] {
            for job in 0..100 {
                let pause = pause(job, attempt);
                assert!(pause >= TimeDelta::seconds(seconds), "{pause}");
                assert!(pause.num_milliseconds() <= seconds * 1_250, "{pause}");
            }
        }
        let different: std::collections::BTreeSet<_> = (0..100).map(|job| pause(job, 1)).collect();
        assert!(different.len() > 50);
    }
}
