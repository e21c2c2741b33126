//! Sessions in order: the training and evaluation data of session models.

use crate::error::{MlError, MlResult};
use crate::interactions::InteractionLog;

/// Lists of items in the order in which they were looked at; the session that ended first is first.
#[derive(Debug, Clone, PartialEq)]
pub struct Sessions {
    n_items: usize,
    /// Where each session starts in `items`, and the end of the last.
    starts: Vec<usize>,
    items: Vec<u32>,
    /// Last time of each session.
    ends: Vec<i64>,
}

impl Sessions {
    /// Reads users as sessions. Rows of the same time keep the order of the log, sessions that end at the same time that of their
    /// ids. Fails without times.
    pub fn from_log(log: &InteractionLog) -> MlResult<Self> {
        let Some(times) = &log.times else {
            return Err(MlError::BadInput("sessions need a time for every interaction; choose a time column".into()));
        };
        let mut rows: Vec<usize> = (0..log.n_rows()).collect();
        rows.sort_by_key(|&row| (log.user_codes[row], times[row]));
        let mut sessions: Vec<&[usize]> = rows.chunk_by(|&a, &b| log.user_codes[a] == log.user_codes[b]).collect();
        let end = |session: &[usize]| session.last().map_or(i64::MIN, |&row| times[row]);
        sessions.sort_by_key(|session| end(session));
        let lists = sessions.into_iter().map(|session| (end(session), session.iter().map(|&row| log.item_codes[row])));
        Ok(Self::collect(log.n_items(), lists))
    }

    fn collect(n_items: usize, lists: impl Iterator<Item = (i64, impl Iterator<Item = u32>)>) -> Self {
        let mut sessions = Sessions { n_items, starts: vec![0], items: Vec::new(), ends: Vec::new() };
        for (end, items) in lists {
            sessions.items.extend(items);
            sessions.starts.push(sessions.items.len());
            sessions.ends.push(end);
        }
        sessions
    }

    /// Returns the number of sessions.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns whether there are no sessions.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the number of items to choose from, whether they occur or not.
    pub fn n_items(&self) -> usize {
        self.n_items
    }

    /// Returns the total number of interactions.
    pub fn n_interactions(&self) -> usize {
        self.items.len()
    }

    /// Returns the items of a session, first to last.
    pub fn get(&self, at: usize) -> &[u32] {
        &self.items[self.starts[at]..self.starts[at + 1]]
    }

    /// Divides by time: the share of sessions that ended last, for evaluation, and those that ended before them.
    ///
    /// Sessions that ended at the moment of the cut stay with the earlier ones: they cannot be told apart.
    pub fn split_latest(&self, share: f64) -> MlResult<(Sessions, Sessions)> {
        if !(0.0..1.0).contains(&share) {
            return Err(MlError::BadSplit(format!("the share of held-out sessions must be between 0 and 1, not {share}")));
        }
        let n_later = (self.len() as f64 * share + 1e-9).floor() as usize;
        let cut = match self.ends.get(self.len().wrapping_sub(n_later + 1)) {
            Some(moment) => self.ends.partition_point(|end| end <= moment),
            None => 0,
        };
        if cut == 0 || cut == self.len() {
            return Err(MlError::BadSplit(
                "the sessions cannot be divided by time; there are too few, or all end at once".into(),
            ));
        }
        Ok((self.part(0..cut), self.part(cut..self.len())))
    }

    /// Returns when the last of them ended; `None` when there are none.
    pub fn last_end(&self) -> Option<i64> {
        self.ends.last().copied()
    }

    /// Returns the sessions that had ended by a moment.
    pub fn ended_by(&self, moment: i64) -> Sessions {
        self.part(0..self.ends.partition_point(|end| *end <= moment))
    }

    fn part(&self, range: std::ops::Range<usize>) -> Sessions {
        Self::collect(self.n_items, range.map(|at| (self.ends[at], self.get(at).iter().copied())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interactions::InteractionLogBuilder;

    #[test]
    fn rows_are_put_in_order_and_divided_by_time() {
        let mut builder = InteractionLogBuilder::new(true);
        let rows = [("b", "x", 9), ("a", "y", 5), ("b", "z", 3), ("a", "x", 5), ("c", "z", 1), ("c", "z", 2), ("d", "x", 5)];
        rows.iter().for_each(|(session, item, time)| builder.push(session, item, Some(*time)));
        let sessions = Sessions::from_log(&builder.finish()).unwrap();
        let all: Vec<&[u32]> = (0..sessions.len()).map(|at| sessions.get(at)).collect();
        assert_eq!(all, [&[2, 2][..], &[1, 0], &[0], &[2, 0]]);
        assert_eq!((sessions.n_items(), sessions.n_interactions()), (3, 7));
        let (earlier, later) = sessions.split_latest(0.5).unwrap();
        assert_eq!((earlier.len(), later.len()), (3, 1), "sessions that end at once stay together");
        assert_eq!(later.get(0), [2, 0]);
        assert_eq!((earlier.last_end(), sessions.ended_by(5), sessions.ended_by(1).len()), (Some(5), earlier, 0));
        assert!(sessions.split_latest(1.0).is_err() && sessions.split_latest(0.0).is_err());
        let mut untimed = InteractionLogBuilder::new(false);
        untimed.push("a", "x", None);
        assert!(Sessions::from_log(&untimed.finish()).is_err());
    }
}
