//! How many requests an endpoint is sent in a second.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

/// A second as the receiver counts it: one request may take a little longer to arrive than another.
const SECOND: TimeDelta = TimeDelta::milliseconds(1_050);

/// The requests to an endpoint with a rate in the last second, oldest first. A lane goes on until there are none, so that the next one
/// need not know them.
#[derive(Debug, Default)]
pub struct Pace(VecDeque<DateTime<Utc>>);

impl Pace {
    /// Notes a request.
    pub fn note(&mut self, now: DateTime<Utc>) {
        while self.0.front().is_some_and(|at| !is_recent(*at, now)) {
            self.0.pop_front();
        }
        self.0.push_back(now);
    }

    /// Returns when another request may be sent; `None` if it may be now.
    pub fn next(&self, rate_per_second: Option<i32>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let last_but_rate = self.0.len().checked_sub(rate_per_second?.unsigned_abs() as usize)?;
        self.0.get(last_but_rate).filter(|at| is_recent(**at, now)).map(|at| *at + SECOND)
    }

    /// Returns when the last request is a second ago; `None` if it is already.
    pub fn end(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.0.back().filter(|at| is_recent(**at, now)).map(|at| *at + SECOND)
    }
}

/// Returns whether a request was made in the last second. One of the future was made before the clock was set back.
fn is_recent(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    at <= now && now < at + SECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(milliseconds)
    }

    /// Returns when requests are sent at a rate, each as soon as it may be and not before so many milliseconds after the one before.
    fn sent(rate: i32, count: usize, apart: i64) -> Vec<DateTime<Utc>> {
        let (mut pace, mut now, mut sent) = (Pace::default(), at(0), Vec::new());
        for _ in 0..count {
            now = pace.next(Some(rate), now).unwrap_or(now);
            pace.note(now);
            sent.push(now);
            now += TimeDelta::milliseconds(apart);
        }
        sent
    }

    #[test]
    fn no_second_has_more_requests_than_the_rate_and_no_fewer_are_sent_than_it_lets() {
        for (rate, apart) in [(1, 0), (2, 300), (7, 1), (20, 0), (20, 40), (100, 3), (1_000, 0)] {
            let sent = sent(rate, 5_000, apart);
            let most = sent
                .iter()
                .enumerate()
                .map(|(first, start)| sent[first..].iter().take_while(|one| **one < *start + TimeDelta::seconds(1)).count());
            assert!(most.max() <= Some(rate.unsigned_abs() as usize), "rate {rate}");
            let seconds = (sent[sent.len() - 1] - sent[0]).as_seconds_f64();
            assert!(seconds < 1.06 * 5_000.0 / f64::from(rate), "rate {rate}: {seconds} s");
        }
    }

    #[test]
    fn a_request_may_be_sent_when_the_first_of_the_last_ones_is_a_second_ago() {
        let mut pace = Pace::default();
        assert_eq!((pace.next(Some(1), at(0)), pace.end(at(0))), (None, None));
        pace.note(at(0));
        pace.note(at(100));
        assert_eq!(pace.next(Some(3), at(100)), None);
        assert_eq!(pace.next(Some(2), at(100)), Some(at(1_050)));
        assert_eq!(pace.next(Some(1), at(100)), Some(at(1_150)), "a rate that was lowered");
        assert_eq!(pace.next(None, at(100)), None);
        assert_eq!((pace.next(Some(2), at(1_049)), pace.next(Some(2), at(1_050))), (Some(at(1_050)), None));
        assert_eq!((pace.end(at(1_149)), pace.end(at(1_150))), (Some(at(1_150)), None));
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        let mut pace = Pace::default();
        pace.note(at(3_600_000));
        assert_eq!((pace.next(Some(1), at(0)), pace.end(at(0))), (None, None));
    }
}
