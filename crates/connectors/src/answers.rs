//! What a server says about itself and its tables.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most entries of a listing.
pub const MOST_ENTRIES: usize = 10_000;

/// The longest cell of a sample, in characters.
pub const LONGEST_CELL: usize = 200;

recotem_platform::wire_enum! {
    /// A step of a test of a connection.
    pub enum TestStepName {
        Address = "address",
        Tls = "tls",
        LogIn = "log_in",
        Rights = "rights",
    }
}

recotem_platform::wire_enum! {
    /// How a step of a test ended.
    pub enum StepState {
        Passed = "passed",
        Warning = "warning",
        Failed = "failed",
        Skipped = "skipped",
    }
}

/// One step of a test of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TestStep {
    pub step: TestStepName,
    pub state: StepState,
    /// What was found, and what to do about it.
    pub text: String,
    /// The code of the error, if the step failed.
    #[serde(default)]
    pub code: Option<String>,
}

/// Returns whether a tested connection can be used.
pub fn is_usable(steps: &[TestStep]) -> bool {
    steps.iter().all(|step| matches!(step.state, StepState::Passed | StepState::Warning))
}

recotem_platform::wire_enum! {
    /// What an entry of a listing is.
    pub enum EntryKind {
        Schema = "schema",
        Table = "table",
        View = "view",
        Column = "column",
        Folder = "folder",
        File = "file",
    }
}

/// A schema, table, column, folder or file. What the server does not know is null.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Entry {
    pub name: String,
    pub kind: EntryKind,
    /// Estimated rows of a table.
    pub rows: Option<i64>,
    /// Bytes that a table or a file takes.
    pub bytes: Option<i64>,
    /// When a file was changed, in RFC 3339.
    pub modified: Option<String>,
    /// The server's name of the type of a column.
    pub data_type: Option<String>,
    /// Share of rows in which a column is null, by the server's statistics.
    pub null_share: Option<f64>,
    /// Estimated number of distinct values of a column, by the server's statistics.
    pub distinct: Option<i64>,
}

impl Entry {
    /// Creates an entry of which nothing is known except its name.
    pub fn named(name: String, kind: EntryKind) -> Self {
        Self { name, kind, rows: None, bytes: None, modified: None, data_type: None, null_share: None, distinct: None }
    }
}

/// What is below a path: schemas, then tables, then columns; or folders and files, then the columns of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    pub entries: Vec<Entry>,
    /// Whether there are more than are listed.
    pub is_cut: bool,
}

/// A few rows as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Sample {
    pub columns: Vec<String>,
    /// Cells are cut at 200 characters.
    pub rows: Vec<Vec<Option<String>>>,
}

/// The server's estimate, without reading the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Estimate {
    /// Null if nothing says how many, as of files.
    pub rows: Option<i64>,
    pub bytes: i64,
}

/// What a count found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Count {
    /// Rows in the window, or all.
    pub rows: i64,
    /// Rows whose cursor is null, in the whole table.
    pub null_cursors: i64,
}

/// The limits of one pull.
#[derive(Debug, Clone, Copy)]
pub struct PullLimits {
    /// The most bytes of text that are read, before compression.
    pub max_bytes: u64,
    /// A row with a longer cell, in bytes, is rejected.
    pub max_cell: usize,
    /// The most rows that are read; the rest are left.
    pub max_rows: Option<u64>,
    /// How long the server may work on the statement.
    pub statement: Duration,
    /// How long the server may pause after the first row.
    pub idle: Duration,
}

impl Default for PullLimits {
    fn default() -> Self {
        Self {
            max_bytes: 100 << 30,
            max_cell: 1 << 20,
            max_rows: None,
            statement: Duration::from_secs(6 * 60 * 60),
            idle: Duration::from_secs(10 * 60),
        }
    }
}

/// What a pull has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pulled {
    /// Rows that were written.
    pub rows: u64,
    /// Bytes of text that were read, with the header.
    pub bytes: u64,
    /// Bytes that were written, compressed.
    pub packed_bytes: u64,
    /// Rows whose cursor is null, in the whole table.
    pub null_cursors: u64,
    /// Rows that were left out because a cell is too long.
    pub rejected: u64,
}
