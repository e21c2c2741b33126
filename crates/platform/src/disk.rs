//! The disk space that is kept free: a full disk stops the private PostgreSQL, and with it everything.

use std::path::{Path, PathBuf};

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

fn enough(free: u64, reserve: u64) -> Result<(), DiskShortage> {
    if free > reserve { Ok(()) } else { Err(DiskShortage { free, reserve }) }
}

#[cfg(test)]
mod tests {
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
}
