//! Adds up the expanded sizes of a file's pages before the library expands them: the sizes in a file's footer do not give the
//! size of its first rows, and may be wrong.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::super::error::TabularError;

/// A limit for the expanded pages of a file.
pub(super) struct Meter {
    limit: u64,
    metadata: Arc<ParquetMetaData>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    bytes: u64,
    /// Where the counted pages begin: the library may read a header twice.
    pages: HashSet<u64>,
    refused: Option<Refused>,
}

/// The page that exceeded the limit.
#[derive(Clone, Copy)]
struct Refused {
    at: u64,
    bytes: u64,
}

impl Meter {
    pub fn new(limit: u64, metadata: Arc<ParquetMetaData>) -> Self {
        Meter { limit, metadata, taken: Mutex::default() }
    }

    /// Counts the page whose header begins at `at` and declares `bytes` bytes, or refuses it.
    pub fn allow_page(&self, at: u64, bytes: u64) -> io::Result<()> {
        let mut taken = self.taken();
        if taken.pages.insert(at) {
            taken.bytes = taken.bytes.saturating_add(bytes);
        }
        if taken.bytes > self.limit {
            taken.refused.get_or_insert(Refused { at, bytes });
            return Err(io::Error::other("the first rows are too large"));
        }
        Ok(())
    }

    /// Returns the error of the refused page, if there was one.
    pub fn refusal(&self) -> Option<TabularError> {
        let Refused { at, bytes } = self.taken().refused?;
        Some(TabularError::PreviewTooLarge { column: self.column_at(at), bytes, limit: self.limit })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the name of the column whose pages are at this offset.
    fn column_at(&self, at: u64) -> String {
        let mut columns = self.metadata.row_groups().iter().flat_map(|group| group.columns());
        let found = columns.find(|column| lies_in(column, at));
        found.and_then(|column| column.column_path().parts().first().cloned()).unwrap_or_default()
    }
}

fn lies_in(column: &ColumnChunkMetaData, at: u64) -> bool {
    let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
    let start = u64::try_from(start).unwrap_or(u64::MAX);
    let length = u64::try_from(column.compressed_size()).unwrap_or_default();
    (start..start.saturating_add(length)).contains(&at)
}
