//! The bytes of a Parquet file for the library.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::super::error::TabularError;
use super::pages::Pages;

/// A file that several threads read at once, each from its own place.
#[derive(Clone)]
pub(super) struct SharedFile {
    file: Arc<File>,
    length: u64,
    pages: Option<Pages>,
}

impl SharedFile {
    pub fn new(file: File) -> Result<Self, TabularError> {
        let length = file.metadata().map_err(TabularError::Io)?.len();
        Ok(SharedFile { file: Arc::new(file), length, pages: None })
    }

    /// Returns the same file for a reader of pages, which are checked and expanded on the way.
    pub fn by_pages(&self, pages: Pages) -> Self {
        SharedFile { pages: Some(pages), ..self.clone() }
    }

    fn read_from(&self, at: u64) -> FileFrom {
        FileFrom { file: Arc::clone(&self.file), at, pages: None }
    }
}

impl Length for SharedFile {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for SharedFile {
    type T = BufReader<FileFrom>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(BufReader::new(FileFrom { pages: self.pages.clone(), ..self.read_from(start) }))
    }

    /// Returns a range; where the library reads pages, the range is a page, and it is returned expanded.
    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        // The length comes from the file: nothing is allocated for bytes that do not exist.
        let there = (length as u64).min(self.length.saturating_sub(start));
        let mut bytes = Vec::with_capacity(usize::try_from(there).unwrap_or_default());
        self.read_from(start).take(length as u64).read_to_end(&mut bytes)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} reach beyond the end")));
        }
        match &self.pages {
            Some(pages) => Ok(pages.expanded(start, bytes.into())?),
            None => Ok(bytes.into()),
        }
    }
}

/// The bytes of a file from an offset on.
pub(super) struct FileFrom {
    file: Arc<File>,
    at: u64,
    /// Where the library reads a stream rather than a range, the stream begins with the header of a page.
    pages: Option<Pages>,
}

impl Read for FileFrom {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Some(pages) = self.pages.take() {
            pages.announce(self.at, FileFrom { file: Arc::clone(&self.file), at: self.at, pages: None })?;
        }
        let n = self.file.read_at(out, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}
