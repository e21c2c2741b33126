//! The disk space that is kept free: a full disk stops the private PostgreSQL, and with it everything.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::clock::Clock;

/// The minimum time between two looks of a [`WatchedReserve`] at the disk, in microseconds.
const BETWEEN_LOOKS: i64 = 1_000_000;

/// Less than the reserve is free.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error(
    "The server has {} MB of disk space left, and min_free_disk_bytes keeps {} MB free. Delete data and models that are no longer \
     needed, or give the server more disk space.",
    free >> 20,
    reserve >> 20
)]
pub struct DiskShortage {
    free: u64,
    reserve: u64,
}

/// Free space that nothing but the database may use.
#[derive(Debug, Clone)]
pub struct DiskReserve {
    folder: PathBuf,
    bytes: u64,
}

impl DiskReserve {
    /// Creates a reserve on the disk of a folder; 0 bytes reserve nothing.
    pub fn new(folder: &Path, bytes: u64) -> Self {
        Self { folder: folder.to_owned(), bytes }
    }

    /// Fails unless more than the reserve is free. A disk whose free space cannot be determined has no reserve.
    pub fn check(&self) -> Result<(), DiskShortage> {
        if self.bytes == 0 {
            return Ok(());
        }
        match rustix::fs::statvfs(&self.folder) {
            Ok(disk) => enough(disk.f_bavail.saturating_mul(disk.f_frsize), self.bytes),
            Err(error) => {
                tracing::debug!(%error, folder = %self.folder.display(), "the free disk space is not known");
                Ok(())
            }
        }
    }
}

/// A reserve for work that comes too often to look at the disk each time: it is looked at once a second at most. Shared by all that
/// do this work, so that a shortage is logged once.
#[derive(Debug)]
pub struct WatchedReserve {
    reserve: DiskReserve,
    clock: Clock,
    /// What does not happen during a shortage, for the log.
    refused: &'static str,
    /// When the disk was last looked at, in microseconds since the epoch.
    looked_at: AtomicI64,
    shortage: Mutex<Option<DiskShortage>>,
}

impl WatchedReserve {
    /// Creates a watch over a reserve; `refused` names what the caller refuses during a shortage.
    pub fn new(reserve: DiskReserve, clock: Clock, refused: &'static str) -> Self {
        Self { reserve, clock, refused, looked_at: AtomicI64::new(i64::MIN), shortage: Mutex::default() }
    }

    /// Returns whether more than the reserve was free a second ago or later.
    pub fn has_room(&self) -> bool {
        self.check().is_ok()
    }

    /// Fails unless more than the reserve was free a second ago or later.
    pub fn check(&self) -> Result<(), DiskShortage> {
        let (now, last) = (self.clock.now().timestamp_micros(), self.looked_at.load(Ordering::Relaxed));
        // A clock that was set back must not keep an old answer.
        let is_old = !(0..BETWEEN_LOOKS).contains(&now.saturating_sub(last));
        // One caller looks, and the others use the last answer meanwhile.
        if is_old && self.looked_at.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.look();
        }
        self.shortage.lock().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    fn look(&self) {
        let shortage = self.reserve.check().err();
        let before = std::mem::replace(&mut *self.shortage.lock().unwrap_or_else(PoisonError::into_inner), shortage);
        let was_short = before.is_some();
        match shortage {
            Some(shortage) if !was_short => tracing::warn!(%shortage, refused = self.refused, "the disk is nearly full"),
            None if was_short => tracing::info!(accepted = self.refused, "the disk has room again"),
            _ => {}
        }
    }
}

fn enough(free: u64, reserve: u64) -> Result<(), DiskShortage> {
    if free > reserve { Ok(()) } else { Err(DiskShortage { free, reserve }) }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;

    #[test]
    fn a_disk_with_less_than_its_reserve_is_short() {
        assert!(enough(11 << 20, 10 << 20).is_ok());
        let words = enough(9 << 20, 10 << 20).unwrap_err().to_string();
        assert!(
            words.starts_with("The server has 9 MB of disk space left, and min_free_disk_bytes keeps 10 MB free."),
            "{words}"
        );
        let folder = tempfile::tempdir().unwrap();
        assert!(DiskReserve::new(folder.path(), 0).check().is_ok() && DiskReserve::new(folder.path(), 1).check().is_ok());
        assert!(DiskReserve::new(folder.path(), u64::MAX).check().is_err());
        assert!(DiskReserve::new(&folder.path().join("missing"), 1).check().is_ok());
    }

    #[test]
    fn a_watched_disk_is_looked_at_once_a_second() {
        let parent = tempfile::tempdir().unwrap();
        // A folder that is missing has no reserve, and one that exists is short of this reserve.
        let folder = parent.path().join("data");
        let clock = Clock::at(DateTime::UNIX_EPOCH);
        let watched = WatchedReserve::new(DiskReserve::new(&folder, u64::MAX), clock.clone(), "events");
        assert!(watched.has_room());
        std::fs::create_dir(&folder).unwrap();
        clock.advance(TimeDelta::milliseconds(999));
        assert!(watched.has_room(), "the answer is kept for a second");
        clock.advance(TimeDelta::milliseconds(1));
        assert!(!watched.has_room());
        std::fs::remove_dir(&folder).unwrap();
        assert!(!watched.has_room(), "the answer is kept for a second");
        clock.advance(TimeDelta::seconds(1));
        assert!(watched.has_room());
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_no_old_answer() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data");
        let clock = Clock::at(DateTime::UNIX_EPOCH + TimeDelta::days(1));
        let watched = WatchedReserve::new(DiskReserve::new(&folder, u64::MAX), clock.clone(), "events");
        assert!(watched.has_room());
        std::fs::create_dir(&folder).unwrap();
        clock.advance(TimeDelta::days(-1));
        assert!(!watched.has_room());
    }
}
