//! Whether a client still sends: how long it has been silent, and how much it has sent while the server waited for it.

use std::time::Duration;

use tokio::time::Instant;

/// The minimum speed of a client.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Time without a byte.
    pub idle: Duration,
    /// Waiting time in which at least `least` bytes have to arrive.
    pub window: Duration,
    pub least: u64,
}

/// Measures a client by the time that the server waits for it, without the time in which no reader requested bytes.
#[derive(Debug)]
pub struct Meter {
    patience: Patience,
    /// Start of the present silence, while the server waits.
    silent_since: Option<Instant>,
    /// Time up to which the waiting has been added up.
    counted_to: Option<Instant>,
    waited: Duration,
    bytes: u64,
    waited_in_all: Duration,
}

impl Meter {
    /// Creates the meter of a client that has not been waited for yet.
    pub fn new(patience: Patience) -> Self {
        let nothing = Duration::ZERO;
        Self { patience, silent_since: None, counted_to: None, waited: nothing, bytes: 0, waited_in_all: nothing }
    }

    /// Records that bytes arrived.
    pub fn arrived(&mut self, now: Instant, bytes: usize) {
        self.count(now);
        (self.silent_since, self.counted_to) = (None, None);
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// Records that no bytes are there, and returns until when to wait; `None` when the client has been waited for long enough.
    pub fn wait(&mut self, now: Instant) -> Option<Instant> {
        self.count(now);
        self.counted_to = Some(now);
        let silent_since = *self.silent_since.get_or_insert(now);
        if self.waited >= self.patience.window {
            if self.bytes < self.patience.least {
                return None;
            }
            (self.waited, self.bytes) = (Duration::ZERO, 0);
        }
        let until = (silent_since + self.patience.idle).min(now + (self.patience.window - self.waited));
        (until > now).then_some(until)
    }

    /// Returns how long the client has been waited for in total.
    pub fn waited_in_all(&self) -> Duration {
        self.waited_in_all
    }

    /// Measures the client by another patience from now on, unless the present one is stricter.
    pub fn hurry(&mut self, now: Instant, patience: Patience) {
        self.count(now);
        self.counted_to = self.counted_to.map(|_| now);
        self.silent_since = self.silent_since.map(|_| now);
        self.patience = Patience { idle: patience.idle.min(self.patience.idle), ..patience };
        (self.waited, self.bytes) = (Duration::ZERO, 0);
    }

    fn count(&mut self, now: Instant) {
        if let Some(counted_to) = self.counted_to {
            let waited = now.saturating_duration_since(counted_to);
            self.waited += waited;
            self.waited_in_all += waited;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { idle: Duration::from_secs(30), window: Duration::from_secs(60), least: 600 };

    fn meter() -> (Meter, impl Fn(u64) -> Instant) {
        let start = Instant::now();
        (Meter::new(PATIENCE), move |seconds| start + Duration::from_secs(seconds))
    }

    #[test]
    fn silence_ends_a_body() {
        let (mut meter, at) = meter();
        assert_eq!(meter.wait(at(0)), Some(at(30)));
        assert_eq!(meter.wait(at(29)), Some(at(30)));
        meter.arrived(at(29), 1_000);
        assert_eq!(meter.wait(at(29)), Some(at(59)));
        assert_eq!(meter.wait(at(59)), None);
    }

    #[test]
    fn a_trickle_ends_a_body_after_a_window() {
        let (mut meter, at) = meter();
        for second in 0..60 {
            assert!(meter.wait(at(second)).is_some(), "{second}");
            meter.arrived(at(second + 1), 9);
        }
        assert_eq!(meter.wait(at(60)), None);
    }

    #[test]
    fn a_slow_but_steady_client_is_waited_for() {
        let (mut meter, at) = meter();
        for second in 0..600 {
            assert!(meter.wait(at(second)).is_some(), "{second}");
            meter.arrived(at(second + 1), 11);
        }
    }

    #[test]
    fn all_waiting_is_added_up_also_over_windows_and_at_a_shutdown() {
        let (mut meter, at) = meter();
        for second in 0..100 {
            assert!(meter.wait(at(second)).is_some(), "{second}");
            assert_eq!(meter.waited_in_all(), Duration::from_secs(second));
            meter.arrived(at(second + 1), 90);
        }
        meter.hurry(at(200), PATIENCE);
        assert_eq!(meter.waited_in_all(), Duration::from_secs(100));
    }

    #[test]
    fn time_in_which_nobody_wanted_the_bytes_does_not_count() {
        let (mut meter, at) = meter();
        assert!(meter.wait(at(0)).is_some());
        meter.arrived(at(1), 1);
        // The disk was busy for an hour.
        assert_eq!(meter.wait(at(3_601)), Some(at(3_631)));
        meter.arrived(at(3_602), 1);
        assert!(meter.wait(at(3_602)).is_some());
    }

    #[test]
    fn an_end_is_not_held_up_by_those_who_send_next_to_nothing() {
        let (mut meter, at) = meter();
        let short = Patience { idle: Duration::from_secs(2), window: Duration::from_secs(4), least: 100 };
        assert!(meter.wait(at(0)).is_some());
        meter.hurry(at(10), short);
        assert_eq!(meter.wait(at(10)), Some(at(12)));
        for second in 10..14 {
            assert!(meter.wait(at(second)).is_some(), "{second}");
            meter.arrived(at(second + 1), 1);
        }
        assert_eq!(meter.wait(at(14)), None);
    }
}
