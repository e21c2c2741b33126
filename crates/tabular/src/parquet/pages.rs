//! The pages of a file on their way to the library: none expands to more than its header declares, which is no more than its
//! column chunk has by the footer, unless it is small. The footer's sizes are limited before anything is read. What texts repeat
//! of others is limited too.

use std::collections::HashMap;
use std::io::{self, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};

use super::super::error::TabularError;
use super::at_once::{AtOnce, ValueSize};
use super::corrupt;
use super::decoding::decode;
use super::delta_texts::{self, Levels, Repeated};
use super::expansion::{Packing, expand};
use super::meter::Meter;
use super::page_header::PageHeader;

/// Bytes of a header that are read at once; most headers are smaller.
const HEADER: usize = 256;

/// A page of any column may have this size: some programs do not count dictionaries in the footer.
const SMALL: u64 = 8 << 20;

/// The column chunks of a file, by their place in it.
#[derive(Debug)]
pub(super) struct Chunks(Vec<Chunk>);

#[derive(Debug, Clone)]
struct Chunk {
    /// The name of its column, and the number of that among those of a group of rows.
    column: String,
    number: usize,
    start: u64,
    end: u64,
    /// Bytes of all its pages once expanded.
    expanded: u64,
    packing: Packing,
    levels: Levels,
    value: ValueSize,
    /// Whether the footer says that texts are written as differences.
    has_delta_texts: bool,
}

impl Chunks {
    /// Returns the chunks of a file. Refuses chunks that share bytes, since a page could then count for either.
    pub fn of(metadata: &ParquetMetaData) -> Result<Self, TabularError> {
        let columns = metadata.row_groups().iter().flat_map(|group| group.columns().iter().enumerate());
        let mut chunks = columns.map(|(number, column)| chunk(number, column)).collect::<Result<Vec<_>, _>>()?;
        chunks.retain(|chunk| chunk.start < chunk.end);
        chunks.sort_unstable_by_key(|chunk| chunk.start);
        if chunks.windows(2).any(|pair| pair[0].end > pair[1].start) {
            return Err(corrupt(&"two of its columns lie in one place"));
        }
        Ok(Chunks(chunks))
    }

    /// Returns the metadata for the library: without the codecs of pages that it receives expanded.
    pub fn for_library(&self, metadata: &Arc<ParquetMetaData>) -> Result<Arc<ParquetMetaData>, TabularError> {
        if !self.0.iter().any(|chunk| chunk.packing.is_expanded_here()) {
            return Ok(Arc::clone(metadata));
        }
        let groups = metadata.row_groups().iter();
        let groups = decode(|| groups.cloned().map(without_expanded).collect::<parquet::errors::Result<_>>())?;
        Ok(Arc::new(ParquetMetaData::clone(metadata).into_builder().set_row_groups(groups).build()))
    }

    /// Returns the chunk that contains this offset, with its number.
    fn at(&self, place: u64) -> Option<(usize, &Chunk)> {
        let number = self.0.partition_point(|chunk| chunk.start <= place).checked_sub(1)?;
        self.0.get(number).filter(|chunk| place < chunk.end).map(|chunk| (number, chunk))
    }
}

fn chunk(number: usize, column: &ColumnChunkMetaData) -> Result<Chunk, TabularError> {
    let (start, length) = decode(|| Ok::<_, TabularError>(column.byte_range()))?;
    let description = column.column_descr();
    Ok(Chunk {
        column: column.column_path().parts().first().cloned().unwrap_or_default(),
        number,
        start,
        end: start.saturating_add(length),
        expanded: u64::try_from(column.uncompressed_size()).unwrap_or_default(),
        packing: Packing::of(column),
        levels: Levels { repetitions: description.max_rep_level() > 0, definitions: description.max_def_level() > 0 },
        value: ValueSize::of(description),
        has_delta_texts: column.encodings().any(delta_texts::is_of_texts),
    })
}

fn without_expanded(group: RowGroupMetaData) -> parquet::errors::Result<RowGroupMetaData> {
    let column = |column: &ColumnChunkMetaData| match Packing::of(column).is_expanded_here() {
        true => column.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build(),
        false => Ok(column.clone()),
    };
    let columns = group.columns().iter().map(column).collect::<parquet::errors::Result<_>>()?;
    group.into_builder().set_column_metadata(columns).build()
}

/// A page whose header was read: its offset, and the header.
type Announced = (u64, PageHeader);

/// The pages that one reader of a file reads.
#[derive(Clone)]
pub(super) struct Pages {
    chunks: Arc<Chunks>,
    meter: Option<Arc<Meter>>,
    at_once: AtOnce,
    /// By the number of the chunk and by whether it is a dictionary: the library reads a chunk page after page, but may read its
    /// dictionary later.
    announced: Arc<Mutex<HashMap<(usize, bool), Announced>>>,
    /// By the number of the chunk.
    repeated: Arc<Mutex<HashMap<usize, Repeated>>>,
}

impl Pages {
    /// Returns the pages for one reader.
    pub fn of(chunks: &Arc<Chunks>, meter: Option<&Arc<Meter>>, at_once: &AtOnce) -> Self {
        Pages {
            chunks: Arc::clone(chunks),
            meter: meter.cloned(),
            at_once: at_once.clone(),
            announced: Arc::default(),
            repeated: Arc::default(),
        }
    }

    /// Reads the header at `at` from `source`, and allows or refuses its page.
    pub fn announce(&self, at: u64, source: impl Read) -> io::Result<()> {
        let header = PageHeader::read(BufReader::with_capacity(HEADER, source))?;
        if let Some(meter) = &self.meter {
            meter.allow_page(at, header.expanded)?;
        }
        let (number, chunk) = self.chunks.at(at).ok_or_else(elsewhere)?;
        if header.expanded > chunk.expanded.max(SMALL) {
            let (page, column) = (header.expanded, chunk.expanded);
            return Err(io::Error::other(format!("a page declares {page} bytes, and its whole column {column}")));
        }
        let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        announced.insert((number, header.is_dictionary), (at + header.length, header));
        Ok(())
    }

    /// Returns the page that begins at `start` in the form for the library.
    pub fn expanded(&self, start: u64, page: Bytes) -> io::Result<Bytes> {
        // A page may be empty and end the chunk, but its header is in it.
        let (number, chunk) = start.checked_sub(1).and_then(|end| self.chunks.at(end)).ok_or_else(elsewhere)?;
        let announced = {
            let announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
            [false, true].into_iter().find_map(|dictionary| {
                announced.get(&(number, dictionary)).filter(|(begins, _)| *begins == start).map(|(_, header)| *header)
            })
        };
        let header = announced.ok_or_else(elsewhere)?;
        let page = expand(page, chunk.packing, &header)?;
        let bytes = chunk.packing.bytes_read(&page, &header);
        if header.is_dictionary && !chunk.value.fits(header.values, bytes) {
            let values = header.values;
            return Err(io::Error::other(format!("a dictionary of {bytes} bytes declares {values} values")));
        }
        if !header.is_dictionary && !self.at_once.allow(chunk.number, &chunk.column, chunk.value, header.values) {
            return Err(io::Error::other("its values take too much memory"));
        }
        if delta_texts::are_in(&header) {
            self.count_texts(number, chunk, &header, &page)?;
        }
        Ok(page)
    }

    /// Allows or refuses a page with texts as differences, which expand further when they are read.
    fn count_texts(&self, number: usize, chunk: &Chunk, header: &PageHeader, page: &[u8]) -> io::Result<()> {
        if !chunk.has_delta_texts {
            return Err(io::Error::other("a page is encoded in a way that its column does not name"));
        }
        if chunk.packing == Packing::Lz4 && header.is_packed {
            return Err(io::Error::other("its texts are written as differences in LZ4 of old; write it with another codec"));
        }
        let mut repeated = self.repeated.lock().unwrap_or_else(PoisonError::into_inner);
        repeated.entry(number).or_default().add_page(page, header, chunk.levels)
    }
}

fn elsewhere() -> io::Error {
    io::Error::other("a page lies where there is none")
}
