//! The preview of a file.

use serde_json::Value;

/// The first rows of a file. Values of delimited text are strings, exactly as written, or null where there is none; JSON and
/// Parquet keep their types.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Preview {
    /// Columns of the file, in its order.
    pub columns: Vec<String>,
    /// Rows, each as long as `columns`.
    pub rows: Vec<Vec<Value>>,
    /// Whether the file has more rows.
    pub more: bool,
    /// What is wrong with the first row that was skipped, with its line; `None` if none was.
    pub first_skipped: Option<String>,
}
