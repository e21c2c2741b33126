//! A compressed file, written on a thread of its own while the rows arrive.

use std::io::{self, Write};

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::error::ConnectorError;

/// Level of the compression: about four times as fast as rows arrive.
pub const LEVEL: i32 = 3;

/// Bytes that are handed over at once.
const PIECE: usize = 256 << 10;

/// Pieces that wait for the thread; more are not accepted, so a slow disk slows the source down.
const WAITING: usize = 4;

enum Piece {
    Bytes(Vec<u8>),
    End,
}

/// Compresses with zstd what is written to it. Unless it is finished, what it has written is not a complete file.
pub struct PackedOutput {
    pieces: mpsc::Sender<Piece>,
    thread: JoinHandle<io::Result<u64>>,
    buffer: Vec<u8>,
}

impl PackedOutput {
    pub fn start(into: Box<dyn Write + Send>) -> Self {
        let (pieces, mut waiting) = mpsc::channel(WAITING);
        let thread = spawn_blocking(move || {
            let mut encoder = zstd::Encoder::new(Counted { into, bytes: 0 }, LEVEL)?;
            encoder.include_checksum(true)?;
            while let Some(piece) = waiting.blocking_recv() {
                match piece {
                    Piece::Bytes(bytes) => encoder.write_all(&bytes)?,
                    Piece::End => {
                        let mut counted = encoder.finish()?;
                        counted.into.flush()?;
                        return Ok(counted.bytes);
                    }
                }
            }
            Err(io::Error::other("the rows ended early"))
        });
        Self { pieces, thread, buffer: Vec::with_capacity(PIECE) }
    }

    /// Adds bytes. Waits while the thread is behind.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), ConnectorError> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < PIECE {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        self.hand_over(Piece::Bytes(full)).await
    }

    /// Ends the file, and returns its size.
    pub async fn finish(mut self) -> Result<u64, ConnectorError> {
        let rest = std::mem::take(&mut self.buffer);
        self.hand_over(Piece::Bytes(rest)).await?;
        self.hand_over(Piece::End).await?;
        Self::result(&mut self.thread).await
    }

    async fn hand_over(&mut self, piece: Piece) -> Result<(), ConnectorError> {
        match self.pieces.send(piece).await {
            Ok(()) => Ok(()),
            Err(_) => Self::result(&mut self.thread).await.map(drop),
        }
    }

    async fn result(thread: &mut JoinHandle<io::Result<u64>>) -> Result<u64, ConnectorError> {
        let ended = thread.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        ended.map_err(ConnectorError::Storage)
    }
}

/// Counts what is written.
pub struct Counted {
    pub into: Box<dyn Write + Send>,
    pub bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.into.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.into.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[tokio::test]
    async fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.csv.zst");
        let mut output = PackedOutput::start(Box::new(File::create(&path).unwrap()));
        let line = b"user,item\n".repeat(1_000);
        for _ in 0..200 {
            output.write(&line).await.unwrap();
        }
        let size = output.finish().await.unwrap();
        let packed = fs::read(&path).unwrap();
        assert_eq!(packed.len() as u64, size);
        assert_eq!(zstd::decode_all(&packed[..]).unwrap(), line.repeat(200));
    }

    #[tokio::test]
    async fn what_is_not_finished_is_not_a_complete_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.csv.zst");
        let mut output = PackedOutput::start(Box::new(File::create(&path).unwrap()));
        output.write(&[b'x'; PIECE]).await.unwrap();
        let PackedOutput { pieces, thread, .. } = output;
        drop(pieces);
        assert!(thread.await.unwrap().is_err());
        assert!(zstd::decode_all(&fs::read(&path).unwrap()[..]).is_err());
    }

    struct FullDisk;

    impl Write for FullDisk {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_full_disk_ends_the_writing() {
        let mut output = PackedOutput::start(Box::new(FullDisk));
        let mut noise: u64 = 1;
        let piece: Vec<u8> = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (noise >> 56) as u8
        })
        .take(PIECE)
        .collect();
        let error = loop {
            if let Err(error) = output.write(&piece).await {
                break error;
            }
        };
        assert_eq!(error.code(), "storage");
    }
}
