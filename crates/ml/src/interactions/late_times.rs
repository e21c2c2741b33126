//! Times later than the data itself: a wrong clock, or a date that means "never".

use super::InteractionLog;

/// Rows whose time is later than possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LateTimes {
    /// Number of such rows.
    pub rows: usize,
    /// The latest of their times, in microseconds UTC.
    pub last: i64,
    /// The time that replaced them; `None` when no row is earlier, so that all keep theirs.
    pub counted_as: Option<i64>,
}

impl InteractionLog {
    /// Replaces times after a moment by the latest time that is not after it, and returns which they were; `None` when there are
    /// none.
    ///
    /// Age is measured from the latest time of a log: a single row in the year 9999 would make all others worthless.
    pub fn settle_times(&mut self, moment: i64) -> Option<LateTimes> {
        let times = self.times.as_mut()?;
        let late = || times.iter().filter(|time| **time > moment);
        let (rows, last) = (late().count(), *late().max()?);
        let counted_as = times.iter().copied().filter(|time| *time <= moment).max();
        if let Some(latest) = counted_as {
            times.iter_mut().for_each(|time| *time = latest.min(*time));
        }
        Some(LateTimes { rows, last, counted_as })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interactions::InteractionLogBuilder;

    fn log(times: &[i64]) -> InteractionLog {
        let mut builder = InteractionLogBuilder::new(true);
        times.iter().for_each(|time| builder.push("a", "x", Some(*time)));
        builder.finish()
    }

    #[test]
    fn later_times_count_as_the_latest_that_is_not_after_the_moment() {
        let mut late = log(&[3, 900, 10, 7, 400]);
        assert_eq!(late.settle_times(10), Some(LateTimes { rows: 2, last: 900, counted_as: Some(10) }));
        assert_eq!(late.times, Some(vec![3, 10, 10, 7, 10]));
        let mut in_order = log(&[3, 10]);
        assert_eq!((in_order.settle_times(10), in_order.times), (None, Some(vec![3, 10])));
    }

    #[test]
    fn where_every_time_is_later_all_keep_theirs() {
        let mut all_late = log(&[30, 20]);
        assert_eq!(all_late.settle_times(10), Some(LateTimes { rows: 2, last: 30, counted_as: None }));
        assert_eq!(all_late.times, Some(vec![30, 20]));
        let mut untimed = InteractionLogBuilder::new(false).finish();
        assert_eq!(untimed.settle_times(10), None);
    }
}
