//! The first rows of a file, with all their columns.

use std::io::{self, ErrorKind, Read};
use std::path::Path;

use serde_json::Value;

use super::delimited::{Found, Opened, Records, header, open};
use super::error::TabularError;
use super::first_rows::Preview;
use super::format::{Kind, format_of};
use super::source::with_source;
use super::stop::Stop;
use super::{json, parquet};

/// Expanded bytes that may be read for a preview of text.
const MAX_EXPANDED: u64 = 16 << 30;

/// Memory that a preview of Parquet may take.
pub const MAX_PREVIEW_BYTES: u64 = 512 << 20;

/// The largest row of text that a preview shows, in bytes.
const MAX_RECORD: usize = 4 << 20;

/// Reads at most `n_rows` rows, skipping those that do not fit the header, within [`MAX_PREVIEW_BYTES`].
pub fn preview(path: &Path, file_name: &str, n_rows: usize) -> Result<Preview, TabularError> {
    preview_within(path, file_name, n_rows, MAX_PREVIEW_BYTES, &Stop::default())
}

/// Reads as [`preview`] does, until `stop`. First rows of Parquet that take more memory than `limit` are an error. Other formats need little.
pub fn preview_within(path: &Path, file_name: &str, n_rows: usize, limit: u64, stop: &Stop) -> Result<Preview, TabularError> {
    let format = format_of(file_name)?;
    with_source(path, format, (MAX_EXPANDED, stop), |kind, source| match kind {
        Kind::Parquet => parquet::preview(parquet::seekable(path, format, source)?, n_rows, limit, stop),
        _ => text(kind, source, n_rows),
    })
}

/// Reads at most `n_rows` rows from the start of a file, of text at most `most_bytes` expanded bytes. The file may be cut off: the
/// rows before its end are kept, without the last one if the cut shows. First rows of Parquet that take more memory than `limit` are
/// an error. Reads until `stop`.
pub fn preview_of_start(
    path: &Path,
    file_name: &str,
    n_rows: usize,
    most_bytes: u64,
    limit: u64,
    stop: &Stop,
) -> Result<Preview, TabularError> {
    let format = format_of(file_name)?;
    with_source(path, format, (MAX_EXPANDED, stop), |kind, source| {
        if kind == Kind::Parquet {
            return parquet::preview(parquet::seekable(path, format, source)?, n_rows, limit, stop);
        }
        let mut start = Start { source, left: most_bytes, is_cut: false };
        let mut preview = text(kind, &mut start, n_rows)?;
        if start.is_cut && !preview.more {
            preview.rows.pop();
            preview.more = true;
        }
        Ok(preview)
    })
}

/// The start of a source, up to a number of bytes or the place where it is cut off.
struct Start<'s> {
    source: &'s mut (dyn Read + Send),
    left: u64,
    is_cut: bool,
}

impl Read for Start<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let room = out.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if room == 0 && !out.is_empty() {
            self.is_cut = self.is_cut || self.source.read(&mut [0])? > 0;
            return Ok(0);
        }
        match self.source.read(&mut out[..room]) {
            Ok(n) => {
                self.left -= n as u64;
                Ok(n)
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                (self.left, self.is_cut) = (0, true);
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }
}

/// Returns the columns of a file without the values of any, unless it is stopped before.
pub fn column_names(path: &Path, file_name: &str, stop: &Stop) -> Result<Vec<String>, TabularError> {
    let format = format_of(file_name)?;
    with_source(path, format, (MAX_EXPANDED, stop), |kind, source| match kind {
        Kind::Parquet => parquet::column_names(parquet::seekable(path, format, source)?, stop),
        _ => text(kind, source, 1).map(|preview| preview.columns),
    })
}

fn text(kind: Kind, source: &mut (dyn Read + Send), n_rows: usize) -> Result<Preview, TabularError> {
    match kind {
        Kind::Csv => delimited(source, b',', n_rows),
        Kind::Tsv => delimited(source, b'\t', n_rows),
        Kind::Json | Kind::JsonLines => json::preview(source, kind, n_rows),
        Kind::Parquet | Kind::InsideZip => Err(TabularError::BadArchive { count: 0 }),
    }
}

fn delimited(source: &mut (dyn Read + Send), delimiter: u8, n_rows: usize) -> Result<Preview, TabularError> {
    let Opened { mut reader, dialect, .. } = open(source, delimiter, &[])?;
    let mut records = Records::new(&mut reader, dialect, MAX_RECORD);
    let columns = header(&mut records)?;
    records.expect(columns.len());
    let mut preview = Preview { columns, ..Preview::default() };
    // An empty field is a missing value.
    let cell = |bytes: Option<&[u8]>| match bytes {
        None | Some([]) => Value::Null,
        Some(bytes) => Value::from(String::from_utf8_lossy(bytes).into_owned()),
    };
    let width = preview.columns.len();
    loop {
        let problem = match records.advance()? {
            Found::End => return Ok(preview),
            Found::TooLarge => Some(format!("larger than {MAX_RECORD} bytes")),
            Found::Record => records.scanner().shape_problem(width),
        };
        match problem {
            Some(problem) => {
                preview.first_skipped = preview.first_skipped.or_else(|| Some(format!("line {}: {problem}", records.line)))
            }
            None if preview.rows.len() == n_rows => {
                preview.more = true;
                return Ok(preview);
            }
            None => preview.rows.push((0..width).map(|i| cell(records.field(i))).collect()),
        }
    }
}
