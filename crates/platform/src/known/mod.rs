//! Values from the database that are kept in memory for requests that cannot wait for it.
//!
//! A value is read once for all concurrent callers. Changes put values in doubt: they are read again before they are returned,
//! but no caller waits long for that. While the database is gone, or hangs, the last known values are still returned, except
//! those that are distrusted.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, Shared};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::sync::oneshot;

use super::db::{DbError, ReadError, noticed_if_left};

/// Longest time that a caller waits for a value to be read, when there is a last known one.
const LIMIT: Duration = Duration::from_millis(500);
/// The same without one: an answer that is late is better than none.
const LIMIT_OF_FIRST: Duration = Duration::from_secs(2);
/// Longest time of a read, also when no caller waits for it any more.
pub const LONGEST: Duration = Duration::from_secs(10);
/// Time for which a failure is remembered before the read is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// How often [`Known::fill`] reads while something changes meanwhile.
const FILLS: usize = 5;

/// The generation of a single value put in doubt; others begin with 1.
const IN_DOUBT: u64 = 0;

/// The result of a read: `None` when there is no such object.
pub type Found<V> = Result<Option<Arc<V>>, Arc<ReadError>>;

type Attempt<V> = Shared<BoxFuture<'static, Found<V>>>;

/// Returns the result of a read, or an error when it takes longer than `limit`, so that a database that hangs does not block a
/// caller that reads again later.
pub async fn within<T>(limit: Duration, read: impl Future<Output = Result<T, ReadError>>) -> Result<T, ReadError> {
    let no_answer = |_| Err(DbError::Unavailable(format!("no answer in {limit:?}")).into());
    tokio::time::timeout(limit, noticed_if_left(read)).await.unwrap_or_else(no_answer)
}

/// Values by key. Cheap to clone; clones share them.
pub struct Known<K, V>(Arc<Shelf<K, V>>);

impl<K, V> Clone for Known<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Shelf<K, V> {
    /// Name of the values, for the log.
    name: &'static str,
    entries: Cache<K, Entry<V>>,
    /// Current generation; values of an earlier one are in doubt.
    generation: AtomicU64,
    /// Whether the database did not answer the last read.
    is_silent: AtomicBool,
    reading: Mutex<Reading<K, V>>,
}

struct Entry<V> {
    value: Arc<V>,
    generation: u64,
    /// Whether the value must never be returned before it has been read again.
    is_distrusted: bool,
}

impl<V> Clone for Entry<V> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), ..*self }
    }
}

struct Reading<K, V> {
    /// Number of changes so far.
    changes: u64,
    /// Number of attempts so far.
    begun: u64,
    /// Attempts in progress, with their numbers. Later callers do not join an attempt that began before a change.
    attempts: HashMap<K, (u64, Attempt<V>)>,
}

/// The state of changes at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(u64);

impl<K, V> Known<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Creates a memory of at most `most` values; those used longest ago are dropped first.
    pub fn new(name: &'static str, most: u64) -> Self {
        let reading = Mutex::new(Reading { changes: 0, begun: 0, attempts: HashMap::new() });
        let entries = Cache::builder().max_capacity(most).eviction_policy(EvictionPolicy::lru()).build();
        Self(Arc::new(Shelf { name, entries, generation: AtomicU64::new(1), is_silent: AtomicBool::new(false), reading }))
    }

    /// Returns a value from memory, or reads it; `None` when there is no such object. When the read takes too long or fails,
    /// returns the last known value.
    pub async fn get<R>(&self, key: &K, read: impl FnOnce() -> R) -> Found<V>
    where
        R: Future<Output = Result<Option<V>, ReadError>> + Send + 'static,
    {
        let known = self.0.entries.get(key);
        if let Some(entry) = &known
            && self.is_current(entry)
        {
            return Ok(Some(Arc::clone(&entry.value)));
        }
        let attempt = self.attempt(key, read);
        let last = known.filter(|entry| !entry.is_distrusted).map(|entry| entry.value);
        if let Some(last) = &last
            && self.0.is_silent.load(Ordering::Relaxed)
        {
            return Ok(Some(Arc::clone(last)));
        }
        let limit = if last.is_some() { LIMIT } else { LIMIT_OF_FIRST };
        let found = tokio::time::timeout(limit, attempt).await.unwrap_or_else(|_| {
            self.0.note_silence(true);
            Err(no_answer(limit))
        });
        match (found, last) {
            (Err(_), Some(last)) => Ok(Some(last)),
            (found, _) => found,
        }
    }

    /// Returns the attempt in progress, or a new one. It continues without the callers that asked for it.
    fn attempt<R>(&self, key: &K, read: impl FnOnce() -> R) -> Attempt<V>
    where
        R: Future<Output = Result<Option<V>, ReadError>> + Send + 'static,
    {
        let mut reading = self.0.reading();
        if let Some((_, attempt)) = reading.attempts.get(key) {
            return attempt.clone();
        }
        reading.begun += 1;
        let place = Place { shelf: Arc::clone(&self.0), key: key.clone(), number: reading.begun };
        let (answer, answered) = oneshot::channel();
        let attempt = answered.map(|found| found.unwrap_or_else(|_| Err(no_answer(LONGEST)))).boxed().shared();
        reading.attempts.insert(key.clone(), (place.number, attempt.clone()));
        let read = read();
        tokio::spawn(async move {
            let found = within(LONGEST, read).await.map(|value| value.map(Arc::new)).map_err(Arc::new);
            let failed = found.is_err();
            place.settle(&found);
            let _ = answer.send(found);
            if failed {
                // Callers meanwhile get the same answer, so that a struggling database does not get a query from each of them.
                tokio::time::sleep(PAUSE).await;
            }
        });
        attempt
    }

    /// Returns a value that is in memory and not in doubt, without waiting.
    pub fn current(&self, key: &K) -> Option<Arc<V>> {
        self.0.entries.get(key).filter(|entry| self.is_current(entry)).map(|entry| entry.value)
    }

    /// Returns a value without waiting: one that is not in doubt or, while the database does not answer, the last known one.
    pub fn at_hand(&self, key: &K) -> Option<Arc<V>> {
        let entry = self.0.entries.get(key)?;
        let is_last_known = !entry.is_distrusted && self.0.is_silent.load(Ordering::Relaxed);
        (is_last_known || self.is_current(&entry)).then_some(entry.value)
    }

    fn is_current(&self, entry: &Entry<V>) -> bool {
        entry.generation == self.0.generation.load(Ordering::Acquire)
    }

    /// Returns a value that is in memory, in doubt or not.
    pub fn peek(&self, key: &K) -> Option<Arc<V>> {
        self.0.entries.get(key).map(|entry| entry.value)
    }

    /// Returns all values in memory, in doubt or not.
    pub fn all(&self) -> Vec<(K, Arc<V>)> {
        self.0.entries.iter().map(|(key, entry)| (key.as_ref().clone(), entry.value)).collect()
    }

    /// Puts every value in doubt: anything may have changed.
    pub fn doubt_all(&self) {
        let mut reading = self.0.reading();
        reading.changes += 1;
        reading.attempts.clear();
        self.0.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Puts one value in doubt.
    pub fn doubt(&self, key: &K) {
        let mut reading = self.0.reading();
        reading.changes += 1;
        reading.attempts.remove(key);
        if let Some(entry) = self.0.entries.get(key) {
            self.0.entries.insert(key.clone(), Entry { generation: IN_DOUBT, ..entry });
        }
    }

    /// Puts the values in doubt that a change concerns.
    pub fn doubt_where(&self, is_changed: impl Fn(&V) -> bool) {
        self.mark_changed(is_changed, false);
    }

    /// Puts values in doubt that must not be returned again before they are read.
    pub fn distrust(&self, is_changed: impl Fn(&V) -> bool) {
        self.mark_changed(is_changed, true);
    }

    fn mark_changed(&self, is_changed: impl Fn(&V) -> bool, is_distrusted: bool) {
        let mut reading = self.0.reading();
        reading.changes += 1;
        // The values being read are not known yet.
        reading.attempts.clear();
        let changed: Vec<_> = self.0.entries.iter().filter(|(_, entry)| is_changed(&entry.value)).collect();
        for (key, entry) in changed {
            let is_distrusted = is_distrusted || entry.is_distrusted;
            self.0.entries.insert(key.as_ref().clone(), Entry { generation: IN_DOUBT, is_distrusted, ..entry });
        }
    }

    /// Discards the results of reads in progress of this key; the value in memory stays.
    pub fn outdate(&self, key: &K) {
        let mut reading = self.0.reading();
        reading.changes += 1;
        reading.attempts.remove(key);
    }

    /// Discards the results of all reads in progress; the values in memory stay.
    pub fn outdate_all(&self) {
        let mut reading = self.0.reading();
        reading.changes += 1;
        reading.attempts.clear();
    }

    /// Returns the present state of changes.
    pub fn mark(&self) -> Mark {
        Mark(self.0.reading().changes)
    }

    /// Stores values that were read since a mark; returns false without storing them if anything has changed since.
    pub fn put(&self, since: Mark, values: impl IntoIterator<Item = (K, Arc<V>)>) -> bool {
        let reading = self.0.reading();
        if reading.changes != since.0 {
            return false;
        }
        let generation = self.0.generation.load(Ordering::Acquire);
        for (key, value) in values {
            self.0.entries.insert(key, Entry { value, generation, is_distrusted: false });
        }
        self.0.note_silence(false);
        true
    }

    /// Reads values and stores them; if anything has changed meanwhile, reads again, but only a few times, so that frequent changes
    /// do not make this read forever. Returns whether the values were stored; if not, they are read when a caller needs them.
    pub async fn fill<R>(&self, read: impl Fn() -> R) -> Result<bool, ReadError>
    where
        R: Future<Output = Result<Vec<(K, Arc<V>)>, ReadError>>,
    {
        for _ in 0..FILLS {
            let mark = self.mark();
            let values = within(LONGEST, read()).await.inspect_err(|_| self.0.note_silence(true))?;
            if self.put(mark, values) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the number of values in memory.
    pub fn count(&self) -> u64 {
        self.0.entries.run_pending_tasks();
        self.0.entries.entry_count()
    }
}

impl<K, V> Shelf<K, V> {
    fn reading(&self) -> MutexGuard<'_, Reading<K, V>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_silence(&self, is_silent: bool) {
        if self.is_silent.swap(is_silent, Ordering::Relaxed) == is_silent {
            return;
        }
        if is_silent {
            tracing::warn!("{} cannot be read from the database; serving the values in memory", self.name);
        } else {
            tracing::info!("{} can be read from the database again", self.name);
        }
    }
}

/// An attempt's place among those in progress; removed on drop.
struct Place<K: Hash + Eq, V> {
    shelf: Arc<Shelf<K, V>>,
    key: K,
    number: u64,
}

impl<K, V> Place<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Stores what was read, unless it has changed since.
    fn settle(&self, found: &Found<V>) {
        let reading = self.shelf.reading();
        self.shelf.note_silence(found.is_err());
        if reading.attempts.get(&self.key).is_none_or(|(number, _)| *number != self.number) {
            return;
        }
        match found {
            Ok(Some(value)) => {
                let generation = self.shelf.generation.load(Ordering::Acquire);
                let entry = Entry { value: Arc::clone(value), generation, is_distrusted: false };
                self.shelf.entries.insert(self.key.clone(), entry);
            }
            Ok(None) => self.shelf.entries.invalidate(&self.key),
            Err(_) => {}
        }
    }
}

impl<K: Hash + Eq, V> Drop for Place<K, V> {
    fn drop(&mut self) {
        let mut reading = self.shelf.reading();
        if reading.attempts.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            reading.attempts.remove(&self.key);
        }
    }
}

fn no_answer(within: Duration) -> Arc<ReadError> {
    Arc::new(ReadError::Unavailable(DbError::Unavailable(format!("no answer in {within:?}"))))
}

#[cfg(test)]
mod tests;
