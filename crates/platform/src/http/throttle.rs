//! Request limits per caller: a number of requests in a sliding window, by scope.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::pin::pin;
use std::sync::Mutex;

use chrono::{DateTime, Utc};

use super::error::{ApiError, ApiResult};
use crate::config::Rate;

/// Number of callers from which idle ones are removed.
const SWEEP_ABOVE: usize = 10_000;

/// State of a caller's limit after an admitted request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Requests allowed in a window.
    pub limit: usize,
    /// Requests left in it.
    pub remaining: usize,
    /// Seconds until all are free again if the caller sends no more.
    pub reset_seconds: u64,
}

/// The recent requests of a caller: times with the number of requests counted at each, and their sum.
#[derive(Debug, Default)]
struct Recent {
    moments: VecDeque<(DateTime<Utc>, usize)>,
    count: usize,
}

impl Recent {
    fn add(&mut self, now: DateTime<Utc>, requests: usize) {
        self.count += requests;
        match self.moments.back_mut() {
            Some((last, count)) if *last == now => *count += requests,
            _ => self.moments.push_back((now, requests)),
        }
    }

    fn forget_until(&mut self, start: DateTime<Utc>) {
        while let Some((_, count)) = self.moments.front().copied().filter(|(moment, _)| *moment <= start) {
            self.count -= count;
            self.moments.pop_front();
        }
    }
}

#[derive(Debug)]
struct Callers<K> {
    recent: HashMap<K, Recent>,
    /// Size at which idle callers are removed; grows with the number of active ones, so that the search stays cheap.
    sweep_above: usize,
}

/// One scope's limit and the recent requests of each caller, by their keys, in memory of this process.
#[derive(Debug)]
pub struct Throttle<K = String> {
    rate: Rate,
    callers: Mutex<Callers<K>>,
}

impl<K: Hash + Eq> Throttle<K> {
    /// Creates an empty limiter.
    pub fn new(rate: Rate) -> Self {
        Self { rate, callers: Mutex::new(Callers { recent: HashMap::new(), sweep_above: SWEEP_ABOVE }) }
    }

    /// Counts one request of `caller` at `now`, or fails with a 429 with the seconds until the next is allowed.
    pub fn admit(&self, caller: impl Into<K>, now: DateTime<Utc>) -> ApiResult<Standing> {
        let start = now - self.rate.window;
        let mut callers = self.callers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        callers.sweep(start);
        let recent = callers.recent.entry(caller.into()).or_default();
        recent.forget_until(start);
        if recent.count >= self.rate.requests {
            return Err(self.refusal(recent.moments.front(), start));
        }
        recent.add(now, 1);
        let remaining = self.rate.requests - recent.count;
        Ok(Standing { limit: self.rate.requests, remaining, reset_seconds: self.rate.window.as_secs() })
    }

    /// Fails with a 429 if the next request of `caller` would be refused at `now`; counts nothing.
    pub fn check(&self, caller: impl Into<K>, now: DateTime<Utc>) -> ApiResult<()> {
        let start = now - self.rate.window;
        let callers = self.callers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(recent) = callers.recent.get(&caller.into()) else { return Ok(()) };
        let counted = || recent.moments.iter().filter(|(moment, _)| *moment > start);
        let count: usize = counted().map(|(_, count)| count).sum();
        if count >= self.rate.requests { Err(self.refusal(counted().next(), start)) } else { Ok(()) }
    }

    /// Returns the result of a look-up that its caller counts by what was found. A client that goes away before could repeat it
    /// without a limit, so a look-up that is dropped counts as a request of `caller` at `now`.
    pub async fn counted_if_left<T>(&self, caller: impl Into<K>, now: DateTime<Utc>, look_up: impl Future<Output = T>) -> T {
        let mut look_up = pin!(look_up);
        let mut left = LookUp { throttle: self, left: Some((caller.into(), now)) };
        let found = look_up.as_mut().await;
        left.left = None;
        found
    }

    /// Returns the 429 that says how long to wait until the first of the requests since `start` no longer counts.
    fn refusal(&self, first: Option<&(DateTime<Utc>, usize)>, start: DateTime<Utc>) -> ApiError {
        let wait = first.map_or(self.rate.window.as_millis() as i64, |(first, _)| (*first - start).num_milliseconds());
        ApiError::throttled(wait.max(0).unsigned_abs().div_ceil(1_000))
    }
}

/// A look-up in progress, and the caller to count if it is dropped.
struct LookUp<'a, K: Hash + Eq> {
    throttle: &'a Throttle<K>,
    left: Option<(K, DateTime<Utc>)>,
}

impl<K: Hash + Eq> Drop for LookUp<'_, K> {
    fn drop(&mut self) {
        if let Some((caller, now)) = self.left.take() {
            // Beyond the limit, the next request is refused anyway.
            let _ = self.throttle.admit(caller, now);
        }
    }
}

impl Throttle {
    /// Counts `more` requests of a caller without refusing them: further items found in a request that was admitted.
    pub fn count_more(&self, caller: &str, more: usize, now: DateTime<Utc>) {
        let mut callers = self.callers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(recent) = callers.recent.get_mut(caller) {
            recent.add(now, more);
        }
    }
}

impl<K: Hash + Eq> Callers<K> {
    fn sweep(&mut self, start: DateTime<Utc>) {
        if self.recent.len() > self.sweep_above {
            self.recent.retain(|_, recent| recent.moments.back().is_some_and(|(last, _)| *last > start));
            self.sweep_above = SWEEP_ABOVE.max(2 * self.recent.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides_and_callers_do_not_share_it() {
        let throttle: Throttle = Throttle::new("2/min".parse().unwrap());
        let at = |second: i64| DateTime::from_timestamp(1_000 + second, 0).unwrap();
        assert_eq!(throttle.admit("a", at(0)).unwrap(), Standing { limit: 2, remaining: 1, reset_seconds: 60 });
        assert!(throttle.admit("a", at(30)).is_ok());
        assert_eq!(throttle.admit("a", at(40)).unwrap_err().status().as_u16(), 429);
        assert!(throttle.admit("b", at(40)).is_ok());
        assert!(
            throttle.check("a", at(40)).is_err() && throttle.check("b", at(40)).is_ok() && throttle.check("c", at(40)).is_ok()
        );
        assert!(throttle.check("a", at(61)).is_ok());
        assert!(throttle.admit("a", at(61)).is_ok());
        assert!(throttle.admit("a", at(62)).is_err());
    }

    #[tokio::test]
    async fn a_look_up_counts_only_if_its_client_goes_away() {
        let throttle: Throttle = Throttle::new("1/min".parse().unwrap());
        let now = DateTime::from_timestamp(1_000, 0).unwrap();
        assert_eq!(throttle.counted_if_left("a", now, async { 7 }).await, 7);
        throttle.check("a", now).unwrap();
        let mut left = Box::pin(throttle.counted_if_left("a", now, std::future::pending::<()>()));
        assert!(futures_util::poll!(&mut left).is_pending());
        drop(left);
        assert!(throttle.check("a", now).is_err());
    }

    #[test]
    fn what_a_request_turns_out_to_hold_counts_until_the_window_is_over() {
        let throttle: Throttle = Throttle::new("10/min".parse().unwrap());
        let at = |second: i64| DateTime::from_timestamp(1_000 + second, 0).unwrap();
        throttle.admit("a", at(0)).unwrap();
        throttle.count_more("a", 99, at(0));
        assert_eq!(throttle.admit("a", at(20)).unwrap_err().retry_after_seconds(), Some(40));
        assert!(throttle.check("a", at(20)).is_err() && throttle.admit("b", at(20)).is_ok());
        assert_eq!(throttle.admit("a", at(61)).unwrap().remaining, 9);
    }

    #[test]
    fn callers_who_are_gone_are_forgotten() {
        let throttle: Throttle = Throttle::new("2/min".parse().unwrap());
        let at = |second: i64| DateTime::from_timestamp(1_000 + second, 0).unwrap();
        for caller in 0..=SWEEP_ABOVE {
            throttle.admit(caller.to_string(), at(0)).unwrap();
        }
        throttle.admit("late", at(61)).unwrap();
        assert_eq!(throttle.callers.lock().unwrap().recent.len(), 1);
    }
}
