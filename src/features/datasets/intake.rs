//! Writes a stream of bytes to a file and computes its checksum, without holding it all in memory. Only its connection waits for
//! a slow client: bytes are collected, and written on another thread once there are enough of them.

use std::io::Write;
use std::sync::Arc;

use actix_web::web::Bytes;
use tokio::task::JoinHandle;

use super::error::DataError;
use super::under_way::Place;
use crate::features::projects::StoredBytes;
use crate::platform::blobs::{Blobs, Incoming};
use crate::platform::disk::DiskReserve;

/// Bytes per write. As many again may be in the process of being written.
const BATCH: usize = 512 << 10;

/// A received file; it is deleted if dropped before it is stored under a key.
#[derive(Debug)]
pub struct Received {
    pub file: Incoming,
    pub size: u64,
    /// In hexadecimal.
    pub sha256: String,
    /// Its share of the uploads in progress, if it is an upload.
    _place: Option<Arc<Place>>,
}

/// A file being received. Dropping it deletes the file.
pub struct Intake {
    blobs: Blobs,
    disk: DiskReserve,
    place: Arc<Place>,
    batch: Vec<u8>,
    /// `None` before the first batch.
    writing: Option<JoinHandle<Result<Checked, DataError>>>,
    size: u64,
    limit: u64,
    /// What the organisation stores; None where it may store any number of bytes, or is not known yet.
    stored: Option<StoredBytes>,
}

impl Intake {
    /// Starts a file of at most `limit` bytes, which leaves the reserve of the disk free and fits beside what is stored.
    pub fn start(blobs: &Blobs, disk: DiskReserve, limit: u64, place: Arc<Place>, stored: Option<StoredBytes>) -> Self {
        Self { blobs: blobs.clone(), disk, place, batch: Vec::new(), writing: None, size: 0, limit, stored }
    }

    /// Appends bytes; waits if the disk is slower than the network.
    pub async fn push(&mut self, piece: Bytes) -> Result<(), DataError> {
        self.size += piece.len() as u64;
        if self.size > self.limit {
            return Err(DataError::UploadTooLarge { limit: self.limit });
        }
        if let Some(stored) = self.stored {
            stored.admit(self.size)?;
        }
        self.place.take(piece.len() as u64)?;
        self.batch.extend_from_slice(&piece);
        if self.batch.len() >= BATCH { self.write_batch().await } else { Ok(()) }
    }

    /// Waits until everything is written, and returns the file.
    pub async fn finish(mut self) -> Result<Received, DataError> {
        self.write_batch().await?;
        match self.written().await? {
            Some(checked) => Ok(Received { _place: Some(self.place), ..checked.finish() }),
            None => Err(DataError::Stopped("nothing was written".to_owned())),
        }
    }

    /// Starts to write the collected bytes, once the batch before is on the disk.
    async fn write_batch(&mut self) -> Result<(), DataError> {
        let before = self.written().await?;
        let (blobs, disk, batch) = (self.blobs.clone(), self.disk.clone(), std::mem::take(&mut self.batch));
        self.writing = Some(tokio::task::spawn_blocking(move || {
            disk.check()?;
            let mut file = match before {
                Some(file) => file,
                None => Checked::new(blobs.incoming()?),
            };
            file.write_all(&batch)?;
            Ok(file)
        }));
        Ok(())
    }

    async fn written(&mut self) -> Result<Option<Checked>, DataError> {
        match self.writing.take() {
            Some(writing) => Ok(Some(writing.await.map_err(|error| DataError::Stopped(error.to_string()))??)),
            None => Ok(None),
        }
    }
}

/// A file whose size and checksum are computed while it is written.
pub struct Checked {
    file: Incoming,
    size: u64,
    digest: ring::digest::Context,
}

impl Checked {
    /// Starts with an empty file.
    pub fn new(file: Incoming) -> Self {
        Self { file, size: 0, digest: ring::digest::Context::new(&ring::digest::SHA256) }
    }

    /// Returns the file with its size and checksum.
    pub fn finish(self) -> Received {
        Received { file: self.file, size: self.size, sha256: hex::encode(self.digest.finish()), _place: None }
    }
}

impl Write for Checked {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.file.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::datasets::under_way::UploadsUnderWay;
    use crate::platform::config::Settings;

    fn start(limit: u64, settings: &Settings) -> (tempfile::TempDir, Intake) {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().to_owned()).unwrap();
        let place = UploadsUnderWay::new(settings).admit(1, "127.0.0.1").unwrap();
        let disk = DiskReserve::new(folder.path(), 0);
        (folder, Intake::start(&blobs, disk, limit, place, None))
    }

    #[actix_web::test]
    async fn what_arrives_in_pieces_is_whole_on_disk() {
        let (_folder, mut intake) = start(6, &Settings::default());
        intake.push(Bytes::from_static(b"abc")).await.unwrap();
        intake.push(Bytes::from_static(b"def")).await.unwrap();
        let received = intake.finish().await.unwrap();
        assert_eq!(std::fs::read(received.file.path()).unwrap(), b"abcdef");
        assert_eq!(received.size, 6);
        assert_eq!(received.sha256, "bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721");
    }

    #[actix_web::test]
    async fn batches_come_to_the_disk_in_their_order() {
        let (_folder, mut intake) = start(u64::MAX, &Settings::default());
        let whole: Vec<u8> = (0..3 * BATCH + 7).map(|at| (at / 1_000) as u8).collect();
        for piece in whole.chunks(30_001) {
            intake.push(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        let received = intake.finish().await.unwrap();
        assert!(std::fs::read(received.file.path()).unwrap() == whole);
        let digest = ring::digest::digest(&ring::digest::SHA256, &whole);
        assert_eq!(received.sha256, hex::encode(digest.as_ref()));
    }

    #[actix_web::test]
    async fn too_much_is_refused_at_once() {
        let (_folder, mut intake) = start(5, &Settings::default());
        intake.push(Bytes::from_static(b"abc")).await.unwrap();
        let refused = intake.push(Bytes::from_static(b"def")).await;
        assert!(matches!(refused, Err(DataError::UploadTooLarge { limit: 5 })));
    }

    #[actix_web::test]
    async fn what_is_given_up_leaves_nothing_behind() {
        let (folder, mut intake) = start(u64::MAX, &Settings::default());
        intake.push(Bytes::from(vec![1; 2 * BATCH])).await.unwrap();
        intake.written().await.unwrap();
        drop(intake);
        let left = std::fs::read_dir(folder.path().join("incoming")).unwrap().count();
        assert_eq!(left, 0);
    }
}
