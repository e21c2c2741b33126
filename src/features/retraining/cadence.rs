//! When a schedule is due: five cron fields, in the local time of a time zone.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use tokio_util::sync::CancellationToken;

use crate::platform::services::Services;

/// Time between two looks at what is due.
const PAUSE: Duration = Duration::from_secs(5);

/// Fires what is due until cancelled. `what` names it in the log.
pub async fn keep_firing<F: Future<Output = anyhow::Result<usize>>>(
    services: Services,
    stop: CancellationToken,
    what: &'static str,
    fire_due: impl Fn(Services) -> F,
) {
    while !stop.is_cancelled() {
        if let Err(error) = fire_due(services.clone()).await {
            tracing::warn!(%error, "the {what} could not be looked through; trying again soon");
        }
        stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
    }
}

/// Returns when something that was due at `due` and fires at `now` is due next; `None` without a valid cron expression and zone.
/// Times within `least`, the minimum interval, are skipped.
pub fn due_next(
    (expression, zone): (Option<&str>, &str),
    due: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
    least: TimeDelta,
) -> Option<DateTime<Utc>> {
    let cadence = Cadence::parse(expression?, zone.parse().ok()?).ok()?;
    cadence.next_after(due.map_or(now, |due| now.max(due + least - TimeDelta::seconds(1))))
}

/// A cron expression in a time zone.
#[derive(Debug, Clone)]
pub struct Cadence {
    cron: Cron,
    zone: Tz,
}

impl Cadence {
    /// Parses minute, hour, day of month, month and day of week (0 and 7 are Sunday). Fails with a sentence that says what is
    /// wrong.
    pub fn parse(expression: &str, zone: Tz) -> Result<Self, String> {
        let fields = expression.split_whitespace().count();
        if fields != 5 {
            return Err(format!(
                "A cron expression has five fields (minute, hour, day of month, month, day of week); this one has {fields}."
            ));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(expression).map_err(|error| format!("This is not a cron expression: {error}."))?;
        Ok(Self { cron, zone })
    }

    /// Returns the first time after `now`; `None` if there is never one, as for the 30th of February.
    pub fn next_after(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = self.cron.find_next_occurrence(&now.with_timezone(&self.zone), false).ok()?;
        Some(next.with_timezone(&Utc))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(expression: &str, zone: &str, now: &str) -> String {
        let cadence = Cadence::parse(expression, zone.parse().unwrap()).unwrap();
        cadence.next_after(now.parse().unwrap()).unwrap().to_rfc3339()
    }

    #[test]
    fn the_next_moment_is_strictly_later() {
        assert_eq!(next("0 2 * * 0", "UTC", "2026-11-21T12:00:00Z"), "2026-11-22T02:00:00+00:00");
        assert_eq!(next("0 2 * * 0", "UTC", "2026-11-22T02:00:00Z"), "2026-11-29T02:00:00+00:00");
        assert_eq!(next("0 2 * * 7", "UTC", "2026-11-21T12:00:00Z"), "2026-11-22T02:00:00+00:00");
        assert_eq!(next("*/15 8-17 * * MON-FRI", "UTC", "2026-11-21T12:00:00Z"), "2026-11-23T08:00:00+00:00");
        // A day that matches either of two restricted day fields is enough, as always in cron.
        assert_eq!(next("0 0 13 * 5", "UTC", "2026-11-21T12:00:00Z"), "2026-11-27T00:00:00+00:00");
    }

    #[test]
    fn hours_are_those_on_the_clocks_of_the_zone() {
        assert_eq!(next("0 2 * * *", "Asia/Tokyo", "2026-11-21T12:00:00Z"), "2026-11-21T17:00:00+00:00");
        // Summer time begins and ends: two o'clock stays two o'clock.
        assert_eq!(next("0 4 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z"), "2026-03-29T02:00:00+00:00");
        assert_eq!(next("0 4 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z"), "2026-10-25T03:00:00+00:00");
    }

    #[test]
    fn what_is_no_cron_expression_is_refused_in_words() {
        for wrong in
            ["99 99 * * *", "0 2 * *", "0 0 2 * * 0", "@daily", "a b c d e", "0 2 * * 8", "60 * * * *", "", "5-1 * * * *"]
        {
            let message = Cadence::parse(wrong, Tz::UTC).err();
            assert!(message.is_some_and(|message| message.ends_with('.')), "{wrong}");
        }
        assert!(Cadence::parse("0 0 30 2 *", Tz::UTC).is_ok_and(|never| never.next_after(DateTime::UNIX_EPOCH).is_none()));
    }
}
