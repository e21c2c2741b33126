//! Who interacted with what, and when: the form in which data enters the engine.

use std::collections::HashMap;

use crate::ml::error::{MlError, MlResult};
use crate::ml::ids::Ids;
use crate::ml::sparse::Csr;
use crate::ml::tensors::{TensorReader, TensorWriter};

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
    /// Time of each row in microseconds UTC, when there is a time column.
    pub times: Option<Vec<i64>>,
}

/// Value of the metadata key `format` in the prepared form.
const PREPARED_FORMAT: &str = "recotem-interactions-v1";

impl InteractionLog {
    /// Number of users.
    pub fn n_users(&self) -> usize {
        self.users.len()
    }

    /// Number of items.
    pub fn n_items(&self) -> usize {
        self.items.len()
    }

    /// Number of rows, repeated pairs included.
    pub fn n_rows(&self) -> usize {
        self.user_codes.len()
    }

    /// The matrix of users by items, 1 where there was any interaction.
    pub fn to_csr(&self) -> Csr {
        let built = Csr::from_pairs(self.n_users(), self.n_items(), &self.user_codes, &self.item_codes);
        built.unwrap_or_else(|_| Csr::empty(self.n_users(), self.n_items()))
    }

    /// How many rows repeat an earlier pair of user and item.
    pub fn duplicates(&self) -> usize {
        self.n_rows() - self.to_csr().nnz()
    }

    /// Share of all possible pairs that were seen.
    pub fn density(&self) -> f64 {
        let cells = self.n_users() as f64 * self.n_items() as f64;
        if cells == 0.0 { 0.0 } else { self.to_csr().nnz() as f64 / cells }
    }

    /// First and last time, in microseconds UTC.
    pub fn time_range(&self) -> Option<(i64, i64)> {
        let times = self.times.as_ref()?;
        Some((*times.iter().min()?, *times.iter().max()?))
    }

    /// The prepared form: a safetensors container that later steps read instead of the upload.
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
        out.finish()
    }

    /// Reads the prepared form, checking that it holds together.
    pub fn from_bytes(bytes: &[u8]) -> MlResult<Self> {
        let input = TensorReader::open(bytes)?;
        input.require_metadata("format", PREPARED_FORMAT)?;
        let log = InteractionLog {
            users: input.ids("users")?,
            items: input.ids("items")?,
            user_codes: input.u32s("user_codes")?.1,
            item_codes: input.u32s("item_codes")?.1,
            times: if input.has("times") { Some(input.i64s("times")?.1) } else { None },
        };
        log.validate()?;
        Ok(log)
    }

    fn validate(&self) -> MlResult<()> {
        let n = self.n_rows();
        let in_range = |codes: &[u32], len: usize| codes.len() == n && codes.iter().all(|&c| (c as usize) < len);
        if !in_range(&self.user_codes, self.n_users()) || !in_range(&self.item_codes, self.n_items()) {
            return Err(MlError::BadArtifact("a row names a user or item that is not there".into()));
        }
        if self.times.as_ref().is_some_and(|t| t.len() != n) {
            return Err(MlError::BadArtifact("times and rows differ in number".into()));
        }
        Ok(())
    }

    /// Puts several logs behind one another. Times are kept only when every log has them.
    pub fn merge(logs: &[InteractionLog]) -> MlResult<InteractionLog> {
        let users = Ids::from_unsorted(logs.iter().flat_map(|log| log.users.iter()))?;
        let items = Ids::from_unsorted(logs.iter().flat_map(|log| log.items.iter()))?;
        let mut merged = InteractionLog {
            users,
            items,
            user_codes: Vec::new(),
            item_codes: Vec::new(),
            times: logs.iter().all(|log| log.times.is_some()).then(Vec::new),
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

/// Numbers in `to` of the ids of `from`; every id of `from` is in `to`.
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

/// Collects rows in any order.
#[derive(Debug)]
pub struct InteractionLogBuilder {
    users: Interner,
    items: Interner,
    user_codes: Vec<u32>,
    item_codes: Vec<u32>,
    times: Option<Vec<i64>>,
}

impl InteractionLogBuilder {
    /// An empty builder; `with_times` says whether rows carry a time.
    pub fn new(with_times: bool) -> Self {
        InteractionLogBuilder {
            users: Interner::default(),
            items: Interner::default(),
            user_codes: Vec::new(),
            item_codes: Vec::new(),
            times: with_times.then(Vec::new),
        }
    }

    /// Adds a row. A missing time in a log with times counts as the beginning of 1970.
    pub fn push(&mut self, user: &str, item: &str, time: Option<i64>) {
        self.user_codes.push(self.users.code(user));
        self.item_codes.push(self.items.code(item));
        if let Some(times) = &mut self.times {
            times.push(time.unwrap_or(0));
        }
    }

    /// Rows added so far.
    pub fn n_rows(&self) -> usize {
        self.user_codes.len()
    }

    /// Numbers users and items in byte order and gives the log.
    pub fn finish(self) -> InteractionLog {
        let (users, user_map) = self.users.finish();
        let (items, item_map) = self.items.finish();
        let apply = |mut codes: Vec<u32>, map: &[u32]| {
            codes.iter_mut().for_each(|code| *code = map[*code as usize]);
            codes
        };
        InteractionLog {
            users,
            items,
            user_codes: apply(self.user_codes, &user_map),
            item_codes: apply(self.item_codes, &item_map),
            times: self.times,
        }
    }
}

/// Numbers strings in order of first sight.
#[derive(Debug, Default)]
struct Interner {
    codes: HashMap<Box<str>, u32>,
}

impl Interner {
    fn code(&mut self, id: &str) -> u32 {
        if let Some(&code) = self.codes.get(id) {
            return code;
        }
        let code = self.codes.len() as u32;
        self.codes.insert(id.into(), code);
        code
    }

    /// The dictionary in byte order, and for each old number the new one.
    fn finish(self) -> (Ids, Vec<u32>) {
        let mut sorted: Vec<(Box<str>, u32)> = self.codes.into_iter().collect();
        sorted.sort_unstable();
        let mut map = vec![0u32; sorted.len()];
        for (new, (_, old)) in sorted.iter().enumerate() {
            map[*old as usize] = new as u32;
        }
        // Keys of a map are distinct and were just sorted, so this cannot fail.
        let ids = Ids::from_sorted(sorted.iter().map(|(id, _)| id)).unwrap_or_default();
        (ids, map)
    }
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
