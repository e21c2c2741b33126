//! Which user interacted with which item, and when: the form in which data enter the engine.

mod builder;
mod interner;
mod late_times;

pub use builder::{InteractionBlock, InteractionLogBuilder};
pub use late_times::LateTimes;

use crate::error::{MlError, MlResult};
use crate::ids::Ids;
use crate::sparse::Csr;
use crate::tensors::{TensorReader, TensorWriter};

/// One entry for each row that was kept, users and items numbered in byte order of their ids.
#[derive(Debug, Clone, PartialEq)]
pub struct InteractionLog {
    /// All users.
    pub users: Ids,
    /// All items.
    pub items: Ids,
    /// User of each row.
    pub user_codes: Vec<u32>,
    /// Item of each row.
    pub item_codes: Vec<u32>,
    /// Time of each row in microseconds UTC; `None` without a time column.
    pub times: Option<Vec<i64>>,
    /// Type of each row; `None` without a column of event types.
    pub events: Option<Events>,
}

/// The kind of interaction of each row, such as a view or a purchase.
#[derive(Debug, Clone, PartialEq)]
pub struct Events {
    /// All types, in byte order; the empty name stands for rows without one.
    pub names: Ids,
    /// Type of each row.
    pub codes: Vec<u32>,
}

/// Value of the metadata key `format` in the prepared form.
const PREPARED_FORMAT: &str = "recotem-interactions-v1";

impl InteractionLog {
    /// Returns the number of users.
    pub fn n_users(&self) -> usize {
        self.users.len()
    }

    /// Returns the number of items.
    pub fn n_items(&self) -> usize {
        self.items.len()
    }

    /// Returns the number of rows, repeated pairs included.
    pub fn n_rows(&self) -> usize {
        self.user_codes.len()
    }

    /// Returns the bytes held on the heap, approximately.
    pub fn heap_bytes(&self) -> u64 {
        let ids = |ids: &Ids| ids.bytes().len() + size_of_val(ids.offsets());
        let events = self.events.as_ref().map_or(0, |events| ids(&events.names) + size_of_val(events.codes.as_slice()));
        let times = self.times.as_ref().map_or(0, |times| size_of_val(times.as_slice()));
        let codes = size_of_val(self.user_codes.as_slice()) + size_of_val(self.item_codes.as_slice());
        (ids(&self.users) + ids(&self.items) + codes + times + events) as u64
    }

    /// Returns the matrix of users by items, 1 where there was any interaction.
    pub fn to_csr(&self) -> Csr {
        let built = Csr::from_pairs(self.n_users(), self.n_items(), &self.user_codes, &self.item_codes);
        built.unwrap_or_else(|_| Csr::empty(self.n_users(), self.n_items()))
    }

    /// Counts the rows that repeat an earlier pair of user and item.
    pub fn duplicates(&self) -> usize {
        self.n_rows() - self.to_csr().nnz()
    }

    /// Returns the share of all possible pairs that occur.
    pub fn density(&self) -> f64 {
        let cells = self.n_users() as f64 * self.n_items() as f64;
        if cells == 0.0 { 0.0 } else { self.to_csr().nnz() as f64 / cells }
    }

    /// Returns the first and last time, in microseconds UTC.
    pub fn time_range(&self) -> Option<(i64, i64)> {
        let times = self.times.as_ref()?;
        Some((*times.iter().min()?, *times.iter().max()?))
    }

    /// Returns the moment against which ages are counted in a training: that of the last interaction. Where interactions have no
    /// times, encoders take the latest date among the features.
    pub fn training_moment(&self) -> Option<i64> {
        self.time_range().map(|(_, last)| last)
    }

    /// Returns the rows for which `keep` is true, over the same users and items.
    pub fn filtered(&self, keep: impl Fn(usize) -> bool) -> InteractionLog {
        let rows: Vec<usize> = (0..self.n_rows()).filter(|&row| keep(row)).collect();
        let pick = |codes: &[u32]| rows.iter().map(|&row| codes[row]).collect::<Vec<u32>>();
        InteractionLog {
            users: self.users.clone(),
            items: self.items.clone(),
            user_codes: pick(&self.user_codes),
            item_codes: pick(&self.item_codes),
            times: self.times.as_ref().map(|times| rows.iter().map(|&row| times[row]).collect()),
            events: self.events.as_ref().map(|events| Events { names: events.names.clone(), codes: pick(&events.codes) }),
        }
    }

    /// Returns the prepared form: a safetensors container that later steps read instead of the upload.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = TensorWriter::default();
        out.metadata("format", PREPARED_FORMAT);
        out.ids("users", &self.users);
        out.ids("items", &self.items);
        out.u32s("user_codes", &[self.n_rows()], &self.user_codes);
        out.u32s("item_codes", &[self.n_rows()], &self.item_codes);
        if let Some(times) = &self.times {
            out.i64s("times", &[times.len()], times);
        }
        if let Some(events) = &self.events {
            out.ids("events", &events.names);
            out.u32s("event_codes", &[events.codes.len()], &events.codes);
        }
        out.finish()
    }

    /// Reads the prepared form and checks that it is consistent.
    pub fn from_bytes(bytes: &[u8]) -> MlResult<Self> {
        let input = TensorReader::open(bytes)?;
        input.require_metadata("format", PREPARED_FORMAT)?;
        let log = InteractionLog {
            users: input.ids("users")?,
            items: input.ids("items")?,
            user_codes: input.u32s("user_codes")?.1,
            item_codes: input.u32s("item_codes")?.1,
            times: if input.has("times") { Some(input.i64s("times")?.1) } else { None },
            events: if input.has("event_codes") { Some(Events::read(&input)?) } else { None },
        };
        log.validate()?;
        Ok(log)
    }

    fn validate(&self) -> MlResult<()> {
        let n = self.n_rows();
        let in_range = |codes: &[u32], len: usize| codes.len() == n && codes.iter().all(|&c| (c as usize) < len);
        if !in_range(&self.user_codes, self.n_users()) || !in_range(&self.item_codes, self.n_items()) {
            return Err(MlError::BadArtifact("a row refers to a user or item that does not exist".into()));
        }
        if self.times.as_ref().is_some_and(|t| t.len() != n) {
            return Err(MlError::BadArtifact("times and rows differ in number".into()));
        }
        if self.events.as_ref().is_some_and(|events| !in_range(&events.codes, events.names.len())) {
            return Err(MlError::BadArtifact("event types and rows differ in number, or a type does not exist".into()));
        }
        Ok(())
    }

    /// Concatenates several logs. Times and event types are kept only when every log has them.
    pub fn merge(logs: &[InteractionLog]) -> MlResult<InteractionLog> {
        let users = Ids::from_unsorted(logs.iter().flat_map(|log| log.users.iter()))?;
        let items = Ids::from_unsorted(logs.iter().flat_map(|log| log.items.iter()))?;
        let mut merged = InteractionLog {
            users,
            items,
            user_codes: Vec::new(),
            item_codes: Vec::new(),
            times: logs.iter().all(|log| log.times.is_some()).then(Vec::new),
            events: Events::merge(logs)?,
        };
        for log in logs {
            let user_map = renumber(&log.users, &merged.users);
            let item_map = renumber(&log.items, &merged.items);
            merged.user_codes.extend(log.user_codes.iter().map(|&c| user_map[c as usize]));
            merged.item_codes.extend(log.item_codes.iter().map(|&c| item_map[c as usize]));
            if let (Some(into), Some(from)) = (&mut merged.times, &log.times) {
                into.extend_from_slice(from);
            }
        }
        Ok(merged)
    }
}

impl Events {
    fn read(input: &TensorReader<'_>) -> MlResult<Self> {
        Ok(Events { names: input.ids("events")?, codes: input.u32s("event_codes")?.1 })
    }

    fn merge(logs: &[InteractionLog]) -> MlResult<Option<Events>> {
        let all: Option<Vec<&Events>> = logs.iter().map(|log| log.events.as_ref()).collect();
        let Some(all) = all else { return Ok(None) };
        let names = Ids::from_unsorted(all.iter().flat_map(|events| events.names.iter()))?;
        let mut codes = Vec::new();
        for events in all {
            let map = renumber(&events.names, &names);
            codes.extend(events.codes.iter().map(|&c| map[c as usize]));
        }
        Ok(Some(Events { names, codes }))
    }
}

/// Returns the numbers in `to` of the ids of `from`; every id of `from` is in `to`.
fn renumber(from: &Ids, to: &Ids) -> Vec<u32> {
    let mut at = 0u32;
    from.iter()
        .map(|id| {
            while to.get(at) != id {
                at += 1;
            }
            at
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> InteractionLog {
        let mut builder = InteractionLogBuilder::new(true);
        for (user, item, time) in [("b", "x", 3), ("a", "y", 1), ("b", "x", 2), ("b", "007", 9), ("a", "7", 4)] {
            builder.push(user, item, Some(time));
        }
        builder.finish()
    }

    #[test]
    fn numbers_follow_byte_order_and_rows_keep_theirs() {
        let log = sample();
        assert_eq!(log.users.iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(log.items.iter().collect::<Vec<_>>(), ["007", "7", "x", "y"]);
        assert_eq!(log.user_codes, [1, 0, 1, 1, 0]);
        assert_eq!(log.item_codes, [2, 3, 2, 0, 1]);
        assert_eq!((log.duplicates(), log.time_range()), (1, Some((1, 9))));
        assert_eq!(log.density(), 0.5);
    }

    #[test]
    fn the_prepared_form_comes_back_and_damage_is_refused() {
        let log = sample();
        let bytes = log.to_bytes();
        assert_eq!(InteractionLog::from_bytes(&bytes).unwrap(), log);
        for cut in 0..bytes.len() {
            assert!(InteractionLog::from_bytes(&bytes[..cut]).is_err());
        }
        let mut outside = log.clone();
        outside.item_codes[0] = 4;
        assert!(InteractionLog::from_bytes(&outside.to_bytes()).is_err());
    }

    #[test]
    fn event_types_stay_with_their_rows() {
        let with_events = |rows: &[(&str, &str)]| {
            let mut builder = InteractionLogBuilder::new(false).with_events();
            rows.iter().for_each(|(user, event)| builder.push_event(user, "x", None, event));
            builder.push("c", "y", None);
            builder.finish()
        };
        let names = |log: &InteractionLog| -> Vec<String> {
            let events = log.events.as_ref().unwrap();
            events.codes.iter().map(|&code| events.names.get(code).to_owned()).collect()
        };
        let log = with_events(&[("b", "view"), ("a", "buy"), ("b", "view")]);
        assert_eq!(log.events.as_ref().unwrap().names.iter().collect::<Vec<_>>(), ["", "buy", "view"]);
        assert_eq!(names(&log), ["view", "buy", "view", ""]);
        let bytes = log.to_bytes();
        assert_eq!(InteractionLog::from_bytes(&bytes).unwrap(), log);
        for wrong in [vec![0, 1, 2, 3], vec![0, 1, 2]] {
            let mut damaged = log.clone();
            damaged.events.as_mut().unwrap().codes = wrong;
            assert!(InteractionLog::from_bytes(&damaged.to_bytes()).is_err());
        }
        let merged = InteractionLog::merge(&[log.clone(), with_events(&[("z", "add"), ("a", "view")])]).unwrap();
        assert_eq!(names(&merged), ["view", "buy", "view", "", "add", "view", ""]);
        assert_eq!(InteractionLog::merge(&[log, sample()]).unwrap().events, None);
    }

    #[test]
    fn merging_renumbers() {
        let mut builder = InteractionLogBuilder::new(false);
        builder.push("aa", "0", None);
        let merged = InteractionLog::merge(&[sample(), builder.finish()]).unwrap();
        assert_eq!(merged.users.iter().collect::<Vec<_>>(), ["a", "aa", "b"]);
        assert_eq!(merged.user_codes, [2, 0, 2, 2, 0, 1]);
        assert_eq!(merged.item_codes, [3, 4, 3, 1, 2, 0]);
        assert_eq!(merged.times, None);
    }
}
