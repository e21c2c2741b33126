//! Adds up what the pages of a file expand to, before the library expands them: the sizes of a file's footer say nothing of what its
//! first rows take, and may be wrong.

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

/// The page that was too much.
#[derive(Clone, Copy)]
struct Refused {
    at: u64,
    bytes: u64,
}

impl Meter {
    pub fn new(limit: u64, metadata: Arc<ParquetMetaData>) -> Self {
        Meter { limit, metadata, taken: Mutex::default() }
    }

    /// Counts the page whose header begins with these bytes, or refuses it.
    pub fn allow_page(&self, at: u64, header: &[u8]) -> io::Result<()> {
        let bytes = expanded_size(header).ok_or_else(|| io::Error::other("the header of a page is damaged"))?;
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

    /// Returns the refusal in words, if there was one.
    pub fn refusal(&self) -> Option<TabularError> {
        let Refused { at, bytes } = self.taken().refused?;
        Some(TabularError::PreviewTooLarge { column: self.column_at(at), bytes, limit: self.limit })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the name of the column whose pages lie there.
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

/// Returns the expanded size that the header of a page declares. In Thrift's compact encoding it begins with two 32-bit numbers: the
/// type of the page, and this size. The library expands a page to no more than that with zstd, Snappy and LZ4.
fn expanded_size(header: &[u8]) -> Option<u64> {
    let (_, rest) = number(header)?;
    let (size, _) = number(rest)?;
    u64::try_from(size).ok()
}

/// Returns the 32-bit number in the next field, and the bytes after it.
fn number(bytes: &[u8]) -> Option<(i64, &[u8])> {
    /// The next field in turn, and a 32-bit number.
    const NEXT_I32: u8 = 0x15;
    const LONGEST: usize = 5;
    let (&field, bytes) = bytes.split_first()?;
    if field != NEXT_I32 {
        return None;
    }
    let mut zigzag = 0u64;
    for (at, &byte) in bytes.iter().take(LONGEST).enumerate() {
        zigzag |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let magnitude = i64::try_from(zigzag >> 1).ok()?;
            let value = if zigzag & 1 == 0 { magnitude } else { -magnitude - 1 };
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::expanded_size;

    #[test]
    fn the_size_is_the_second_number_of_a_header() {
        assert_eq!(expanded_size(&[0x15, 0x00, 0x15, 0x14, 0x15, 0x02]), Some(10));
        assert_eq!(expanded_size(&[0x15, 0x04, 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0x15]), Some(i32::MAX as u64));
        for damaged in [&[][..], &[0x15], &[0x15, 0x00, 0x15, 0x13], &[0x15, 0x00, 0x25, 0x14], &[0x15, 0x80, 0x80]] {
            assert_eq!(expanded_size(damaged), None, "{damaged:?}");
        }
    }
}
