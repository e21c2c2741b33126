//! Estimates the memory of an upload's table while its rows are read.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use serde_json::Value;

use crate::platform::tabular::TableCell;

/// Distinct values that are remembered; each one beyond counts as new.
const REMEMBERED: usize = 1 << 22;

/// Bytes of a row besides its cells and the text of its id.
const ROW_BYTES: u64 = 48;
/// A cell of a row.
const CELL_BYTES: u64 = 12;
/// Bytes of a distinct value besides its content.
const VALUE_BYTES: u64 = 16;

/// An upper bound of the memory of an [`super::table::ItemTable`].
#[derive(Default)]
pub struct TableSize {
    hasher: RandomState,
    seen: HashSet<u64>,
    bytes: u64,
}

impl TableSize {
    /// Counts a row.
    pub fn add(&mut self, id: &str, cells: &[TableCell]) {
        self.bytes += ROW_BYTES + id.len() as u64;
        for (_, value) in cells {
            self.bytes += CELL_BYTES;
            if self.is_new(value) {
                self.bytes += VALUE_BYTES + bytes_of(value) as u64;
            }
        }
    }

    fn is_new(&mut self, value: &Value) -> bool {
        let hash = self.hasher.hash_one(value);
        if self.seen.len() < REMEMBERED { self.seen.insert(hash) } else { !self.seen.contains(&hash) }
    }

    /// Returns the largest number of bytes of the table.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the bytes that the estimate itself uses.
    pub fn heap_bytes(&self) -> u64 {
        self.seen.capacity() as u64 * 9
    }
}

/// Returns the bytes of a value, including its place.
pub fn bytes_of(value: &Value) -> usize {
    let below = match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(bytes_of).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + 64 + bytes_of(value)).sum(),
        _ => 0,
    };
    size_of::<Value>() + below
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_values_count_once() {
        let bytes = |values: [&str; 2]| {
            let mut size = TableSize::default();
            values.iter().for_each(|value| size.add("item", &[(0, json!(value))]));
            size.bytes()
        };
        let text = "x".repeat(1_000);
        assert!(bytes([&text, &text]) < 1_500);
        assert!(bytes([&text, &"y".repeat(1_000)]) > 2_000);
    }
}
