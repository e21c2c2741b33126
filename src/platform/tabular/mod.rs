//! Reading tables of interactions from files: CSV, TSV, JSON, JSON lines and Parquet, plain or compressed.
//!
//! Everything is streamed with bounded memory, whatever the bytes are. Ids stay exactly as they are written.
//! A row that cannot be used is left out and reported; the rest of the file is imported.

mod collector;
mod delimited;
mod error;
mod format;
mod json;
mod parquet;
mod preview;
mod records;
mod source;
#[cfg(test)]
mod tests;
mod times;

use std::path::Path;

pub use collector::{MAX_EXAMPLES, ReadOptions, ReadReport, Rejected, Row};
pub use error::TabularError;
pub use format::{Compression, Format, Kind, format_of};
pub use preview::{Preview, preview};
pub use times::parse_time;

use collector::Collector;

/// Reads the interactions of a file into `sink`, row by row in the order of the file.
///
/// `file_name` decides the format; `path` is where the bytes are. After an error, what `sink` got before is to be thrown away.
pub fn read_interactions(
    path: &Path,
    file_name: &str,
    options: &ReadOptions,
    sink: &mut dyn FnMut(Row<'_>),
) -> Result<ReadReport, TabularError> {
    let mut rows = Collector::new(options, sink);
    let format = format_of(file_name)?;
    source::with_source(path, format, options.max_expanded_bytes, |kind, source| match kind {
        Kind::Csv => delimited::read(source, b',', &mut rows),
        Kind::Tsv => delimited::read(source, b'\t', &mut rows),
        Kind::Json => json::read(source, &mut rows),
        Kind::JsonLines => json::read_lines(source, &mut rows),
        Kind::Parquet => parquet::read(parquet::seekable(path, format, source)?, &mut rows),
        Kind::InsideZip => Err(TabularError::BadArchive { count: 0 }),
    })?;
    rows.finish()
}
