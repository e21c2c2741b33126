//! Memory that the values of one batch of rows take. Missing values and repeated ones take no room in a file: a list of a billion
//! of them fits in a page of some bytes, and a value of fixed length takes its length even if it is missing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parquet::basic::Type;
use parquet::schema::types::ColumnDescriptor;

use super::super::error::TabularError;

/// Most bytes that the values of a batch may take while a file is read to its end.
pub(super) const LIMIT: u64 = 512 << 20;

/// Bytes of a value in memory: that of a reference to a text.
const VALUE: u64 = 16;

/// Bytes of a value in lists: the same with its levels, while the list is put into its form.
const VALUE_OF_LIST: u64 = 2 * VALUE;

/// What a value of a column takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct ValueSize {
    /// Bytes in memory.
    memory: u64,
    /// Fewest bytes in a page that has a value of its own for each.
    plain: u64,
    is_in_lists: bool,
}

impl ValueSize {
    pub fn of(column: &ColumnDescriptor) -> Self {
        let is_in_lists = column.max_rep_level() > 0;
        let (fixed, plain) = match column.physical_type() {
            Type::BOOLEAN => (0, 1),
            Type::INT32 | Type::FLOAT | Type::BYTE_ARRAY => (0, 4),
            Type::INT64 | Type::DOUBLE => (0, 8),
            Type::INT96 => (0, 12),
            Type::FIXED_LEN_BYTE_ARRAY => {
                let length = u64::try_from(column.type_length()).unwrap_or_default();
                (length, length.max(1))
            }
        };
        let value = if is_in_lists { VALUE_OF_LIST } else { VALUE };
        ValueSize { memory: value.saturating_add(fixed), plain, is_in_lists }
    }

    /// Returns whether a dictionary of this many values fits in so many bytes. The library allocates as many as it declares.
    pub fn fits(self, values: u64, bytes: u64) -> bool {
        values.saturating_mul(self.plain) <= bytes
    }

    /// Returns the bytes that a page of `values` values adds to a batch. Of a list all values are read at once.
    fn in_batch(self, values: u64, batch_rows: usize) -> u64 {
        let values = if self.is_in_lists { values } else { values.min(batch_rows as u64) };
        values.saturating_mul(self.memory)
    }
}

/// What the values of the present batch of a reader may take: those of all pages that were read for it, and those that may be left
/// of the pages before. The values of a list are read only once all of them are there, which may be several batches later.
#[derive(Clone)]
pub(super) struct AtOnce {
    batch_rows: usize,
    limit: u64,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    bytes: u64,
    /// What the page takes that was read last, by the number of its column.
    open: HashMap<usize, u64>,
    /// The column that exceeded the limit, and the bytes then.
    refused: Option<(String, u64)>,
}

impl AtOnce {
    /// Counts batches of so many rows, whose values may take `limit` bytes.
    pub fn new(batch_rows: usize, limit: u64) -> Self {
        AtOnce { batch_rows, limit, taken: Arc::default() }
    }

    /// Starts the next batch.
    pub fn begin(&self) {
        let mut taken = self.taken();
        taken.bytes = taken.open.values().fold(0, |sum, bytes| sum.saturating_add(*bytes));
    }

    /// Counts a page of the column with this number, and returns whether the batch still is within the limit.
    pub fn allow(&self, number: usize, column: &str, size: ValueSize, values: u64) -> bool {
        let mut taken = self.taken();
        let page = size.in_batch(values, self.batch_rows);
        taken.bytes = taken.bytes.saturating_add(page);
        taken.open.insert(number, page);
        let bytes = taken.bytes;
        if bytes > self.limit {
            taken.refused.get_or_insert_with(|| (column.to_owned(), bytes));
        }
        bytes <= self.limit
    }

    /// Returns the error of the batch that exceeded the limit, if there was one.
    pub fn refusal(&self) -> Option<TabularError> {
        let (column, bytes) = self.taken().refused.clone()?;
        Some(TabularError::ValuesTooLarge { column, bytes, limit: self.limit })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: ValueSize = ValueSize { memory: VALUE_OF_LIST, plain: 4, is_in_lists: true };

    /// Reads a page of a third of the limit in each batch, from these columns, and returns in how many it was allowed.
    fn batches_allowed(columns: impl IntoIterator<Item = usize>) -> usize {
        let at_once = AtOnce::new(1024, 300 * VALUE_OF_LIST);
        let allowed = |&column: &usize| {
            at_once.begin();
            at_once.allow(column, "tags", LIST, 100)
        };
        columns.into_iter().take_while(allowed).count()
    }

    #[test]
    fn what_is_left_of_earlier_pages_counts_in_later_batches() {
        assert_eq!(batches_allowed(0..100), 3);
    }

    #[test]
    fn any_number_of_pages_is_read_batch_by_batch() {
        assert_eq!(batches_allowed(std::iter::repeat_n(0, 100)), 100);
    }

    #[test]
    fn a_refusal_names_the_column() {
        let at_once = AtOnce::new(1024, VALUE_OF_LIST);
        assert!(at_once.allow(0, "tags", LIST, 1) && at_once.refusal().is_none());
        assert!(!at_once.allow(0, "tags", LIST, 1));
        assert!(at_once.refusal().unwrap().to_string().contains("\"tags\""));
    }
}
