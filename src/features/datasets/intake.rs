//! From a stream of bytes to a file with its checksum, on a thread of its own and never whole in memory.

use std::io::Write;

use actix_web::web::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::error::DataError;
use crate::platform::blobs::{Blobs, Incoming};

/// Pieces on their way to the disk; with network-sized pieces well below a megabyte.
const IN_FLIGHT: usize = 16;

/// A file that has arrived; it vanishes when dropped before it was given a key.
#[derive(Debug)]
pub struct Received {
    pub file: Incoming,
    pub size: u64,
    /// In hexadecimal.
    pub sha256: String,
}

/// A file that is arriving. Dropped half-way, it leaves nothing behind.
pub struct Intake {
    pieces: mpsc::Sender<Bytes>,
    writer: JoinHandle<std::io::Result<Received>>,
    size: u64,
    limit: u64,
}

impl Intake {
    /// Starts a file of at most `limit` bytes.
    pub fn start(blobs: &Blobs, limit: u64) -> Result<Self, DataError> {
        let file = blobs.incoming()?;
        let (pieces, arriving) = mpsc::channel(IN_FLIGHT);
        let writer = tokio::task::spawn_blocking(move || write_all(file, arriving));
        Ok(Self { pieces, writer, size: 0, limit })
    }

    /// Adds a piece; waits when the disk is slower than the network.
    pub async fn push(&mut self, piece: Bytes) -> Result<(), DataError> {
        self.size += piece.len() as u64;
        if self.size > self.limit {
            return Err(DataError::UploadTooLarge { limit: self.limit });
        }
        // A writer that has gone says why in `finish`.
        let _ = self.pieces.send(piece).await;
        Ok(())
    }

    /// Waits until all of it is written.
    pub async fn finish(self) -> Result<Received, DataError> {
        drop(self.pieces);
        let written = self.writer.await.map_err(|error| DataError::Stopped(error.to_string()))?;
        Ok(written?)
    }
}

fn write_all(file: Incoming, mut arriving: mpsc::Receiver<Bytes>) -> std::io::Result<Received> {
    let mut file = Checked::new(file);
    while let Some(piece) = arriving.blocking_recv() {
        file.write_all(&piece)?;
    }
    Ok(file.finish())
}

/// A file that is counted and summed up while it is written.
pub struct Checked {
    file: Incoming,
    size: u64,
    digest: ring::digest::Context,
}

impl Checked {
    /// With nothing written yet.
    pub fn new(file: Incoming) -> Self {
        Self { file, size: 0, digest: ring::digest::Context::new(&ring::digest::SHA256) }
    }

    /// The file with its size and checksum.
    pub fn finish(self) -> Received {
        Received { file: self.file, size: self.size, sha256: hex::encode(self.digest.finish()) }
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

    fn blobs() -> (tempfile::TempDir, Blobs) {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().to_owned()).unwrap();
        (folder, blobs)
    }

    #[actix_web::test]
    async fn what_arrives_in_pieces_is_whole_on_disk() {
        let (_folder, blobs) = blobs();
        let mut intake = Intake::start(&blobs, 6).unwrap();
        intake.push(Bytes::from_static(b"abc")).await.unwrap();
        intake.push(Bytes::from_static(b"def")).await.unwrap();
        let received = intake.finish().await.unwrap();
        assert_eq!(std::fs::read(received.file.path()).unwrap(), b"abcdef");
        assert_eq!(received.size, 6);
        assert_eq!(received.sha256, "bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721");
    }

    #[actix_web::test]
    async fn too_much_is_refused_at_once() {
        let (_folder, blobs) = blobs();
        let mut intake = Intake::start(&blobs, 5).unwrap();
        intake.push(Bytes::from_static(b"abc")).await.unwrap();
        let refused = intake.push(Bytes::from_static(b"def")).await;
        assert!(matches!(refused, Err(DataError::UploadTooLarge { limit: 5 })));
    }
}
