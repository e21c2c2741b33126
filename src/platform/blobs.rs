//! Files the program keeps: uploads, prepared data, model artifacts. A key is a relative path such as `models/12.safetensors`.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};

/// The folder of files that are being written.
pub const INCOMING: &str = "incoming";

/// A file of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    pub key: String,
    /// When it was last written to.
    pub written: DateTime<Utc>,
}

/// A folder of immutable files, written whole or not at all.
#[derive(Debug, Clone)]
pub struct Blobs {
    root: Arc<PathBuf>,
}

impl Blobs {
    /// Opens (and if need be makes) the store below `root`.
    pub fn open(root: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(root.join(INCOMING))?;
        Ok(Self { root: Arc::new(root) })
    }

    /// Where a file lies. Refuses a key that would leave the store.
    pub fn path(&self, key: &str) -> io::Result<PathBuf> {
        let relative = Path::new(key);
        let plain = !key.is_empty() && relative.components().all(|part| matches!(part, Component::Normal(_)));
        if plain {
            Ok(self.root.join(relative))
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "not a key of this store"))
        }
    }

    /// A file of its own to write to before its key is decided; it vanishes when dropped without [`Blobs::keep`].
    pub fn incoming(&self) -> io::Result<Incoming> {
        let path = self.root.join(INCOMING).join(uuid::Uuid::new_v4().to_string());
        let file = File::create_new(&path)?;
        Ok(Incoming { file, path })
    }

    /// Gives a fully written file its key.
    pub fn keep(&self, incoming: Incoming, key: &str) -> io::Result<()> {
        let target = self.path(key)?;
        incoming.file.sync_all()?;
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::rename(&incoming.path, target)
    }

    /// Writes a whole file.
    pub fn write(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        let mut incoming = self.incoming()?;
        incoming.file.write_all(bytes)?;
        self.keep(incoming, key)
    }

    /// Reads a whole file.
    pub fn read(&self, key: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.path(key)?)
    }

    /// The files directly in a folder; none when there is no such folder.
    pub fn list(&self, folder: &str) -> io::Result<Vec<StoredFile>> {
        let entries = match std::fs::read_dir(self.path(folder)?) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            // What has gone since the folder was read is not there.
            let Ok(facts) = entry.metadata() else { continue };
            if let (true, Ok(name)) = (facts.is_file(), entry.file_name().into_string()) {
                files.push(StoredFile { key: format!("{folder}/{name}"), written: facts.modified()?.into() });
            }
        }
        Ok(files)
    }

    /// Removes a file; one that is gone already is no error.
    pub fn remove(&self, key: &str) -> io::Result<()> {
        match std::fs::remove_file(self.path(key)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// A file being written.
#[derive(Debug)]
pub struct Incoming {
    /// Where to write.
    pub file: File,
    path: PathBuf,
}

impl Incoming {
    /// Where it lies for now.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // After `keep` there is nothing left under this name.
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
    fn what_is_not_kept_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().to_owned()).unwrap();
        drop(blobs.incoming().unwrap());
        assert_eq!(std::fs::read_dir(folder.path().join("incoming")).unwrap().count(), 0);
    }
}
