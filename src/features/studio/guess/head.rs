//! The first rows of a file.

use std::path::Path;

use serde_json::Value;

use crate::features::datasets::{DataError, ask_for, largest_honest};
use crate::platform::memory::Promise;
use crate::platform::tabular::{self, MAX_PREVIEW_BYTES, Stop};

/// The largest number of rows that guesses are based on.
pub const MOST_ROWS: usize = 10_000;

/// The largest number of cells: of wide files fewer rows are read.
const MOST_CELLS: usize = 500_000;

/// Bytes of text that are read.
const MOST_BYTES: u64 = 4 << 20;

/// Memory for the rows, in multiples of their text.
const MEMORY_PER_BYTE: u64 = 16;

/// The first rows of a file.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// The file name as sent by the client.
    pub name: String,
    pub columns: Vec<String>,
    /// Each as long as `columns`.
    pub rows: Vec<Vec<Value>>,
    /// Whether the file has more rows.
    pub more: bool,
    /// What is wrong with the first row that could not be read.
    pub first_skipped: Option<String>,
}

impl Head {
    /// Returns why the file cannot be used, if it has no row.
    pub fn lack(&self) -> Option<String> {
        self.rows.is_empty().then(|| match &self.first_skipped {
            Some(problem) => format!("No row of the file can be read. The first problem is at {problem}."),
            None => "The file has a header but no rows.".to_owned(),
        })
    }
}

/// Reads the first rows of a file, of which only the start may have been sent, until `stop`. Blocks.
pub fn read_head(path: &Path, name: &str, is_start: bool, (memory, stop): (&Promise, &Stop)) -> Result<Head, DataError> {
    let size = std::fs::metadata(path)?.len();
    ask_for(memory, "The first rows cannot be read now", MOST_BYTES * MEMORY_PER_BYTE)?;
    let limit = largest_honest(size).min(MAX_PREVIEW_BYTES);
    let preview = tabular::preview_of_start(path, name, MOST_ROWS, MOST_BYTES, limit, stop)?;
    let tabular::Preview { columns, rows, more, first_skipped } = preview;
    let mut head = Head { name: name.to_owned(), columns, rows, more, first_skipped };
    if is_start && !head.more {
        // The last row may be cut off in the middle.
        head.rows.pop();
        head.more = true;
    }
    head.rows.truncate(MOST_CELLS / head.columns.len().max(1));
    Ok(head)
}
