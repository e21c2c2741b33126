//! Parquet: only the wanted columns are decoded, batch by batch.

mod columns;
mod decoding;
mod file;
mod meter;
mod preview;
mod unpacked;
mod values;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::RowGroupMetaData;
use serde_json::Value;

use super::blocks::{BLOCK_ROWS, RowBlocks};
use super::collector::{Cells, Collector, ReadOptions, Row, Tally, locate};
use super::error::TabularError;
use super::findings::IdFindings;
use super::format::{Compression, Format};
use super::source::stream_error;
use super::table::{Draft, TableRows, size_of_value};
use super::times::{TimeReading, TimeSample};
use columns::{Times, ids, text};
use decoding::{Batches, decode};
use file::SharedFile;
pub(super) use preview::{column_names, preview};
use values::value;

const BATCH_ROWS: usize = 8192;

/// Opens a file that can be read from any place: the original when it is plain, an unnamed copy when it had to be unpacked.
pub(super) fn seekable(path: &Path, format: Format, source: &mut dyn Read) -> Result<File, TabularError> {
    if format.compression == Compression::Plain {
        return File::open(path).map_err(TabularError::Io);
    }
    let mut copy = unpacked::unnamed_file(path).map_err(TabularError::Io)?;
    io::copy(source, &mut copy).map_err(stream_error)?;
    copy.seek(SeekFrom::Start(0)).map_err(TabularError::Io)?;
    Ok(copy)
}

/// Reads all rows into the collector.
pub(super) fn read(file: File, rows: &mut Collector<'_>) -> Result<(), TabularError> {
    let file = SharedFile::new(file)?;
    let metadata = open(&file)?;
    let columns = names(&metadata);
    let places = locate(&columns, rows.options.wanted())?;
    let mask = ProjectionMask::roots(metadata.parquet_schema(), places.iter());
    refuse_large(&metadata, &mask, rows.options.max_expanded_bytes)?;
    rows.tally.report.columns = columns;
    rows.times = sample(&file, &metadata, places.time, rows.options)?;
    let reader = reader(builder(file, metadata, mask), BATCH_ROWS)?;
    offer_batches(reader, &AtomicU64::new(0), rows)
}

/// Reads as [`read`] does, with the rows going to blocks.
pub(super) fn read_in_blocks<B: Clone + Send, P: Fn(&mut B, Row<'_>) + Sync>(
    file: File,
    rows: &mut RowBlocks<'_, B, P>,
) -> Result<Tally, TabularError> {
    let options = rows.options;
    let file = SharedFile::new(file)?;
    let metadata = open(&file)?;
    let columns = names(&metadata);
    let places = locate(&columns, options.wanted())?;
    let mask = ProjectionMask::roots(metadata.parquet_schema(), places.iter());
    refuse_large(&metadata, &mask, options.max_expanded_bytes)?;
    let mut tally = Tally::default();
    tally.report.columns = columns;
    rows.times = sample(&file, &metadata, places.time, options)?;
    let handed_on = AtomicU64::new(0);
    let mut pieces = pieces(&metadata);
    let fill = |piece: &mut Piece| Ok(pieces.next().map(|next| *piece = next).is_some());
    rows.read_pieces(&mut tally, fill, |piece, rows| {
        let builder = builder(file.clone(), metadata.clone(), mask.clone())
            .with_row_groups(vec![piece.group])
            .with_offset(piece.offset)
            .with_limit(BLOCK_ROWS);
        offer_batches(reader(builder, BATCH_ROWS)?, &handed_on, rows)
    })?;
    Ok(tally)
}

/// Decides from the first rows how the times are to be read.
fn sample(
    file: &SharedFile,
    metadata: &ArrowReaderMetadata,
    place: Option<usize>,
    options: &ReadOptions,
) -> Result<TimeReading, TabularError> {
    let (Some(place), Some(name)) = (place, &options.time_column) else { return Ok(TimeReading::default()) };
    let mask = ProjectionMask::roots(metadata.parquet_schema(), [place]);
    let mut sample = TimeSample::default();
    let mut batches = reader(builder(file.clone(), metadata.clone(), mask).with_limit(BATCH_ROWS), BATCH_ROWS)?;
    if let Some(batch) = batches.next() {
        let times = Times::of(name, batch?.column(0))?;
        (0..times.len()).filter_map(|row| times.get(row)).for_each(|time| sample.add(time));
    }
    Ok(sample.decide())
}

/// At most [`BLOCK_ROWS`] rows of a group.
#[derive(Debug, Clone, Copy, Default)]
struct Piece {
    group: usize,
    /// Rows of the group before it.
    offset: usize,
}

fn pieces(metadata: &ArrowReaderMetadata) -> impl Iterator<Item = Piece> + use<> {
    let rows = |group: &RowGroupMetaData| usize::try_from(group.num_rows()).unwrap_or(0);
    let sizes: Vec<usize> = metadata.metadata().row_groups().iter().map(rows).collect();
    let of_group = |(group, rows)| (0..rows).step_by(BLOCK_ROWS).map(move |offset| Piece { group, offset });
    sizes.into_iter().enumerate().flat_map(of_group)
}

/// Passes on all rows; `handed_on` counts their bytes, including those of other pieces of the file.
fn offer_batches(reader: Batches, handed_on: &AtomicU64, rows: &mut Collector<'_>) -> Result<(), TabularError> {
    let limit = rows.options.max_expanded_bytes;
    for batch in reader {
        let bytes = offer_batch(&batch?, rows)?;
        if handed_on.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > limit {
            return Err(TabularError::TooLarge { limit });
        }
    }
    rows.tally.lines = rows.tally.report.rows_total;
    Ok(())
}

/// Rows decoded at a time when all columns are wanted.
const TABLE_BATCH_ROWS: usize = 1024;

/// Refuses a table with several columns of keys.
fn locate_key(names: &[String], rows: &TableRows<'_>) -> Result<(), TabularError> {
    let column = &rows.options.key_column;
    match names.iter().filter(|name| *name == column).count() {
        0 | 1 => Ok(()),
        _ => Err(TabularError::RepeatedColumn { column: column.clone() }),
    }
}

/// Reads whole rows.
pub(super) fn read_table(file: File, rows: &mut TableRows<'_>) -> Result<(), TabularError> {
    let file = SharedFile::new(file)?;
    let metadata = open(&file)?;
    refuse_large(&metadata, &ProjectionMask::all(), rows.options.max_expanded_bytes)?;
    values::refuse_unreadable(metadata.schema())?;
    let names = names(&metadata);
    locate_key(&names, rows)?;
    let places = names.iter().map(|name| rows.place(name)).collect::<Result<Vec<_>, _>>()?;
    let key = places.iter().position(Option::is_none);
    let largest = rows.options.max_cell_bytes;
    for batch in reader(builder(file, metadata, ProjectionMask::all()), TABLE_BATCH_ROWS)? {
        let batch = batch?;
        let keys = key.map(|key| ids(&names[key], batch.column(key), &mut rows.keys)).transpose()?;
        for row in 0..batch.num_rows() {
            let mut draft = Draft::default();
            draft.key = keys.as_ref().and_then(|keys| text(keys, row)).map(<[u8]>::to_vec);
            for (column, place) in batch.columns().iter().zip(&places) {
                let Some(place) = place else { continue };
                // A list may refer to one long text very often, so its size is bounded before it is built.
                let mut room = values::room_for(largest);
                let (value, bytes) = match value(column, row, &mut room) {
                    None => (Value::Null, largest.saturating_add(1)),
                    Some(value) => {
                        let bytes = match &value {
                            Value::Array(_) => usize::try_from(size_of_value(&value)).unwrap_or(usize::MAX),
                            value => value.as_str().map_or(0, str::len),
                        };
                        (value, bytes)
                    }
                };
                rows.add(&mut draft, *place, value, bytes);
            }
            rows.offer(rows.report.rows_total + 1, draft)?;
        }
    }
    Ok(())
}

fn open(file: &SharedFile) -> Result<ArrowReaderMetadata, TabularError> {
    let metadata = decode(|| ArrowReaderMetadata::load(file, ArrowReaderOptions::new()))?;
    // Text as views into the pages: a page of few long texts that are repeated often then stays small.
    let fields: Vec<Arc<Field>> = metadata.schema().fields().iter().map(as_view).collect();
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata.schema().metadata().clone()));
    let options = ArrowReaderOptions::new().with_schema(schema);
    Ok(decode(|| ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options)).unwrap_or(metadata))
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
        DataType::List(of) => Some(DataType::List(as_view(of))),
        DataType::LargeList(of) => Some(DataType::LargeList(as_view(of))),
        _ => None,
    }
}

fn names(metadata: &ArrowReaderMetadata) -> Vec<String> {
    metadata.schema().fields().iter().map(|field| field.name().clone()).collect()
}

fn builder(file: SharedFile, metadata: ArrowReaderMetadata, mask: ProjectionMask) -> ParquetRecordBatchReaderBuilder<SharedFile> {
    ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata).with_projection(mask)
}

fn reader(builder: ParquetRecordBatchReaderBuilder<SharedFile>, batch_rows: usize) -> Result<Batches, TabularError> {
    decode(|| builder.with_batch_size(batch_rows).build()).map(Batches::of)
}

fn refuse_large(metadata: &ArrowReaderMetadata, mask: &ProjectionMask, limit: u64) -> Result<(), TabularError> {
    let groups = metadata.metadata().row_groups();
    let columns = groups.iter().flat_map(|group| group.columns().iter().enumerate());
    let bytes = columns
        .filter(|(leaf, _)| mask.leaf_included(*leaf))
        .map(|(_, column)| u64::try_from(column.uncompressed_size()).unwrap_or(u64::MAX))
        .fold(0u64, u64::saturating_add);
    if bytes > limit { Err(TabularError::TooLarge { limit }) } else { Ok(()) }
}

/// Passes on the rows of a batch, and returns their bytes.
fn offer_batch(batch: &RecordBatch, rows: &mut Collector<'_>) -> Result<u64, TabularError> {
    let column = |name: &str| batch.column_by_name(name).ok_or_else(|| corrupt(&format!("column {name:?} is gone")));
    let options = rows.options;
    let users = ids(&options.user_column, column(&options.user_column)?, &mut rows.tally.users)?;
    let items = ids(&options.item_column, column(&options.item_column)?, &mut rows.tally.items)?;
    let times = options.time_column.as_ref().map(|name| Times::of(name, column(name)?)).transpose()?;
    let uncounted = &mut IdFindings::default();
    let events = options.event_column.as_ref().map(|name| ids(name, column(name)?, uncounted)).transpose()?;
    let mut bytes = 0;
    for row in 0..batch.num_rows() {
        let (user, item) = (text(&users, row), text(&items, row));
        let time = times.as_ref().and_then(|times| times.get(row));
        let event = events.as_ref().and_then(|events| text(events, row));
        let number = rows.tally.report.rows_total + 1;
        bytes += [user, item, event].iter().flatten().map(|text| text.len() as u64).sum::<u64>();
        rows.offer(number, Cells { user, item, time, event }, || {
            let shown = |cell: Option<&[u8]>| cell.map_or("null".into(), |b| format!("{:?}", String::from_utf8_lossy(b)));
            format!("{}, {}", shown(user), shown(item))
        });
    }
    Ok(bytes)
}

fn corrupt(reason: &dyn std::fmt::Display) -> TabularError {
    TabularError::Corrupt { what: "Parquet", reason: reason.to_string() }
}
