//! Memory promised to processes that share a machine, recorded so that none is given twice.
//!
//! Each promise is a file, locked by its holder: a lock that can be taken belongs to a process that has ended. Reading and
//! promising happen under one lock of the folder, so that of two simultaneous requests the second sees the first.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::system::System;
use crate::private;

const TURN: &str = "turn";

/// A folder of promises.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    folder: PathBuf,
}

/// A promise in the ledger; removed when dropped.
#[derive(Debug)]
pub(super) struct Entry {
    path: PathBuf,
    file: File,
    promised: Promised,
}

/// Bytes promised to a process, and the bytes it held at its first promise.
#[derive(Debug, Default, Clone, Copy)]
struct Promised {
    bytes: u64,
    held_before: u64,
}

impl Ledger {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Takes the lock of the ledger for as long as the returned file is open.
    pub fn take_turn(&self) -> io::Result<File> {
        private::create_folder(&self.folder)?;
        let turn = open(&self.folder.join(TURN))?;
        turn.lock()?;
        Ok(turn)
    }

    /// Adds an empty promise.
    pub fn add(&self, system: &System) -> io::Result<Entry> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = self.folder.join(name);
        let file = open(&path)?;
        file.try_lock().map_err(io::Error::from)?;
        // An ended process with the same number may have left its promise behind.
        file.set_len(0)?;
        let held_before = system.held_by(std::process::id()).unwrap_or_default();
        Ok(Entry { path, file, promised: Promised { bytes: 0, held_before } })
    }

    /// Returns the bytes that were promised to others and that they have not taken yet.
    pub fn outstanding(&self, system: &System, own: Option<&Entry>) -> io::Result<u64> {
        let mut by_process: HashMap<u32, Promised> = HashMap::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let pid = path.file_name().and_then(|name| name.to_str()?.split_once('-')?.0.parse().ok());
            let Some(pid) = pid.filter(|_| own.is_none_or(|own| own.path != path)) else { continue };
            if let Some(promised) = living_promise(&path) {
                let sum = by_process.entry(pid).or_insert(Promised { bytes: 0, held_before: promised.held_before });
                sum.bytes += promised.bytes;
                sum.held_before = sum.held_before.min(promised.held_before);
            }
        }
        Ok(by_process.into_iter().map(|(pid, promised)| promised.bytes - promised.taken(system, pid)).sum())
    }
}

impl Promised {
    /// Returns how much of its promise the process holds by now.
    fn taken(self, system: &System, pid: u32) -> u64 {
        system.held_by(pid).map_or(0, |held| held.saturating_sub(self.held_before)).min(self.bytes)
    }
}

impl Entry {
    /// Returns the bytes of this promise that have been taken.
    pub fn taken(&self, system: &System) -> u64 {
        self.promised.taken(system, std::process::id())
    }

    /// Writes how much is promised in total.
    pub fn write(&mut self, bytes: u64) -> io::Result<()> {
        self.promised.bytes = bytes;
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(format!("{bytes} {}", self.promised.held_before).as_bytes())
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path); // a lock without an owner means the same
    }
}

/// Reads a promise; `None` for one whose owner has ended, which is removed.
fn living_promise(path: &Path) -> Option<Promised> {
    let file = File::open(path).ok()?;
    if file.try_lock_shared().is_ok() {
        let _ = std::fs::remove_file(path);
        return None;
    }
    let text = io::read_to_string(file).ok()?;
    let (bytes, held_before) = text.split_once(' ')?;
    Some(Promised { bytes: bytes.parse().ok()?, held_before: held_before.parse().ok()? })
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)
}
