//! Dictionaries of exact string ids, numbered in byte order.

use crate::error::{MlError, MlResult};

/// Distinct strings in byte order: one contiguous buffer, and the end of each string.
///
/// The number of an id is its rank, so ties between equal scores break the same way for any order of the rows of a file. More ids
/// may follow, in an order of their own: see [`Ids::followed_by`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    text: String,
    /// `offsets[i]..offsets[i + 1]` is the i-th id; always starts with 0.
    offsets: Vec<u64>,
    /// Number of ids that follow the first ones in an order of their own.
    n_more: usize,
}

impl Default for Ids {
    fn default() -> Self {
        Ids { text: String::new(), offsets: vec![0], n_more: 0 }
    }
}

impl Ids {
    /// Takes ids that are distinct and in byte order; refuses all others.
    pub fn from_sorted<S: AsRef<str>>(sorted: impl IntoIterator<Item = S>) -> MlResult<Self> {
        let mut ids = Ids::default();
        for id in sorted {
            ids.append(id.as_ref())?;
        }
        Ok(ids)
    }

    /// Sorts ids and removes duplicates.
    pub fn from_unsorted<S: AsRef<str>>(any: impl IntoIterator<Item = S>) -> MlResult<Self> {
        let mut all: Vec<S> = any.into_iter().collect();
        all.sort_unstable_by(|a, b| a.as_ref().cmp(b.as_ref()));
        all.dedup_by(|a, b| a.as_ref() == b.as_ref());
        Ids::from_sorted(all)
    }

    /// Rebuilds a dictionary from its two buffers, checking each of their invariants.
    pub fn from_parts(bytes: &[u8], offsets: &[u64]) -> MlResult<Self> {
        let bad = |what: &str| MlError::BadArtifact(format!("id dictionary {what}"));
        let text = std::str::from_utf8(bytes).map_err(|_| bad("is not UTF-8"))?;
        if offsets.first() != Some(&0) || offsets.last() != Some(&(bytes.len() as u64)) {
            return Err(bad("does not cover its bytes"));
        }
        let mut ids = Ids { text: String::with_capacity(text.len()), offsets: Vec::with_capacity(offsets.len()), n_more: 0 };
        ids.offsets.push(0);
        for pair in offsets.windows(2) {
            let id = text.get(pair[0] as usize..pair[1] as usize).ok_or_else(|| bad("has an offset out of place"))?;
            ids.append(id).map_err(|_| bad("is not in strict byte order"))?;
        }
        Ok(ids)
    }

    fn append(&mut self, id: &str) -> MlResult<()> {
        if self.len() >= u32::MAX as usize {
            return Err(MlError::BadInput("more than 4,294,967,294 distinct ids".into()));
        }
        if !self.is_empty() && self.get(self.len() as u32 - 1) >= id {
            return Err(MlError::BadInput(format!("id {id:?} is not in strict byte order")));
        }
        self.text.push_str(id);
        self.offsets.push(self.text.len() as u64);
        Ok(())
    }

    /// Returns the number of ids.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Returns whether there are no ids.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the id with this number. Panics when the number is not below `len`, as indexing does.
    pub fn get(&self, code: u32) -> &str {
        let at = code as usize;
        &self.text[self.offsets[at] as usize..self.offsets[at + 1] as usize]
    }

    /// Returns these ids and behind them others, each in their own order, so that the numbers of these stay; refuses ids that
    /// are in both, and ids that others follow already.
    pub fn followed_by(&self, more: &Ids) -> MlResult<Self> {
        if self.n_more > 0 || more.n_more > 0 {
            return Err(MlError::BadInput("ids are already followed by others".into()));
        }
        if let Some(id) = more.iter().find(|id| self.find(id).is_some()) {
            return Err(MlError::BadInput(format!("id {id:?} is known already")));
        }
        let mut all = self.clone();
        all.text.push_str(&more.text);
        all.offsets.extend(more.offsets[1..].iter().map(|end| end + self.text.len() as u64));
        all.n_more = more.len();
        Ok(all)
    }

    /// Returns the number of an id, matched byte for byte.
    pub fn find(&self, id: &str) -> Option<u32> {
        let first = self.len() - self.n_more;
        self.find_in(0..first, id).or_else(|| self.find_in(first..self.len(), id))
    }

    fn find_in(&self, range: std::ops::Range<usize>, id: &str) -> Option<u32> {
        let (mut low, mut high) = (range.start, range.end);
        while low < high {
            let mid = low + (high - low) / 2;
            match self.get(mid as u32).cmp(id) {
                std::cmp::Ordering::Equal => return Some(mid as u32),
                std::cmp::Ordering::Less => low = mid + 1,
                std::cmp::Ordering::Greater => high = mid,
            }
        }
        None
    }

    /// Iterates over all ids in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> + Clone + '_ {
        (0..self.len()).map(|i| self.get(i as u32))
    }

    /// Returns all strings, concatenated.
    pub fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Returns where each string starts, and the end of the last.
    pub fn offsets(&self) -> &[u64] {
        &self.offsets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stay_exact_and_are_found() {
        let ids = Ids::from_unsorted(["a/b c", "7", "007", "Sigur Rós", "7"]).unwrap();
        assert_eq!(ids.iter().collect::<Vec<_>>(), ["007", "7", "Sigur Rós", "a/b c"]);
        for (i, id) in ids.iter().enumerate() {
            assert_eq!(ids.find(id), Some(i as u32));
        }
        assert_eq!(ids.find("07"), None);
        assert_eq!(Ids::from_parts(ids.bytes(), ids.offsets()).unwrap(), ids);
    }

    #[test]
    fn ids_that_follow_others_keep_all_numbers() {
        let sorted = |ids: &[&str]| Ids::from_sorted(ids).unwrap();
        let all = sorted(&["b", "d"]).followed_by(&sorted(&["a", "c", "e"])).unwrap();
        assert_eq!(all.iter().collect::<Vec<_>>(), ["b", "d", "a", "c", "e"]);
        assert_eq!(all.iter().map(|id| all.find(id).unwrap()).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!(all.find("f"), None);
        assert!(all.followed_by(&sorted(&["f"])).is_err());
        assert!(sorted(&["b"]).followed_by(&sorted(&["a", "b"])).is_err());
    }

    #[test]
    fn broken_parts_are_refused() {
        let ids = Ids::from_sorted(["a", "é"]).unwrap();
        for offsets in [vec![], vec![0], vec![0, 2, 3], vec![0, 5, 3], vec![1, 3], vec![0, u64::MAX, 3]] {
            assert!(Ids::from_parts(ids.bytes(), &offsets).is_err(), "{offsets:?}");
        }
        assert!(Ids::from_sorted(["b", "a"]).is_err());
        assert!(Ids::from_sorted(["a", "a"]).is_err());
    }
}
