//! Reading tables of interactions from files: CSV, TSV, JSON, JSON lines and Parquet, plain or compressed.
//!
//! Everything is streamed with bounded memory, for any input. Ids stay exactly as they are written. A row that cannot be used is
//! left out and reported; the rest of the file is imported.

mod blocks;
mod collector;
mod delimited;
mod error;
mod findings;
mod first_rows;
mod format;
mod in_order;
mod json;
mod members;
mod notes;
mod opening;
mod options;
mod parquet;
mod preview;
mod sentences;
mod source;
mod stop;
mod table;
mod table_rows;
#[cfg(test)]
mod tests;
mod text;
mod times;

use std::path::Path;

pub use collector::{MAX_EXAMPLES, ReadReport, Rejected, Row};
pub use error::TabularError;
pub use findings::differ_in_spaces;
pub use first_rows::Preview;
pub use format::{Compression, Format, Kind, format_of};
pub use notes::{ColumnNote, EXAMPLES_OF_NOTE, Guess, NoteKind};
pub use opening::open_regular;
pub use options::ReadOptions;
pub use parquet::unpack as unpack_parquet;
pub use preview::{MAX_PREVIEW_BYTES, column_names, preview, preview_of_start, preview_within};
pub use stop::{Stop, StopOnDrop};
pub use table::{read_named_table, read_table};
pub use table_rows::{Cell as TableCell, TableOptions, TableReport};
pub use times::{ReadTimes, read_times};

use blocks::RowBlocks;
use collector::Collector;
use times::TimeReading;

/// Reads the interactions of a file into `sink`, row by row in the order of the file.
///
/// `file_name` decides the format; `path` is where the bytes are, not a symbolic link to them. After an error, the caller must
/// discard the rows that `sink` received.
pub fn read_interactions(
    path: &Path,
    file_name: &str,
    options: &ReadOptions,
    sink: &mut dyn FnMut(Row<'_>),
) -> Result<ReadReport, TabularError> {
    let mut rows = Collector::new(options, TimeReading::default(), sink);
    let format = format_of(file_name)?;
    source::with_source(path, format, (options.max_expanded_bytes, &options.stop), |kind, source| match kind {
        Kind::Csv => delimited::read(source, b',', &mut rows),
        Kind::Tsv => delimited::read(source, b'\t', &mut rows),
        Kind::Json | Kind::JsonLines => json::read(source, kind, &mut rows),
        Kind::Parquet => parquet::read(parquet::seekable(path, format, source)?, &mut rows),
        Kind::InsideZip => Err(TabularError::BadArchive { count: 0 }),
    })?;
    rows.tally.finish(options, rows.times)
}

/// Reads as [`read_interactions`] does, on several threads: `push` adds the rows to copies of `empty`, on any thread; `take`
/// receives these blocks in the order of the file and must leave each empty, to be filled again.
///
/// Delimited text, JSON lines and Parquet are parsed by `threads` threads, while one more unpacks the file. A few blocks of
/// [`ReadOptions::block_bytes`] for each thread are in memory at a time, for a file of any size.
pub fn read_interactions_in_blocks<B: Clone + Send>(
    path: &Path,
    file_name: &str,
    options: &ReadOptions,
    threads: usize,
    empty: B,
    push: impl Fn(&mut B, Row<'_>) + Sync,
    take: &mut dyn FnMut(&mut B),
) -> Result<ReadReport, TabularError> {
    let mut rows = RowBlocks { options, times: TimeReading::default(), threads, empty, push: &push, take };
    let format = format_of(file_name)?;
    let tally = source::with_source(path, format, (options.max_expanded_bytes, &options.stop), |kind, source| match kind {
        Kind::Csv => delimited::read_in_blocks(source, b',', &mut rows),
        Kind::Tsv => delimited::read_in_blocks(source, b'\t', &mut rows),
        Kind::Json | Kind::JsonLines => json::read_in_blocks(source, kind, &mut rows),
        Kind::Parquet => parquet::read_in_blocks(parquet::seekable(path, format, source)?, &mut rows),
        Kind::InsideZip => Err(TabularError::BadArchive { count: 0 }),
    })?;
    tally.finish(options, rows.times)
}
