//! A cache of limited size that parties share: the party that holds most makes room, so that the entries of one, however many, do
//! not evict those of others.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{PoisonError, RwLock};

/// Entries of all parties.
pub struct Shares<K, V> {
    /// Bytes of entries to keep.
    budget: usize,
    shelf: RwLock<Shelf<K, V>>,
}

struct Shelf<K, V> {
    entries: HashMap<K, Entry<V>>,
    shares: HashMap<i64, Share<K>>,
    bytes: usize,
    writes: u64,
}

struct Entry<V> {
    party: i64,
    value: V,
    bytes: usize,
    written: u64,
}

/// The entries of one party, the one written longest ago first.
struct Share<K> {
    bytes: usize,
    by_age: BTreeMap<u64, K>,
}

impl<K: Clone + Eq + Hash, V: Clone> Shares<K, V> {
    /// Creates an empty cache of at most `budget` bytes.
    pub fn new(budget: usize) -> Self {
        let shelf = Shelf { entries: HashMap::new(), shares: HashMap::new(), bytes: 0, writes: 0 };
        Self { budget, shelf: RwLock::new(shelf) }
    }

    /// Returns an entry. On the path of every prediction for a user.
    pub fn get(&self, key: &K) -> Option<V> {
        let shelf = self.shelf.read().unwrap_or_else(PoisonError::into_inner);
        shelf.entries.get(key).map(|entry| entry.value.clone())
    }

    /// Writes an entry of a party, and evicts entries until the rest fits: always the one written longest ago of the party whose
    /// entries take up most.
    pub fn put(&self, party: i64, key: K, value: V, bytes: usize) {
        let mut shelf = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
        shelf.remove(&key);
        shelf.insert(party, key, value, bytes);
        while shelf.bytes > self.budget
            && let Some(victim) = shelf.victim()
        {
            shelf.remove(&victim);
        }
    }
}

impl<K: Clone + Eq + Hash, V> Shelf<K, V> {
    fn insert(&mut self, party: i64, key: K, value: V, bytes: usize) {
        self.writes += 1;
        let written = self.writes;
        let share = self.shares.entry(party).or_insert_with(|| Share { bytes: 0, by_age: BTreeMap::new() });
        share.bytes += bytes;
        share.by_age.insert(written, key.clone());
        self.bytes += bytes;
        self.entries.insert(key, Entry { party, value, bytes, written });
    }

    fn remove(&mut self, key: &K) {
        let Some(Entry { party, bytes, written, .. }) = self.entries.remove(key) else { return };
        self.bytes -= bytes;
        let Some(share) = self.shares.get_mut(&party) else { return };
        share.bytes -= bytes;
        share.by_age.remove(&written);
        if share.by_age.is_empty() {
            self.shares.remove(&party);
        }
    }

    fn victim(&self) -> Option<K> {
        let largest = self.shares.values().max_by_key(|share| share.bytes)?;
        largest.by_age.first_key_value().map(|(_, key)| key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: i64 = -1;
    const LARGE: i64 = 1;

    #[test]
    fn a_party_with_many_entries_evicts_its_own() {
        let shares = Shares::new(100);
        for key in 0..4 {
            shares.put(SMALL, key, "small", 10);
        }
        for key in 100..1_100 {
            shares.put(LARGE, key, "large", 10);
        }
        assert!((0..4).all(|key| shares.get(&key).is_some()));
        let kept: Vec<i32> = (100..1_100).filter(|key| shares.get(key).is_some()).collect();
        assert_eq!(kept, [1_094, 1_095, 1_096, 1_097, 1_098, 1_099]);
    }

    #[test]
    fn a_party_alone_uses_all_of_it_until_another_comes() {
        let shares = Shares::new(100);
        for key in 0..20 {
            shares.put(LARGE, key, (), 10);
        }
        assert_eq!((0..20).filter(|key| shares.get(key).is_some()).count(), 10);
        for key in 100..120 {
            shares.put(SMALL, key, (), 10);
        }
        assert_eq!((0..20).filter(|key| shares.get(key).is_some()).count(), 5);
        assert_eq!((100..120).filter(|key| shares.get(key).is_some()).count(), 5);
    }

    #[test]
    fn an_entry_that_is_written_again_counts_once_and_is_the_last_to_go() {
        let shares = Shares::new(30);
        for key in [1, 2, 1, 3, 1, 4] {
            shares.put(LARGE, key, key, 10);
        }
        assert_eq!([1, 2, 3, 4].map(|key| shares.get(&key)), [Some(1), None, Some(3), Some(4)]);
    }
}
