//! Bounds of windows in the time of a place, for columns that store times without a zone.

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// The longest time by which clocks are set back, in seconds.
const LONGEST_FOLD: i64 = 24 * 60 * 60;

/// Returns the first local time whose moment is not before `moment`, as text.
///
/// When clocks are set back, an hour happens twice and its local times are ambiguous; they count as those of the second time. A
/// moment in the first of the two therefore has the beginning of that hour as its bound: every row is in exactly one of the windows
/// that follow each other, and never in one that ended before the row was written.
pub fn local_bound(moment: DateTime<Utc>, zone: Tz) -> NaiveDateTime {
    let local = moment.with_timezone(&zone).naive_local();
    let Some(second) = zone.from_local_datetime(&local).latest() else { return local };
    if second.to_utc() <= moment {
        return local;
    }
    let offset = |at: DateTime<Utc>| zone.offset_from_utc_datetime(&at.naive_utc()).fix();
    let first_offset = offset(moment);
    let (mut before, mut after) = (0, LONGEST_FOLD.min((second.to_utc() - moment).num_seconds()));
    while after - before > 1 {
        let middle = i64::midpoint(before, after);
        let is_before = offset(moment + TimeDelta::seconds(middle)) == first_offset;
        *if is_before { &mut before } else { &mut after } = middle;
    }
    let set_back = DateTime::from_timestamp((moment + TimeDelta::seconds(after)).timestamp(), 0).unwrap_or(moment);
    set_back.with_timezone(&zone).naive_local()
}

/// Returns the moment of a local time, of the two that it may be the later one.
///
/// A time that clocks skip counts as so long after the change as it is after its beginning.
pub fn moment_of(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    let skipped = TimeDelta::seconds(LONGEST_FOLD);
    let moment = zone.from_local_datetime(&local).latest().map(|moment| moment.to_utc());
    moment.or_else(|| Some(zone.from_local_datetime(&(local - skipped)).latest()?.to_utc() + skipped))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn bound(moment: &str) -> String {
        local_bound(at(moment), Tz::Europe__Berlin).to_string()
    }

    #[test]
    fn an_ordinary_moment_is_its_local_time() {
        assert_eq!(bound("2026-11-28T10:00:00.123456Z"), "2026-11-28 11:00:00.123456");
        assert_eq!(bound("2026-07-01T10:00:00Z"), "2026-07-01 12:00:00");
        assert_eq!(bound("2026-03-29T01:00:00Z"), "2026-03-29 03:00:00", "clocks are set forward");
        assert_eq!(local_bound(at("2026-11-28T10:00:00Z"), Tz::Asia__Tokyo).to_string(), "2026-11-28 19:00:00");
    }

    #[test]
    fn the_hour_that_happens_twice_counts_once() {
        assert_eq!(bound("2026-10-24T23:59:59Z"), "2026-10-25 01:59:59");
        for first in ["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T00:59:59.999999Z", "2026-10-25T01:00:00Z"] {
            assert_eq!(bound(first), "2026-10-25 02:00:00", "{first}");
        }
        assert_eq!(bound("2026-10-25T01:30:00Z"), "2026-10-25 02:30:00");
        assert_eq!(bound("2026-10-25T02:00:00Z"), "2026-10-25 03:00:00");
    }

    #[test]
    fn a_local_time_is_at_or_after_the_bound_of_its_moment() {
        let moment = |text: &str| moment_of(text.parse().unwrap(), Tz::Europe__Berlin).unwrap().to_rfc3339();
        assert_eq!(moment("2026-11-28T11:00:00"), "2026-11-28T10:00:00+00:00");
        assert_eq!(moment("2026-10-25T02:30:00"), "2026-10-25T01:30:00+00:00", "the second of two");
        assert_eq!(moment("2026-03-29T02:30:00"), "2026-03-29T01:30:00+00:00", "skipped");
        for minutes in 0..600 {
            let local = at("2026-10-24T22:00:00Z").naive_utc() + TimeDelta::minutes(minutes);
            let own = moment_of(local, Tz::Europe__Berlin).unwrap();
            assert!(local_bound(own, Tz::Europe__Berlin) <= local);
            assert!(local_bound(own + TimeDelta::microseconds(1), Tz::Europe__Berlin) > local, "{local}");
        }
    }

    #[test]
    fn bounds_never_go_back() {
        for zone in [Tz::Europe__Berlin, Tz::America__New_York, Tz::Australia__Lord_Howe, Tz::Asia__Tokyo] {
            for start in ["2026-03-28T00:00:00Z", "2026-10-24T00:00:00Z", "2026-10-31T22:00:00Z", "2026-04-04T00:00:00Z"] {
                let moments = (0..600).map(|step| at(start) + TimeDelta::minutes(step * 7));
                let bounds: Vec<NaiveDateTime> = moments.map(|moment| local_bound(moment, zone)).collect();
                assert!(bounds.is_sorted(), "{zone} {start}");
            }
        }
    }
}
