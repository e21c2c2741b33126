//! How much memory work may still take, checked before it starts: an allocation that fails ends the whole process.
//!
//! Available is the least of what the machine has, what the control groups around this process allow (containers), and what its
//! own limits allow. From that, promises to other work are subtracted until that work has really taken them: several jobs, each
//! in a process of its own, must not all count on the same bytes.

mod ledger;
mod system;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ledger::{Entry, Ledger};
use system::System;

/// Pause before a job tries again when other work has the memory it needs.
pub const PAUSE: Duration = Duration::from_secs(30);

/// A lack of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "about {} MB of memory are needed and {} MB are free. Try again when fewer jobs are running, make the data smaller, or give \
     the server more memory",
    needed.div_ceil(1 << 20),
    available >> 20
)]
pub struct Shortage {
    /// Requested bytes.
    pub needed: u64,
    /// Available bytes.
    pub available: u64,
    /// Bytes that were promised to others and that they have not taken.
    pub promised_to_others: u64,
}

/// The memory of this machine, as far as this process may use it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    system: System,
    ledger: Option<Ledger>,
}

impl Memory {
    /// Returns the memory for a process that shares it with no other work of ours.
    pub fn of_machine() -> Self {
        Self::default()
    }

    /// Returns a memory of `bytes` bytes, for tests of a lack of memory.
    pub fn of_bytes(bytes: u64) -> Self {
        Self { system: System::of_bytes(bytes), ledger: None }
    }

    /// Returns the memory shared by all processes of this machine that use this data directory.
    pub fn shared_below(data_dir: &Path) -> Self {
        let system = System::default();
        let ledger = system.name().map(|name| Ledger::new(data_dir.join("memory").join(name)));
        Self { system, ledger }
    }

    /// Returns the available bytes, without promises to others; `None` where the system does not tell.
    pub fn available(&self) -> Option<u64> {
        let available = self.system.available()?;
        let outstanding = self.ledger.as_ref().and_then(|ledger| {
            let _turn = ledger.take_turn().ok()?;
            ledger.outstanding(&self.system, None).ok()
        });
        Some(available.saturating_sub(outstanding.unwrap_or_default()))
    }

    /// Returns an empty promise, to be raised as needed. It is released when the last clone is dropped.
    pub fn promise(&self) -> Promise {
        Promise { memory: self.clone(), entry: Arc::default(), waits_for_others: Arc::default() }
    }
}

/// Memory promised to one piece of work. Clones share one promise.
#[derive(Debug, Clone)]
pub struct Promise {
    memory: Memory,
    entry: Arc<Mutex<Option<Entry>>>,
    waits_for_others: Arc<AtomicBool>,
}

impl Promise {
    /// Requests this many bytes in place of those promised before.
    pub fn raise_to(&self, bytes: u64) -> Result<(), Shortage> {
        let answer = self.ask_for(bytes);
        let waits = answer.is_err_and(|shortage| bytes <= shortage.available.saturating_add(shortage.promised_to_others));
        self.waits_for_others.store(waits, Ordering::Relaxed);
        answer
    }

    /// Returns whether the last refusal was only due to promises to others: once they end, there is enough.
    pub fn waits_for_others(&self) -> bool {
        self.waits_for_others.load(Ordering::Relaxed)
    }

    fn ask_for(&self, bytes: u64) -> Result<(), Shortage> {
        let mut entry = self.entry.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match self.memory.ledger.as_ref().map(|ledger| self.note(ledger, &mut entry, bytes)) {
            Some(Ok(answer)) => answer,
            Some(Err(error)) => {
                tracing::warn!(%error, "memory reservations cannot be shared with other processes");
                self.fits(bytes, 0)
            }
            None => self.fits(bytes, 0),
        }
    }

    fn fits(&self, bytes: u64, promised_to_others: u64) -> Result<(), Shortage> {
        let Some(available) = self.memory.system.available() else { return Ok(()) };
        let available = available.saturating_sub(promised_to_others);
        if bytes <= available { Ok(()) } else { Err(Shortage { needed: bytes, available, promised_to_others }) }
    }

    /// Decides a request, and records it in the ledger if it is granted. Promised memory that has been taken is no longer
    /// available, so only the rest has to be available.
    fn note(&self, ledger: &Ledger, entry: &mut Option<Entry>, bytes: u64) -> std::io::Result<Result<(), Shortage>> {
        let _turn = ledger.take_turn()?;
        let own = match entry {
            Some(own) => own,
            None => entry.insert(ledger.add(&self.memory.system)?),
        };
        let promised_to_others = ledger.outstanding(&self.memory.system, Some(own))?;
        let answer = self.fits(bytes.saturating_sub(own.taken(&self.memory.system)), promised_to_others);
        if answer.is_ok() {
            own.write(bytes)?;
        }
        Ok(answer)
    }
}

/// Returns the largest resident memory of this process so far, where the system tells.
pub fn peak_rss_bytes() -> Option<u64> {
    system::kilobytes_of(Path::new("/proc/self/status"), "VmHWM:")
}

#[cfg(test)]
mod tests {
    use super::*;
    use system::tests::{machine, meminfo};

    const MB: u64 = 1 << 20;

    fn shared(megabytes: u64) -> (tempfile::TempDir, Memory) {
        let (folder, system) = machine(&[meminfo(megabytes)]);
        let ledger = Some(Ledger::new(folder.path().join("ledger")));
        (folder, Memory { system, ledger })
    }

    #[test]
    fn what_is_promised_to_one_is_not_promised_to_another() {
        let (_folder, memory) = shared(100);
        let (first, second) = (memory.promise(), memory.promise());
        first.raise_to(70 * MB).unwrap();
        let shortage = Shortage { needed: 40 * MB, available: 30 * MB, promised_to_others: 70 * MB };
        assert_eq!(second.raise_to(40 * MB), Err(shortage));
        assert!(second.waits_for_others());
        assert!(second.raise_to(101 * MB).is_err() && !second.waits_for_others());
        assert_eq!(memory.available(), Some(30 * MB));
        second.raise_to(30 * MB).unwrap();
        // Its own promise does not block another of the same work, and a dropped one is free again.
        first.raise_to(60 * MB).unwrap();
        drop(first);
        second.raise_to(100 * MB).unwrap();
    }

    #[test]
    fn what_has_been_taken_is_not_taken_off_twice() {
        let (folder, memory) = shared(100);
        let status = folder.path().join(format!("proc/{}/status", std::process::id()));
        let hold = |megabytes: u64| {
            std::fs::create_dir_all(status.parent().unwrap()).unwrap();
            std::fs::write(&status, format!("RssAnon: {} kB\n", megabytes << 10)).unwrap();
        };
        hold(10);
        let first = memory.promise();
        first.raise_to(70 * MB).unwrap();
        hold(60);
        std::fs::write(folder.path().join("proc/meminfo"), meminfo(50).1).unwrap();
        assert_eq!(memory.available(), Some(30 * MB));
        // More for the same work: only the rest has to be available.
        first.raise_to(100 * MB).unwrap();
        assert!(first.raise_to(101 * MB).is_err());
    }

    #[test]
    fn a_promise_whose_owner_died_counts_no_more() {
        let (folder, memory) = shared(100);
        std::fs::create_dir_all(folder.path().join("ledger")).unwrap();
        let left_behind = folder.path().join("ledger/1-0");
        std::fs::write(&left_behind, format!("{} 0", 90 * MB)).unwrap();
        memory.promise().raise_to(100 * MB).unwrap();
        assert!(!left_behind.exists());
    }

    #[test]
    fn a_promise_left_under_the_number_of_this_process_is_not_taken_over() {
        let (folder, memory) = shared(100);
        let ledger = folder.path().join("ledger");
        std::fs::create_dir_all(&ledger).unwrap();
        for number in 0..1_000 {
            std::fs::write(ledger.join(format!("{}-{number}", std::process::id())), format!("{} 0", 90 * MB)).unwrap();
        }
        let refused = memory.promise();
        assert!(refused.raise_to(101 * MB).is_err());
        assert_eq!(memory.available(), Some(100 * MB));
    }

    #[test]
    fn this_machine_tells() {
        assert!(Memory::of_machine().available().is_some());
        assert!(peak_rss_bytes().is_some());
    }
}
