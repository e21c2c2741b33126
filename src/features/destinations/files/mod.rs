//! Files of lists: Parquet, JSON Lines or CSV. Blocks of lists are encoded on the threads that compute them, and written in order.

mod columns;
mod joining;
mod lines;

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use parquet::errors::ParquetError;

use self::columns::{ColumnEncoder, ColumnFile, Columns};
use self::lines::LineEncoder;
use crate::ml::artifact::ListBlock;
use crate::ml::error::MlError;
use crate::ml::ids::Ids;
use crate::platform::wire_enum;

pub use self::joining::join;

wire_enum! {
    /// What the lists are for.
    #[schema(as = DestinationLists)]
    #[derive(Default)]
    pub enum ListKind {
        /// The best items for each user.
        #[default]
        Users = "users",
        /// The items related to each item.
        Items = "items",
    }
}

wire_enum! {
    /// The format of a file of lists.
    #[derive(Default)]
    pub enum ListFormat {
        /// Columns: the user or item, the rank from 1, the listed item and its score.
        #[default]
        Parquet = "parquet",
        /// One object for each list.
        Jsonl = "jsonl",
        /// The columns of Parquet, with a header.
        Csv = "csv",
    }
}

impl ListFormat {
    /// Returns the format that the ending of a file name stands for.
    pub fn of_path(path: &Path) -> Option<Self> {
        path.extension()?.to_str()?.to_ascii_lowercase().parse().ok()
    }
}

/// Why lists could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("the file could not be written: {0}")]
    Io(#[from] io::Error),
    #[error("the lists could not be encoded: {0}")]
    Parquet(#[from] ParquetError),
    #[error(transparent)]
    Engine(#[from] MlError),
}

/// The names in a file of lists.
#[derive(Debug, Clone, Copy)]
pub struct Naming<'a> {
    pub kind: ListKind,
    /// The users or items that lists are for.
    pub subjects: &'a Ids,
    /// The items of the lists.
    pub items: &'a Ids,
}

impl Naming<'_> {
    /// Returns the names of the columns of ids: of the one that a list is for, and of the listed item.
    fn columns(&self) -> [&'static str; 2] {
        let [subject, _, item, _] = list_columns(self.kind);
        [subject, item]
    }
}

/// Returns the columns of the rows of lists.
pub fn list_columns(kind: ListKind) -> [&'static str; 4] {
    match kind {
        ListKind::Users => ["user_id", "rank", "item_id", "score"],
        ListKind::Items => ["item_id", "rank", "related_item_id", "score"],
    }
}

/// The number of lists, and that of their entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Entries {
    pub lists: u64,
    pub rows: u64,
}

impl Entries {
    fn of(block: &ListBlock<'_>) -> Self {
        Self { lists: block.lists.len() as u64, rows: block.lists.iter().map(|list| list.len() as u64).sum() }
    }
}

/// A block of lists as it is written.
pub struct Encoded {
    pub entries: Entries,
    bytes: Bytes,
}

enum Bytes {
    Lines(Vec<u8>),
    Columns(Columns),
}

/// Encodes blocks of lists, on any thread.
pub struct ListEncoder<'a>(Encoder<'a>);

enum Encoder<'a> {
    Lines(LineEncoder<'a>),
    Columns(ColumnEncoder<'a>),
}

impl ListEncoder<'_> {
    /// Encodes a block.
    pub fn encode(&self, block: &ListBlock<'_>) -> Result<Encoded, WriteError> {
        let bytes = match &self.0 {
            Encoder::Lines(lines) => Bytes::Lines(lines.encode(block)?),
            Encoder::Columns(columns) => Bytes::Columns(columns.encode(block)?),
        };
        Ok(Encoded { entries: Entries::of(block), bytes })
    }
}

/// What was written to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    pub entries: Entries,
    pub bytes: u64,
}

/// A file of lists that is being written.
pub struct ListFile<W: Write + Send> {
    entries: Entries,
    out: Out<W>,
}

enum Out<W: Write + Send> {
    Lines { out: io::BufWriter<W>, bytes: u64 },
    Columns(Box<ColumnFile<W>>),
}

impl<W: Write + Send> ListFile<W> {
    /// Starts a file, and returns it with the encoder of its blocks. A file of CSV has a header `with_header` only.
    pub fn create<'a>(
        format: ListFormat,
        naming: Naming<'a>,
        with_header: bool,
        file: W,
    ) -> Result<(ListEncoder<'a>, Self), WriteError> {
        let (encoder, out) = match format {
            ListFormat::Parquet => {
                let (encoder, file) = columns::create(naming, file)?;
                (Encoder::Columns(encoder), Out::Columns(Box::new(file)))
            }
            ListFormat::Jsonl | ListFormat::Csv => {
                let encoder = LineEncoder::new(format, naming);
                let header = if with_header { encoder.header() } else { Vec::new() };
                let mut out = io::BufWriter::with_capacity(1 << 20, file);
                out.write_all(&header)?;
                (Encoder::Lines(encoder), Out::Lines { out, bytes: header.len() as u64 })
            }
        };
        Ok((ListEncoder(encoder), Self { entries: Entries::default(), out }))
    }

    /// Writes a block.
    pub fn write(&mut self, block: Encoded) -> Result<(), WriteError> {
        match (&mut self.out, block.bytes) {
            (Out::Lines { out, bytes }, Bytes::Lines(lines)) => {
                out.write_all(&lines)?;
                *bytes += lines.len() as u64;
            }
            (Out::Columns(file), Bytes::Columns(columns)) => file.write(columns)?,
            _ => return Err(io::Error::from(io::ErrorKind::InvalidInput).into()),
        }
        self.entries.lists += block.entries.lists;
        self.entries.rows += block.entries.rows;
        Ok(())
    }

    /// Completes the file.
    pub fn finish(self) -> Result<Written, WriteError> {
        let bytes = match self.out {
            Out::Lines { mut out, bytes } => {
                out.flush()?;
                bytes
            }
            Out::Columns(file) => file.finish()?,
        };
        Ok(Written { entries: self.entries, bytes })
    }
}

/// Returns ids as texts in the memory of Arrow.
fn texts<'a>(ids: impl Iterator<Item = &'a str>) -> Arc<arrow_array::StringArray> {
    Arc::new(arrow_array::StringArray::from_iter_values(ids))
}

#[cfg(test)]
mod tests;
