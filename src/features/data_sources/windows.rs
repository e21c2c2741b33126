//! Arithmetic of windows: where the next one begins and ends, and how they lie to each other.
//!
//! A window is half-open and ends a settle time before the source's clock. Rows that are committed within that time of their cursor
//! are read exactly once in any order of commits; a property test below checks this.

use chrono::{DateTime, TimeDelta, Utc};

use crate::connectors::{CursorKind, Window};
use crate::platform::http::timestamp;

/// Returns the end of the window that a run at this time of the source reads. Rows with later cursors may still be committed.
pub fn end_of_times(now: DateTime<Utc>, settle_seconds: i32) -> i64 {
    let end = now.checked_sub_signed(TimeDelta::seconds(settle_seconds.into())).unwrap_or(now);
    end.timestamp_micros()
}

/// Returns the end of the window that includes the newest row.
pub fn end_of_numbers(newest: Option<i64>, position: Option<i64>) -> i64 {
    newest.map_or(position.unwrap_or_default(), |newest| newest.saturating_add(1))
}

/// Returns the window from the end of the last accepted one; `None` if it would be empty.
pub fn next(position: Option<i64>, end: i64) -> Option<Window> {
    let window = Window { lo: position, hi: end };
    (!window.is_empty()).then_some(window)
}

/// Returns whether every row of a window is in another one.
pub fn covers(outer: Window, inner: Window) -> bool {
    inner.hi <= outer.hi && begins_before(outer, inner)
}

/// Returns whether a row can be in both windows.
pub fn overlap(one: Window, other: Window) -> bool {
    let after = |first: Window, second: Window| second.lo.is_some_and(|lo| lo >= first.hi);
    !after(one, other) && !after(other, one)
}

fn begins_before(one: Window, other: Window) -> bool {
    match (one.lo, other.lo) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(one), Some(other)) => one <= other,
    }
}

/// Returns the smallest window that holds a window and all of `parts` which overlap it: a part is read again as a whole.
pub fn widened(window: Window, parts: &[Window]) -> Window {
    let mut whole = window;
    loop {
        let wider = parts.iter().filter(|part| overlap(whole, **part)).fold(whole, |whole, part| Window {
            lo: if begins_before(whole, *part) { whole.lo } else { part.lo },
            hi: whole.hi.max(part.hi),
        });
        if wider == whole {
            return whole;
        }
        whole = wider;
    }
}

/// Returns a bound as answers show it: a moment, or a number.
pub fn text(kind: CursorKind, bound: i64) -> String {
    match kind {
        CursorKind::Time => DateTime::from_timestamp_micros(bound).map_or_else(|| bound.to_string(), |at| timestamp::text(&at)),
        CursorKind::Integer => bound.to_string(),
    }
}

/// Returns how sentences call a window.
pub fn name(kind: CursorKind, window: Window) -> String {
    match window.lo {
        Some(lo) => format!("{} to {}", text(kind, lo), text(kind, window.hi)),
        None => format!("up to {}", text(kind, window.hi)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(lo: i64, hi: i64) -> Window {
        Window { lo: Some(lo), hi }
    }

    #[test]
    fn the_first_window_has_no_beginning_and_an_empty_one_is_none() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(1_000);
        assert_eq!(end_of_times(now, 600), 400_000_000);
        assert_eq!(next(None, 5), Some(Window { lo: None, hi: 5 }));
        assert_eq!(next(Some(4), 5), Some(window(4, 5)));
        assert_eq!((next(Some(5), 5), next(Some(6), 5)), (None, None), "the settle time was raised");
        assert_eq!((end_of_numbers(Some(7), Some(3)), end_of_numbers(None, Some(3)), end_of_numbers(None, None)), (8, 3, 0));
    }

    #[test]
    fn a_window_is_widened_to_whole_parts() {
        let first = Window { lo: None, hi: 10 };
        let parts = [first, window(10, 20), window(20, 30), window(30, 40)];
        assert_eq!(widened(window(12, 13), &parts), window(10, 20));
        assert_eq!(widened(window(20, 30), &parts), window(20, 30));
        assert_eq!(widened(window(15, 25), &parts), window(10, 30));
        assert_eq!(widened(window(5, 6), &parts), first);
        assert_eq!(widened(window(50, 60), &parts), window(50, 60));
        assert!(covers(first, window(1, 2)) && !covers(window(1, 2), first) && covers(window(1, 2), window(1, 2)));
    }

    /// Rows as pairs of a stamp and the delay of their commit, and the times of runs, all in seconds.
    fn histories() -> impl Strategy<Value = (Vec<(i64, i64)>, Vec<i64>)> {
        let rows = prop::collection::vec((0..5_000_i64, 0..600_i64), 0..80);
        // Some stamps are equal, and some lie on a bound.
        let rows = rows.prop_map(|rows| rows.into_iter().map(|(stamp, delay)| (stamp / 50 * 50, delay)).collect::<Vec<_>>());
        (rows, prop::collection::vec(1..900_i64, 1..20))
    }

    proptest! {
        /// Every row whose commit is late by less than the settle time is in exactly one window, and in the first that ends after
        /// its stamp.
        #[test]
        fn no_late_row_is_lost_or_read_twice((rows, pauses) in histories(), fails in prop::collection::vec(any::<bool>(), 20)) {
            let (settle, mut now, mut position) = (600, 0, None);
            let mut read = vec![0; rows.len()];
            for (pause, fails) in pauses.into_iter().zip(fails) {
                now += pause;
                let end = end_of_times(DateTime::UNIX_EPOCH + TimeDelta::seconds(now), settle);
                let Some(window) = next(position, end) else { continue };
                // A run that fails moves nothing, and the next one reads its rows.
                if fails {
                    continue;
                }
                for ((stamp, delay), read) in rows.iter().zip(&mut read) {
                    let is_committed = stamp + delay <= now;
                    let cursor = stamp * 1_000_000;
                    let is_inside = window.lo.is_none_or(|lo| lo <= cursor) && cursor < window.hi;
                    *read += i32::from(is_committed && is_inside);
                }
                position = Some(window.hi);
            }
            for ((stamp, _), read) in rows.iter().zip(read) {
                let is_past = position.is_some_and(|end| stamp * 1_000_000 < end);
                prop_assert_eq!(read, i32::from(is_past), "the row of {}", stamp);
            }
        }

        /// A widened window cuts no part in two.
        #[test]
        fn a_widened_window_holds_whole_parts(bounds in prop::collection::btree_set(0..1_000_i64, 2..20), lo in 0..999_i64, length in 1..200_i64) {
            let bounds: Vec<i64> = bounds.into_iter().collect();
            let parts: Vec<Window> = bounds.windows(2).map(|pair| window(pair[0], pair[1])).collect();
            let whole = widened(window(lo, lo + length), &parts);
            prop_assert!(covers(whole, window(lo, lo + length)));
            for part in parts {
                prop_assert_eq!(overlap(whole, part), covers(whole, part));
            }
        }
    }
}
