//! Folders of this machine that the operator has released. Symbolic links in them are not followed.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chrono::DateTime;
use futures_util::StreamExt;
use futures_util::stream::try_unfold;
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::task::spawn_blocking;

use super::answers::{Get, Listed, ObjectMeta, Reading};
use super::error::ObjectError;
use super::settings::FolderSettings;

/// Levels of folders that are looked into.
const DEEPEST: usize = 32;

/// The most files and folders that a listing looks at.
const MOST_LOOKED_AT: usize = 1_000_000;

/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

/// A folder below one that the operator has released.
#[derive(Clone)]
pub struct Folder {
    released: PathBuf,
    /// From there to the folder.
    below: PathBuf,
}

impl Folder {
    pub fn open(settings: &FolderSettings, released: &[PathBuf]) -> Result<Self, ObjectError> {
        let path = Path::new(&settings.path);
        let holds = |folder: &&PathBuf| path.starts_with(folder);
        let released = released.iter().find(holds).ok_or(ObjectError::NotReleased)?;
        let below = path.strip_prefix(released).unwrap_or(Path::new(""));
        Ok(Self { released: released.clone(), below: below.to_owned() })
    }

    pub async fn list(&self, prefix: &str, is_one_level: bool, most: usize) -> Result<Listed, ObjectError> {
        let (folder, prefix) = (self.clone(), prefix.to_owned());
        blocking(move || folder.walk(&prefix, is_one_level, most)).await
    }

    pub async fn head(&self, key: &str) -> Result<ObjectMeta, ObjectError> {
        let (folder, key) = (self.clone(), key.to_owned());
        blocking(move || meta(&key, &folder.file(&key)?)).await
    }

    pub async fn get(&self, key: &str, get: Get) -> Result<Reading, ObjectError> {
        let (folder, of) = (self.clone(), key.to_owned());
        let (file, found) = blocking(move || {
            let file = folder.file(&of)?;
            let found = meta(&of, &file)?;
            Ok((file, found))
        })
        .await?;
        if get.if_match.is_some() && get.if_match != found.etag {
            return Err(ObjectError::Changed(key.to_owned()));
        }
        let size = found.size.unwrap_or(0);
        let range = get.range.map_or(0..size, |range| range.start.min(size)..range.end.min(size));
        let mut file = tokio::fs::File::from_std(file);
        file.seek(io::SeekFrom::Start(range.start)).await?;
        let (before, left) = (found.clone(), range.end.saturating_sub(range.start));
        let pieces = try_unfold((file, left), move |(mut file, left)| {
            let before = before.clone();
            async move {
                let mut piece = vec![0; PIECE.min(left as usize)];
                let read = if left == 0 { 0 } else { file.read(&mut piece).await? };
                if read == 0 {
                    unchanged(&before, file).await?;
                    return Ok(None);
                }
                piece.truncate(read);
                Ok::<_, ObjectError>(Some((piece.into(), (file, left - read as u64))))
            }
        });
        Ok(Reading::new(found, Some(left), pieces.boxed()))
    }

    /// Opens a path below the folder, without following any link.
    fn beneath(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let root = rustix::fs::openat(CWD, &self.released, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let whole = Path::new(".").join(&self.below).join(path);
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        Ok(rustix::fs::openat2(root, whole, flags | OFlags::CLOEXEC, Mode::empty(), resolve)?)
    }

    fn file(&self, key: &str) -> Result<File, ObjectError> {
        let is_plain = !key.is_empty() && !key.contains('\0') && key.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !is_plain {
            return Err(ObjectError::InvalidKey(key.to_owned()));
        }
        // A pipe would wait for a writer.
        let opened = self.beneath(Path::new(key), OFlags::RDONLY | OFlags::NONBLOCK);
        let file = File::from(opened.map_err(|error| in_words(error, key))?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(ObjectError::NotFound(key.to_owned())) }
    }

    fn walk(&self, prefix: &str, is_one_level: bool, most: usize) -> Result<Listed, ObjectError> {
        let start = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let opened = self.beneath(Path::new(start), OFlags::RDONLY | OFlags::DIRECTORY);
        let opened = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !start.is_empty() => return Ok(Listed::default()),
            other => other.map_err(|error| in_words(error, "such folder"))?,
        };
        let at = if start.is_empty() { String::new() } else { format!("{start}/") };
        let mut walk = Walk { prefix, is_one_level, most, looked_at: 0, listed: Listed::default() };
        walk.enter(&opened, &at, 0)?;
        Ok(walk.listed)
    }
}

/// A listing that is being made.
struct Walk<'a> {
    prefix: &'a str,
    is_one_level: bool,
    most: usize,
    looked_at: usize,
    listed: Listed,
}

impl Walk<'_> {
    fn enter(&mut self, folder: &OwnedFd, at: &str, depth: usize) -> Result<(), ObjectError> {
        for (name, kind) in self.names(folder)? {
            let key = format!("{at}{name}");
            let is_wanted = key.starts_with(self.prefix) || self.prefix.starts_with(&format!("{key}/"));
            if !is_wanted || self.listed.is_cut {
                continue;
            }
            if kind == FileType::RegularFile {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                // What has been removed, or may not be read, is no object.
                let Ok(file) = rustix::fs::openat(folder, name.as_str(), flags, Mode::empty()) else { continue };
                let found = meta(&key, &File::from(file))?;
                self.take(|listed| listed.objects.push(found));
            } else if kind == FileType::Directory && self.is_one_level {
                self.take(|listed| listed.prefixes.push(format!("{key}/")));
            } else if kind == FileType::Directory && depth < DEEPEST {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let Ok(below) = rustix::fs::openat(folder, name.as_str(), flags, Mode::empty()) else { continue };
                self.enter(&below, &format!("{key}/"), depth + 1)?;
            }
        }
        Ok(())
    }

    /// Returns the names in a folder in order, and of what kind each is.
    fn names(&mut self, folder: &OwnedFd) -> Result<Vec<(String, FileType)>, ObjectError> {
        let mut names = Vec::new();
        for entry in Dir::read_from(folder.as_fd()).map_err(io::Error::from)? {
            let entry = entry.map_err(io::Error::from)?;
            let Some(name) = OsStr::from_bytes(entry.file_name().to_bytes()).to_str() else { continue };
            if matches!(name, "." | "..") {
                continue;
            }
            self.looked_at += 1;
            if self.looked_at > MOST_LOOKED_AT {
                self.listed.is_cut = true;
                break;
            }
            let mut kind = entry.file_type();
            if kind == FileType::Unknown {
                let stat = rustix::fs::statat(folder, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
                kind = stat.map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode));
            }
            names.push((name.to_owned(), kind));
        }
        names.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        Ok(names)
    }

    fn take(&mut self, add: impl FnOnce(&mut Listed)) {
        if self.listed.objects.len() + self.listed.prefixes.len() < self.most {
            add(&mut self.listed);
        } else {
            self.listed.is_cut = true;
        }
    }
}

fn meta(key: &str, file: &File) -> Result<ObjectMeta, ObjectError> {
    let found = file.metadata()?;
    let etag = format!("{}-{}-{}.{:09}", found.ino(), found.size(), found.mtime(), found.mtime_nsec());
    let modified = DateTime::from_timestamp(found.mtime(), u32::try_from(found.mtime_nsec()).unwrap_or(0));
    Ok(ObjectMeta { key: key.to_owned(), size: Some(found.size()), etag: Some(etag), modified })
}

/// Checks after the last byte that a file is still the one that was begun.
async fn unchanged(before: &ObjectMeta, file: tokio::fs::File) -> Result<(), ObjectError> {
    let file = file.into_std().await;
    let (key, etag) = (before.key.clone(), before.etag.clone());
    let after = blocking(move || meta(&key, &file)).await?;
    if after.etag == etag { Ok(()) } else { Err(ObjectError::Changed(after.key)) }
}

fn in_words(error: io::Error, key: &str) -> ObjectError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ObjectError::NotFound(key.to_owned()),
        io::ErrorKind::PermissionDenied => ObjectError::PermissionDenied(key.to_owned()),
        // A link, or a way out of the folder.
        _ if matches!(error.raw_os_error(), Some(code) if code == rustix::io::Errno::LOOP.raw_os_error()
            || code == rustix::io::Errno::XDEV.raw_os_error()) =>
        {
            ObjectError::NotFound(key.to_owned())
        }
        _ => ObjectError::Storage(error),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, ObjectError> + Send + 'static) -> Result<T, ObjectError> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(ObjectError::Storage(io::Error::other(error))))
}
