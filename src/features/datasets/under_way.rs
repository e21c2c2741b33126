//! Uploads in progress in this process: how many per user and per address, and how much of the disk they use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::DataError;
use crate::platform::config::Settings;

/// The fraction of the disk space for uploads that one user may fill: a quarter, or one file of the largest size if that is more.
const PART_OF_USER: u64 = 4;

/// The uploads in progress. Clones are cheap and share them.
#[derive(Debug, Clone)]
pub struct UploadsUnderWay(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    per_user: usize,
    per_address: usize,
    most_bytes: u64,
    most_bytes_of_user: u64,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    of_users: HashMap<i64, usize>,
    of_addresses: HashMap<String, usize>,
    bytes_of_users: HashMap<i64, u64>,
    bytes: u64,
}

/// The share of one upload in the counts; returned when it is dropped.
#[derive(Debug)]
pub struct Place {
    shared: Arc<Shared>,
    user: i64,
    address: String,
    bytes: Mutex<u64>,
}

impl UploadsUnderWay {
    /// Creates an empty count with the configured limits.
    pub fn new(settings: &Settings) -> Self {
        Self(Arc::new(Shared {
            per_user: settings.uploads_per_user,
            per_address: settings.uploads_per_address,
            most_bytes: settings.max_incoming_bytes,
            most_bytes_of_user: (settings.max_incoming_bytes / PART_OF_USER).max(settings.max_upload_bytes),
            counts: Mutex::default(),
        }))
    }

    /// Admits an upload of a user from an address, or refuses it while too many are in progress.
    pub fn admit(&self, user: i64, address: &str) -> Result<Arc<Place>, DataError> {
        let mut counts = self.0.counts();
        let of_user = counts.of_users.get(&user).copied().unwrap_or_default();
        let of_address = counts.of_addresses.get(address).copied().unwrap_or_default();
        if of_user >= self.0.per_user {
            return Err(DataError::TooManyUploads { limit: self.0.per_user, of: "of yours" });
        }
        if of_address >= self.0.per_address {
            return Err(DataError::TooManyUploads { limit: self.0.per_address, of: "from your address" });
        }
        counts.of_users.insert(user, of_user + 1);
        counts.of_addresses.insert(address.to_owned(), of_address + 1);
        let place = Place { shared: Arc::clone(&self.0), user, address: address.to_owned(), bytes: Mutex::default() };
        Ok(Arc::new(place))
    }
}

impl Shared {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Adds `bytes` to the disk space in use, or refuses while all uploads together, or those of the user, use too much.
    pub fn take(&self, bytes: u64) -> Result<(), DataError> {
        let mut counts = self.shared.counts();
        let all = counts.bytes.saturating_add(bytes);
        let of_user = counts.bytes_of_users.get(&self.user).copied().unwrap_or_default().saturating_add(bytes);
        if of_user > self.shared.most_bytes_of_user {
            return Err(DataError::NoRoomForUploadsOfUser { limit: self.shared.most_bytes_of_user });
        }
        if all > self.shared.most_bytes {
            return Err(DataError::NoRoomForUploads);
        }
        counts.bytes = all;
        counts.bytes_of_users.insert(self.user, of_user);
        *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) += bytes;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.shared.counts();
        let bytes = *self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        counts.bytes = counts.bytes.saturating_sub(bytes);
        match counts.bytes_of_users.get_mut(&self.user) {
            Some(of_user) if *of_user > bytes => *of_user -= bytes,
            _ => drop(counts.bytes_of_users.remove(&self.user)),
        }
        leave(&mut counts.of_users, &self.user);
        leave(&mut counts.of_addresses, &self.address);
    }
}

fn leave<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, who: &K) {
    match counts.get_mut(who) {
        Some(count) if *count > 1 => *count -= 1,
        _ => drop(counts.remove(who)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uploads() -> UploadsUnderWay {
        let limits = Settings { uploads_per_user: 2, uploads_per_address: 3, max_incoming_bytes: 100, ..Settings::default() };
        UploadsUnderWay::new(&limits)
    }

    #[test]
    fn a_user_and_an_address_have_so_many_at_once() {
        let uploads = uploads();
        let first = uploads.admit(1, "a").unwrap();
        let _second = uploads.admit(1, "b").unwrap();
        assert!(matches!(uploads.admit(1, "c"), Err(DataError::TooManyUploads { limit: 2, .. })));
        let _others = [uploads.admit(2, "a").unwrap(), uploads.admit(3, "a").unwrap()];
        assert!(matches!(uploads.admit(4, "a"), Err(DataError::TooManyUploads { limit: 3, .. })));
        drop(first);
        let _third = uploads.admit(1, "a").unwrap();
        assert!(uploads.admit(4, "a").is_err());
    }

    #[test]
    fn all_together_take_so_much_of_the_disk_and_give_it_back() {
        let uploads = uploads();
        let (one, other) = (uploads.admit(1, "a").unwrap(), uploads.admit(2, "b").unwrap());
        one.take(60).unwrap();
        assert!(matches!(other.take(41), Err(DataError::NoRoomForUploads)));
        other.take(40).unwrap();
        drop(one);
        other.take(60).unwrap();
        drop(other);
        let counts = uploads.0.counts();
        assert!(counts.bytes == 0 && counts.of_users.is_empty() && counts.of_addresses.is_empty());
        assert!(counts.bytes_of_users.is_empty());
    }

    #[test]
    fn a_user_takes_a_quarter_of_the_disk_or_one_file() {
        let limits = |largest| Settings { max_incoming_bytes: 100, max_upload_bytes: largest, ..Settings::default() };
        let uploads = UploadsUnderWay::new(&limits(10));
        let (one, other) = (uploads.admit(1, "a").unwrap(), uploads.admit(1, "b").unwrap());
        one.take(15).unwrap();
        assert!(matches!(other.take(11), Err(DataError::NoRoomForUploadsOfUser { limit: 25 })));
        other.take(10).unwrap();
        uploads.admit(2, "a").unwrap().take(25).unwrap();
        drop(one);
        other.take(15).unwrap();
        UploadsUnderWay::new(&limits(40)).admit(1, "a").unwrap().take(40).unwrap();
    }
}
