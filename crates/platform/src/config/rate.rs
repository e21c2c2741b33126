//! Limits of requests, as a setting.

use std::str::FromStr;
use std::time::Duration;

/// A limit such as `5/min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub requests: usize,
    pub window: Duration,
}

impl FromStr for Rate {
    type Err = String;

    /// Reads `N/sec`, `N/min`, `N/hour`, `N/day`; only the first letter of the period counts.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is not a rate. Write it as a number and a period, such as 100/min.");
        let (requests, period) = text.split_once('/').ok_or_else(wrong)?;
        let seconds = match period.trim().chars().next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            _ => return Err(wrong()),
        };
        Ok(Self { requests: requests.trim().parse().map_err(|_| wrong())?, window: Duration::from_secs(seconds) })
    }
}

impl<'de> serde::Deserialize<'de> for Rate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl serde::Serialize for Rate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let period = match self.window.as_secs() {
            1 => "sec",
            60 => "min",
            3_600 => "hour",
            _ => "day",
        };
        serializer.collect_str(&format_args!("{}/{period}", self.requests))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_the_environment_writes_them() {
        assert_eq!("100/minute".parse(), Ok(Rate { requests: 100, window: Duration::from_secs(60) }));
        for wrong in ["", "5", "x/min", "5/fortnight"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }
}
