//! When a message is sent again, and how long a failing endpoint is left alone.

use chrono::{DateTime, TimeDelta, Utc};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use uuid::Uuid;

/// Pauses after each failed attempt, in seconds: the schedule that Standard Webhooks recommends. The first attempt is made at once.
const PAUSES: [i64; 9] = [5, 5 * 60, 30 * 60, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];
const HOUR: i64 = 3_600;

/// The part of a pause by which it is longer or shorter, so that messages that failed together are not sent together again.
const JITTER: f64 = 0.2;

/// The longest pause that a receiver may ask for.
const LONGEST_ASKED: TimeDelta = TimeDelta::hours(24);

/// Failures in a row after which an endpoint is left alone for a while.
pub const MOST_FAILURES: i32 = 5;

/// How long it is left alone at first; each further failure doubles it.
const FIRST_REST: i64 = 60;
const MOST_DOUBLINGS: i32 = 5;

/// Returns the pause after the failure of an attempt, counted from 0; `None` after the last one.
pub fn pause_after(step: i32, message: Uuid) -> Option<TimeDelta> {
    let seconds = *PAUSES.get(usize::try_from(step).ok()?)?;
    let (high, low) = message.as_u64_pair();
    let mut random = ChaCha8Rng::seed_from_u64(high ^ low ^ u64::from(step.unsigned_abs()));
    let factor = random.random_range(1.0 - JITTER..=1.0 + JITTER);
    Some(TimeDelta::milliseconds((seconds as f64 * 1_000.0 * factor) as i64))
}

/// Returns how long an endpoint is left alone after failures in a row; `None` after a few.
pub fn rest_after(failures_in_row: i32) -> Option<TimeDelta> {
    let beyond = failures_in_row.checked_sub(MOST_FAILURES).filter(|beyond| *beyond >= 0)?;
    Some(TimeDelta::seconds(FIRST_REST << beyond.min(MOST_DOUBLINGS)))
}

/// Returns how long a receiver asks to wait: `Retry-After`, in seconds or as a date.
pub fn asked_pause(headers: &HeaderMap, now: DateTime<Utc>) -> Option<TimeDelta> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = match text.parse::<u32>() {
        Ok(seconds) => TimeDelta::seconds(seconds.into()),
        Err(_) => DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now,
    };
    Some(pause.clamp(TimeDelta::zero(), LONGEST_ASKED))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn pauses_grow_and_differ_by_a_fifth_at_most() {
        let pauses: Vec<f64> = (0..9).map(|step| pause_after(step, Uuid::from_u128(7)).unwrap().as_seconds_f64()).collect();
        for (pause, wanted) in pauses.iter().zip(PAUSES) {
            assert!((pause / wanted as f64 - 1.0).abs() <= JITTER, "{pause} for {wanted}");
        }
        assert_eq!(pause_after(9, Uuid::from_u128(7)), None);
        assert_eq!(pause_after(-1, Uuid::from_u128(7)), None);
    }

    #[test]
    fn messages_that_failed_together_are_not_sent_together_again() {
        let pauses: std::collections::BTreeSet<_> = (0..100).map(|id| pause_after(1, Uuid::from_u128(id))).collect();
        assert!(pauses.len() > 90);
        assert_eq!(pause_after(1, Uuid::from_u128(7)), pause_after(1, Uuid::from_u128(7)));
    }

    #[test]
    fn a_failing_endpoint_is_left_alone_longer_and_longer() {
        let rests: Vec<Option<i64>> = (3..12).map(|failures| rest_after(failures).map(|rest| rest.num_seconds())).collect();
        let wanted = [None, None, Some(60), Some(120), Some(240), Some(480), Some(960), Some(1_920), Some(1_920)];
        assert_eq!(rests, wanted);
    }

    #[test]
    fn a_receiver_says_how_long_to_wait() {
        let now: DateTime<Utc> = "2026-11-30T12:00:00Z".parse().unwrap();
        let asked = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(text).unwrap())]);
            asked_pause(&headers, now).map(|pause| pause.num_seconds())
        };
        assert_eq!(asked("120"), Some(120));
        assert_eq!(asked("Mon, 30 Nov 2026 12:10:00 GMT"), Some(600));
        assert_eq!(asked("Mon, 30 Nov 2026 11:00:00 GMT"), Some(0));
        assert_eq!(asked("86401"), Some(86_400));
        assert_eq!(asked("soon"), None);
        assert_eq!(asked_pause(&HeaderMap::new(), now), None);
    }
}
