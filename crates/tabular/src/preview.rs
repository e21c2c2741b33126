//! The first rows of a file, with all their columns.

use std::io::Read;
use std::path::Path;

use serde_json::Value;

use super::delimited::{Found, Opened, Records, header, open};
use super::error::TabularError;
use super::format::{Kind, format_of};
use super::source::with_source;
use super::{json, parquet};

/// Expanded bytes that may be read for a preview of text.
const MAX_EXPANDED: u64 = 16 << 30;

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
}

/// Reads at most `n_rows` rows, skipping those that do not fit the header.
pub fn preview(path: &Path, file_name: &str, n_rows: usize) -> Result<Preview, TabularError> {
    let format = format_of(file_name)?;
    with_source(path, format, MAX_EXPANDED, |kind, source| match kind {
        Kind::Csv => delimited(source, b',', n_rows),
        Kind::Tsv => delimited(source, b'\t', n_rows),
        Kind::Json | Kind::JsonLines => json::preview(source, kind, n_rows),
        Kind::Parquet => parquet::preview(parquet::seekable(path, format, source)?, n_rows),
        Kind::InsideZip => Err(TabularError::BadArchive { count: 0 }),
    })
}

fn delimited(source: &mut (dyn Read + Send), delimiter: u8, n_rows: usize) -> Result<Preview, TabularError> {
    let Opened { mut reader, dialect, .. } = open(source, delimiter, &[])?;
    let mut records = Records::new(&mut reader, dialect, 4 << 20);
    let columns = header(&mut records)?;
    records.expect(columns.len());
    let mut rows = Vec::new();
    // An empty field is a missing value.
    let text = |bytes: Option<&[u8]>| match bytes {
        None | Some([]) => Value::Null,
        Some(bytes) => Value::from(String::from_utf8_lossy(bytes).into_owned()),
    };
    loop {
        match records.advance()? {
            Found::End => return Ok(Preview { columns, rows, more: false }),
            Found::TooLarge => {}
            Found::Record if records.scanner().shape_problem(columns.len()).is_some() => {}
            Found::Record if rows.len() == n_rows => return Ok(Preview { columns, rows, more: true }),
            Found::Record => rows.push((0..columns.len()).map(|i| text(records.field(i))).collect()),
        }
    }
}
