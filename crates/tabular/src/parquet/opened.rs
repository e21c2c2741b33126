//! A Parquet file whose footer has been read, and the readers of its rows.

use std::fs::File;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::ParquetMetaData;

use super::super::collector::MAX_COLUMNS;
use super::super::error::TabularError;
use super::super::stop::Stop;
use super::at_once::{self, AtOnce};
use super::decoding::{Batches, decode};
use super::file::SharedFile;
use super::meter::Meter;
use super::pages::{Chunks, Pages};

type Builder = ParquetRecordBatchReaderBuilder<SharedFile>;

/// A file whose footer has been read.
pub(super) struct Opened {
    file: SharedFile,
    metadata: ArrowReaderMetadata,
    chunks: Arc<Chunks>,
    meter: Option<Arc<Meter>>,
    /// Most bytes that the values of a batch may take.
    most_at_once: u64,
    stop: Stop,
}

impl Opened {
    /// Reads the footer of a file. Its rows are read until `stop`.
    pub fn new(file: File, stop: &Stop) -> Result<Self, TabularError> {
        stop.check()?;
        let file = SharedFile::new(file)?;
        let read = decode(|| ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()))?;
        if read.schema().fields().len() > MAX_COLUMNS {
            return Err(TabularError::TooMany { what: "columns", limit: MAX_COLUMNS as u64 });
        }
        let chunks = Chunks::of(read.metadata())?;
        let metadata = with_views(chunks.for_library(read.metadata())?, read.schema())?;
        Ok(Opened { file, metadata, chunks: Arc::new(chunks), meter: None, most_at_once: at_once::LIMIT, stop: stop.clone() })
    }

    /// Returns the same file, with a meter that allows or refuses each page of it, and with another limit for the values of a batch.
    pub fn metered(self, meter: &Arc<Meter>, most_at_once: u64) -> Self {
        Opened { meter: Some(Arc::clone(meter)), most_at_once, ..self }
    }

    pub fn metadata(&self) -> &Arc<ParquetMetaData> {
        self.metadata.metadata()
    }

    pub fn schema(&self) -> &Schema {
        self.metadata.schema()
    }

    /// Returns the names of the columns.
    pub fn columns(&self) -> Vec<String> {
        self.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// Returns the columns in these places.
    pub fn roots(&self, places: impl IntoIterator<Item = usize>) -> ProjectionMask {
        ProjectionMask::roots(self.metadata.parquet_schema(), places)
    }

    /// Refuses columns that expand to more than `limit` by the footer.
    pub fn refuse_large(&self, mask: &ProjectionMask, limit: u64) -> Result<(), TabularError> {
        let groups = self.metadata().row_groups();
        let columns = groups.iter().flat_map(|group| group.columns().iter().enumerate());
        let bytes = columns
            .filter(|(leaf, _)| mask.leaf_included(*leaf))
            .map(|(_, column)| u64::try_from(column.uncompressed_size()).unwrap_or(u64::MAX))
            .fold(0u64, u64::saturating_add);
        if bytes > limit { Err(TabularError::TooLarge { limit }) } else { Ok(()) }
    }

    /// Returns the rows of these columns in batches, after `choose` has chosen among the rows.
    pub fn batches(
        &self,
        mask: ProjectionMask,
        batch_rows: usize,
        choose: impl FnOnce(Builder) -> Builder,
    ) -> Result<Batches, TabularError> {
        let at_once = AtOnce::new(batch_rows, self.most_at_once);
        let file = self.file.by_pages(Pages::of(&self.chunks, self.meter.as_ref(), &at_once));
        let builder = Builder::new_with_metadata(file, self.metadata.clone()).with_projection(mask).with_batch_size(batch_rows);
        Ok(Batches::of(decode(|| choose(builder).build())?, at_once, &self.stop))
    }
}

/// Returns the metadata with text as views into the pages: a page of few long texts that are repeated often then stays small. If
/// the types that the writer noted beside those of Parquet do not fit that, they are ignored.
fn with_views(metadata: Arc<ParquetMetaData>, schema: &Schema) -> Result<ArrowReaderMetadata, TabularError> {
    let fields: Vec<Arc<Field>> = schema.fields().iter().map(as_view).collect();
    let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())));
    decode(|| ArrowReaderMetadata::try_new(Arc::clone(&metadata), options))
        .or_else(|_| decode(|| ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new().with_skip_arrow_metadata(true))))
}

fn as_view(field: &Arc<Field>) -> Arc<Field> {
    match view_of(field.data_type()) {
        Some(kind) => Arc::new(field.as_ref().clone().with_data_type(kind)),
        None => Arc::clone(field),
    }
}

/// Returns the type whose values are views, if there is one.
fn view_of(kind: &DataType) -> Option<DataType> {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 => Some(DataType::Utf8View),
        DataType::Binary | DataType::LargeBinary => Some(DataType::BinaryView),
        DataType::Dictionary(_, of) => view_of(of),
        // A missing list of fixed size takes the memory of a full one, and its size may be any.
        DataType::List(of) | DataType::FixedSizeList(of, _) => Some(DataType::List(as_view(of))),
        DataType::LargeList(of) => Some(DataType::LargeList(as_view(of))),
        _ => None,
    }
}
