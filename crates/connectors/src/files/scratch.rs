//! An object on this machine's disk, while it is read.

use std::path::{Path, PathBuf};

use recotem_platform::objects::{Get, Reading};
use tokio::io::AsyncWriteExt;

use super::Files;
use super::listing::FileObject;
use crate::error::ConnectorError;
use crate::rows::Task;

/// How often an object that changes while it is read is begun again.
const TRIES: u32 = 3;

/// A file that is removed when it is no longer needed.
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Returns where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// What happens to the bytes of an object beyond so many.
#[derive(Debug, Clone, Copy)]
enum Beyond {
    /// They are not copied.
    Left(u64),
    /// The object is refused.
    Refused(u64),
}

impl Beyond {
    fn bytes(self) -> u64 {
        let (Self::Left(bytes) | Self::Refused(bytes)) = self;
        bytes
    }
}

impl Files {
    /// Copies an object to this machine; of a version that changes meanwhile, the next one. Returns the version that was copied.
    pub async fn fetch(&self, object: &FileObject, task: &Task<'_>) -> Result<(Scratch, FileObject), ConnectorError> {
        let mut wanted = object.clone();
        for _ in 1..TRIES {
            match self.fetch_version(&wanted, task).await {
                Err(ConnectorError::Object(error)) if error.code() == "changed" => {
                    wanted = self.objects.head(&object.key).await?.into();
                }
                fetched => return fetched.map(|scratch| (scratch, wanted)),
            }
        }
        self.fetch_version(&wanted, task).await.map(|scratch| (scratch, wanted))
    }

    async fn fetch_version(&self, object: &FileObject, task: &Task<'_>) -> Result<Scratch, ConnectorError> {
        let get = Get { range: None, if_match: object.etag.clone() };
        let reading = task.unless_stopped(None, self.objects.get(&object.key, get)).await??;
        self.copy(reading, Beyond::Refused(task.limits.max_bytes), task).await
    }

    /// Copies the first bytes of an object: at most so many, whatever the server says and sends.
    pub async fn fetch_start(&self, object: &FileObject, most: u64, task: &Task<'_>) -> Result<Scratch, ConnectorError> {
        let range = object.size.map_or(0..most, |size| 0..size.min(most));
        // The store refuses a part of nothing.
        let get = Get { range: Some(range).filter(|range| !range.is_empty()), if_match: None };
        let reading = self.objects.get(&object.key, get).await?;
        self.copy(reading, Beyond::Left(most), task).await
    }

    async fn copy(&self, mut reading: Reading, beyond: Beyond, task: &Task<'_>) -> Result<Scratch, ConnectorError> {
        let scratch = Scratch { path: self.scratch.join(format!("pull-{}", uuid::Uuid::new_v4())) };
        let file = recotem_platform::private::create_file(&scratch.path).map_err(ConnectorError::Storage)?;
        let mut file = tokio::fs::File::from_std(file);
        let mut room = beyond.bytes();
        while let Some(piece) = task.unless_stopped(None, reading.next()).await?? {
            let taken = piece.get(..usize::try_from(room).unwrap_or(usize::MAX)).unwrap_or(&piece);
            file.write_all(taken).await.map_err(ConnectorError::Storage)?;
            room -= taken.len() as u64;
            match beyond {
                Beyond::Refused(limit) if taken.len() < piece.len() => {
                    return Err(ConnectorError::TooLarge { what: "a file of the source", limit });
                }
                Beyond::Left(_) if room == 0 => break,
                _ => {}
            }
        }
        file.flush().await.map_err(ConnectorError::Storage)?;
        Ok(scratch)
    }
}
