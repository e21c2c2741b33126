//! Files that the program keeps: uploads, prepared data, model artifacts. A key is a relative path such as
//! `models/12.safetensors`.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::private;

/// The folder of unfinished files, with one folder for each process that writes.
const INCOMING: &str = "incoming";

/// A file of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    pub key: String,
    /// Time of its last modification.
    pub written: DateTime<Utc>,
}

/// A folder of immutable files, written whole or not at all, and readable by their owner only.
#[derive(Debug, Clone)]
pub struct Blobs {
    root: Arc<PathBuf>,
    desk: Arc<Desk>,
}

/// The folder that this process writes to. The lock on the folder shows that the process is alive; the system releases it when
/// the process ends in any way.
#[derive(Debug)]
struct Desk {
    folder: PathBuf,
    _lock: File,
}

impl Desk {
    fn open(incoming: &Path) -> io::Result<Self> {
        loop {
            let folder = incoming.join(uuid::Uuid::new_v4().to_string());
            private::create_folder(&folder)?;
            // Before it is locked, another process that sweeps may mistake the folder for an abandoned one.
            let lock = match File::open(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                lock => lock?,
            };
            match lock.try_lock() {
                Err(TryLockError::WouldBlock) => continue,
                // On a file system without locks, abandoned files are detected by their age.
                Err(TryLockError::Error(error)) => tracing::debug!(%error, "folders cannot be locked here"),
                Ok(()) => {}
            }
            if folder.exists() {
                return Ok(Self { folder, _lock: lock });
            }
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // A folder that is not empty yet is swept later.
        let _ = std::fs::remove_dir(&self.folder);
    }
}

impl Blobs {
    /// Opens the store below `root`, and creates it if it does not exist.
    pub fn open(root: PathBuf) -> io::Result<Self> {
        let incoming = root.join(INCOMING);
        private::create_folder(&incoming)?;
        private::close(&root)?;
        let desk = Arc::new(Desk::open(&incoming)?);
        Ok(Self { root: Arc::new(root), desk })
    }

    /// Returns the path of a file. Refuses a key that would leave the store. To read a file, use [`Blobs::open_file`].
    pub fn path(&self, key: &str) -> io::Result<PathBuf> {
        let relative = Path::new(key);
        let plain = !key.is_empty() && relative.components().all(|part| matches!(part, Component::Normal(_)));
        if plain {
            Ok(self.root.join(relative))
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "not a key of this store"))
        }
    }

    /// Returns the folder of files that this process needs only for a while. What is left in it is removed after the end of the
    /// process.
    pub fn desk(&self) -> &Path {
        &self.desk.folder
    }

    /// Creates a file to write to before its key is decided; it is deleted when dropped without [`Blobs::keep`].
    pub fn incoming(&self) -> io::Result<Incoming> {
        let path = self.desk.folder.join(uuid::Uuid::new_v4().to_string());
        let file = private::create_file(&path)?;
        Ok(Incoming { file, path })
    }

    /// Gives a fully written file its key.
    pub fn keep(&self, incoming: Incoming, key: &str) -> io::Result<()> {
        let target = self.path(key)?;
        incoming.file.sync_all()?;
        if let Some(folder) = target.parent() {
            private::create_folder(folder)?;
        }
        std::fs::rename(&incoming.path, target)
    }

    /// Writes a whole file.
    pub fn write(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        let mut incoming = self.incoming()?;
        incoming.file.write_all(bytes)?;
        self.keep(incoming, key)
    }

    /// Opens a file to read it. A symbolic link is refused: a user who may write to the folder could point it at any file that
    /// the program may read.
    pub fn open_file(&self, key: &str) -> io::Result<File> {
        private::open_file(&self.path(key)?)
    }

    /// Reads a whole file.
    pub fn read(&self, key: &str) -> io::Result<Vec<u8>> {
        let mut file = self.open_file(key)?;
        let mut bytes = Vec::new();
        let size = file.metadata()?.len();
        bytes.try_reserve_exact(usize::try_from(size).unwrap_or(usize::MAX)).map_err(|_| io::ErrorKind::OutOfMemory)?;
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Removes files that processes were writing when they ended. Files outside a process's folder, and all files where folders
    /// cannot be locked, count as abandoned when they were last modified before `before`. Returns the number of files.
    pub fn sweep_incoming(&self, before: DateTime<Utc>) -> io::Result<usize> {
        let mut removed = self.sweep_old(INCOMING, before)?;
        for entry in std::fs::read_dir(self.root.join(INCOMING))? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if !entry.file_type()?.is_dir() {
                continue;
            }
            let Ok(folder) = File::open(entry.path()) else { continue };
            match folder.try_lock() {
                Ok(()) => removed += remove_folder(&entry.path())?,
                // Its process is alive.
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(_)) => removed += self.sweep_old(&format!("{INCOMING}/{name}"), before)?,
            }
        }
        Ok(removed)
    }

    fn sweep_old(&self, folder: &str, before: DateTime<Utc>) -> io::Result<usize> {
        let old = self.list(folder)?.into_iter().filter(|file| file.written < before);
        old.map(|file| self.remove(&file.key)).try_fold(0, |count, removed| removed.map(|()| count + 1))
    }

    /// Returns the files directly in a folder; an empty list when there is no such folder.
    pub fn list(&self, folder: &str) -> io::Result<Vec<StoredFile>> {
        let entries = match std::fs::read_dir(self.path(folder)?) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            // Files removed since the folder was read are not listed.
            let Ok(facts) = entry.metadata() else { continue };
            if let (true, Ok(name)) = (facts.is_file(), entry.file_name().into_string()) {
                files.push(StoredFile { key: format!("{folder}/{name}"), written: facts.modified()?.into() });
            }
        }
        Ok(files)
    }

    /// Returns the bytes of these files together. A missing one has none.
    pub fn bytes_of<'a>(&self, keys: impl IntoIterator<Item = &'a String>) -> io::Result<u64> {
        keys.into_iter().try_fold(0, |sum, key| match std::fs::metadata(self.path(key)?) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(sum),
            facts => Ok(sum + facts?.len()),
        })
    }

    /// Removes a file; a missing one is no error.
    pub fn remove(&self, key: &str) -> io::Result<()> {
        match std::fs::remove_file(self.path(key)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn remove_folder(folder: &Path) -> io::Result<usize> {
    let files = std::fs::read_dir(folder)?.count();
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(files),
    }
}

/// A file being written.
#[derive(Debug)]
pub struct Incoming {
    /// The file to write to.
    pub file: File,
    path: PathBuf,
}

impl Incoming {
    /// Returns its temporary path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // After `keep` there is no file under this name.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_cannot_leave_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().to_owned()).unwrap();
        for key in ["", "/etc/passwd", "../x", "a/../../x", "./x"] {
            assert!(blobs.path(key).is_err(), "{key}");
        }
        blobs.write("a/b", b"x").unwrap();
        assert_eq!(blobs.read("a/b").unwrap(), b"x");
    }

    #[test]
    fn the_bytes_of_files_are_summed_and_missing_ones_have_none() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().to_owned()).unwrap();
        blobs.write("a/b", b"four").unwrap();
        blobs.write("c", b"three").unwrap();
        assert_eq!(blobs.bytes_of(&["a/b".to_owned(), "c".to_owned(), "missing".to_owned()]).unwrap(), 9);
    }

    #[test]
    fn a_link_in_the_place_of_a_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().join("files")).unwrap();
        std::fs::write(folder.path().join("secret"), b"x").unwrap();
        std::os::unix::fs::symlink(folder.path().join("secret"), blobs.path("a").unwrap()).unwrap();
        assert_eq!(blobs.open_file("a").unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(blobs.read("a").unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn what_is_not_kept_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().to_owned()).unwrap();
        drop(blobs.incoming().unwrap());
        assert_eq!(std::fs::read_dir(&blobs.desk.folder).unwrap().count(), 0);
        drop(blobs);
        assert_eq!(std::fs::read_dir(folder.path().join("incoming")).unwrap().count(), 0);
    }

    #[test]
    fn what_a_dead_process_was_writing_is_removed_and_what_is_being_written_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().to_owned()).unwrap();
        let (long_ago, later) = (DateTime::UNIX_EPOCH, DateTime::<Utc>::MAX_UTC);
        // No process holds the lock of this folder.
        let dead = folder.path().join("incoming/dead");
        std::fs::create_dir(&dead).unwrap();
        std::fs::write(dead.join("half"), b"x").unwrap();
        std::fs::write(folder.path().join("incoming/half"), b"x").unwrap();
        let mut live = blobs.incoming().unwrap();
        assert_eq!(blobs.sweep_incoming(long_ago).unwrap(), 1);
        assert!(!dead.exists() && folder.path().join("incoming/half").exists());
        assert_eq!(blobs.sweep_incoming(later).unwrap(), 1);
        live.file.write_all(b"whole").unwrap();
        blobs.keep(live, "kept").unwrap();
        assert_eq!(blobs.read("kept").unwrap(), b"whole");
    }

    #[test]
    fn files_and_folders_are_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().join("files")).unwrap();
        blobs.write("models/1", b"x").unwrap();
        for (path, mode) in [("files", 0o700), ("files/incoming", 0o700), ("files/models", 0o700), ("files/models/1", 0o600)] {
            let facts = std::fs::metadata(folder.path().join(path)).unwrap();
            assert_eq!(facts.permissions().mode() & 0o777, mode, "{path}");
        }
    }
}
