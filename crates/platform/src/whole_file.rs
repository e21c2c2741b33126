//! A file that a user names, which appears under its name when it is complete: an earlier one stays until then, and a process that
//! is killed leaves nothing behind where the file system allows files without names.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// A file that is being written.
#[derive(Debug)]
pub struct WholeFile {
    /// `Some` until it is dropped.
    file: Option<File>,
    target: PathBuf,
    /// Its name until it is complete.
    part: PathBuf,
    has_name: bool,
}

impl WholeFile {
    /// Creates a file in the folder of the target.
    pub fn create(target: &Path) -> io::Result<Self> {
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        if target.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let part = folder.join(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
        let (file, has_name) = match without_name(folder) {
            Some(file) => (file, false),
            None => (OpenOptions::new().read(true).write(true).create_new(true).open(&part)?, true),
        };
        Ok(Self { file: Some(file), target: target.to_owned(), part, has_name })
    }

    /// Returns the file to write to.
    pub fn file(&mut self) -> io::Result<&mut File> {
        self.file.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Gives the complete file its name.
    pub fn keep(mut self) -> io::Result<()> {
        let file = self.file.take().ok_or(io::ErrorKind::NotFound)?;
        file.sync_all()?;
        if !self.has_name {
            name(&file, &self.part)?;
            self.has_name = true;
        }
        std::fs::rename(&self.part, &self.target)?;
        self.has_name = false;
        Ok(())
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if self.has_name {
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

/// Opens a file without a name, which is gone when it is closed; `None` where there are none.
#[cfg(target_os = "linux")]
fn without_name(folder: &Path) -> Option<File> {
    use rustix::fs::{Mode, OFlags};
    // Its mode is that of other new files.
    let mode = Mode::from_raw_mode(0o666);
    rustix::fs::open(folder, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode).ok().map(File::from)
}

#[cfg(not(target_os = "linux"))]
fn without_name(_: &Path) -> Option<File> {
    None
}

/// Gives a file without a name this one.
#[cfg(target_os = "linux")]
fn name(file: &File, path: &Path) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    use rustix::fs::{AtFlags, CWD};
    // One of the same process that could not be renamed.
    let _ = std::fs::remove_file(path);
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, open, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(target_os = "linux"))]
fn name(_: &File, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_appears_when_it_is_complete_and_leaves_nothing_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("lists.csv");
        let names = || std::fs::read_dir(folder.path()).unwrap().count();
        let mut dropped = WholeFile::create(&target).unwrap();
        dropped.file().unwrap().write_all(b"half").unwrap();
        drop(dropped);
        assert_eq!(names(), 0);
        for text in [b"first", b"other"] {
            let mut file = WholeFile::create(&target).unwrap();
            file.file().unwrap().write_all(text).unwrap();
            file.keep().unwrap();
            assert_eq!((std::fs::read(&target).unwrap(), names()), (text.to_vec(), 1));
        }
        assert!(WholeFile::create(folder.path()).is_err());
        assert!(WholeFile::create(&folder.path().join("missing/lists.csv")).is_err());
    }
}
