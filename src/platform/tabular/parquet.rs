//! Parquet: only the wanted columns are decoded, batch by batch.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch, StringViewArray};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, Length};
use serde_json::Value;

use super::blocks::{BLOCK_ROWS, RowBlocks};
use super::collector::{Cells, Collector, Row, Tally, TimeCell, locate};
use super::error::TabularError;
use super::format::{Compression, Format};
use super::preview::Preview;
use super::source::stream_error;
use super::table::{Draft, TableRows};

const BATCH_ROWS: usize = 8192;

/// A file that can be read from any place: the original when it is plain, an unnamed copy when it had to be unpacked.
pub(super) fn seekable(path: &Path, format: Format, source: &mut dyn Read) -> Result<File, TabularError> {
    if format.compression == Compression::Plain {
        return File::open(path).map_err(TabularError::Io);
    }
    let mut copy = unnamed_file().map_err(TabularError::Io)?;
    io::copy(source, &mut copy).map_err(stream_error)?;
    copy.seek(SeekFrom::Start(0)).map_err(TabularError::Io)?;
    Ok(copy)
}

/// A file without a name, gone when it is closed.
fn unnamed_file() -> io::Result<File> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("recotem-unpacked-{}-{number}", std::process::id()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// Reads all rows into the collector.
pub(super) fn read(file: File, rows: &mut Collector<'_>) -> Result<(), TabularError> {
    let metadata = open(&file)?;
    let columns = names(&metadata);
    let places = locate(&columns, rows.options.wanted())?;
    let mask = ProjectionMask::roots(metadata.parquet_schema(), places.iter());
    refuse_large(&metadata, &mask, rows.options.max_expanded_bytes)?;
    rows.tally.report.columns = columns;
    let reader = reader(builder(file, metadata, mask), BATCH_ROWS)?;
    offer_batches(reader, &AtomicU64::new(0), rows)
}

/// As [`read`], with the rows going to blocks.
pub(super) fn read_in_blocks<B: Clone + Send, P: Fn(&mut B, Row<'_>) + Sync>(
    file: File,
    rows: &mut RowBlocks<'_, B, P>,
) -> Result<Tally, TabularError> {
    let options = rows.options;
    let metadata = open(&file)?;
    let columns = names(&metadata);
    let places = locate(&columns, options.wanted())?;
    let mask = ProjectionMask::roots(metadata.parquet_schema(), places.iter());
    refuse_large(&metadata, &mask, options.max_expanded_bytes)?;
    let mut tally = Tally::default();
    tally.report.columns = columns;
    let file = SharedFile::new(file)?;
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

/// Hands on all rows; `handed_on` counts their bytes, together with those of other pieces of the file.
fn offer_batches(reader: ParquetRecordBatchReader, handed_on: &AtomicU64, rows: &mut Collector<'_>) -> Result<(), TabularError> {
    let limit = rows.options.max_expanded_bytes;
    for batch in reader {
        let bytes = offer_batch(&batch.map_err(|e| corrupt(&e))?, rows)?;
        if handed_on.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > limit {
            return Err(TabularError::TooLarge { limit });
        }
    }
    rows.tally.lines = rows.tally.report.rows_total;
    Ok(())
}

/// A file that several threads read at once, each from its own place.
#[derive(Clone)]
struct SharedFile {
    file: Arc<File>,
    length: u64,
}

impl SharedFile {
    fn new(file: File) -> Result<Self, TabularError> {
        let length = file.metadata().map_err(TabularError::Io)?.len();
        Ok(SharedFile { file: Arc::new(file), length })
    }
}

impl Length for SharedFile {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for SharedFile {
    type T = BufReader<FileFrom>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(BufReader::new(FileFrom { file: Arc::clone(&self.file), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        // The length comes from the file, so nothing is allocated for bytes that are not there.
        let mut bytes = Vec::new();
        FileFrom { file: Arc::clone(&self.file), at: start }.take(length as u64).read_to_end(&mut bytes)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} reach beyond the end")));
        }
        Ok(bytes.into())
    }
}

/// The bytes of a file from some place on.
struct FileFrom {
    file: Arc<File>,
    at: u64,
}

impl Read for FileFrom {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(out, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// The first rows with all columns.
pub(super) fn preview(file: File, n_rows: usize) -> Result<Preview, TabularError> {
    let metadata = open(&file)?;
    let columns = names(&metadata);
    let reader = reader(builder(file, metadata, ProjectionMask::all()), n_rows.clamp(1, BATCH_ROWS))?;
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|e| corrupt(&e))?;
        for row in 0..batch.num_rows() {
            if rows.len() == n_rows {
                return Ok(Preview { columns, rows, more: true });
            }
            rows.push(batch.columns().iter().map(|column| value(column, row)).collect());
        }
    }
    Ok(Preview { columns, rows, more: false })
}

/// Rows decoded at a time where all columns are wanted.
const TABLE_BATCH_ROWS: usize = 1024;

/// Reads whole rows.
pub(super) fn read_table(file: File, rows: &mut TableRows<'_>) -> Result<(), TabularError> {
    let metadata = open(&file)?;
    refuse_large(&metadata, &ProjectionMask::all(), rows.options.max_expanded_bytes)?;
    let places = names(&metadata).iter().map(|name| rows.place(name)).collect::<Result<Vec<_>, _>>()?;
    let key = places.iter().position(Option::is_none);
    for batch in reader(builder(file, metadata, ProjectionMask::all()), TABLE_BATCH_ROWS)? {
        let batch = batch.map_err(|e| corrupt(&e))?;
        let keys = key.map(|key| texts(batch.column(key))).transpose()?;
        for row in 0..batch.num_rows() {
            let mut draft = Draft::default();
            draft.key = keys.as_ref().and_then(|keys| text(keys, row)).map(<[u8]>::to_vec);
            for (column, place) in batch.columns().iter().zip(&places) {
                let Some(place) = place else { continue };
                let value = value(column, row);
                let bytes = value.as_str().map_or(0, str::len);
                rows.add(&mut draft, *place, value, bytes);
            }
            rows.offer(rows.report.rows_total + 1, draft)?;
        }
    }
    Ok(())
}

fn open(file: &File) -> Result<ArrowReaderMetadata, TabularError> {
    let metadata = ArrowReaderMetadata::load(file, ArrowReaderOptions::new()).map_err(|e| corrupt(&e))?;
    // Text as views into the pages: a page of few long texts that are repeated often then stays as small as it is.
    let fields: Vec<Arc<Field>> = metadata.schema().fields().iter().map(as_view).collect();
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata.schema().metadata().clone()));
    let options = ArrowReaderOptions::new().with_schema(schema);
    Ok(ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options).unwrap_or(metadata))
}

fn as_view(field: &Arc<Field>) -> Arc<Field> {
    let text = |kind: &DataType| matches!(kind, DataType::Utf8 | DataType::LargeUtf8);
    let is_text = match field.data_type() {
        DataType::Dictionary(_, of) => text(of),
        kind => text(kind),
    };
    if is_text { Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)) } else { Arc::clone(field) }
}

fn names(metadata: &ArrowReaderMetadata) -> Vec<String> {
    metadata.schema().fields().iter().map(|field| field.name().clone()).collect()
}

fn builder<F: ChunkReader + 'static>(
    file: F,
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
) -> ParquetRecordBatchReaderBuilder<F> {
    ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata).with_projection(mask)
}

fn reader<F: ChunkReader + 'static>(
    builder: ParquetRecordBatchReaderBuilder<F>,
    batch_rows: usize,
) -> Result<ParquetRecordBatchReader, TabularError> {
    builder.with_batch_size(batch_rows).build().map_err(|e| corrupt(&e))
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

/// Hands on the rows of a batch; how many bytes they had.
fn offer_batch(batch: &RecordBatch, rows: &mut Collector<'_>) -> Result<u64, TabularError> {
    let column = |name: &str| batch.column_by_name(name).ok_or_else(|| corrupt(&format!("column {name:?} is gone")));
    let users = texts(column(&rows.options.user_column)?)?;
    let items = texts(column(&rows.options.item_column)?)?;
    let times = rows.options.time_column.as_ref().map(|name| Times::of(column(name)?)).transpose()?;
    let events = rows.options.event_column.as_ref().map(|name| texts(column(name)?)).transpose()?;
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

fn texts(column: &ArrayRef) -> Result<StringViewArray, TabularError> {
    let through_text = || cast(&cast(column, &DataType::Utf8)?, &DataType::Utf8View);
    let column = cast(column, &DataType::Utf8View).or_else(|_| through_text())?;
    Ok(column.as_string_view().clone())
}

fn text(column: &StringViewArray, row: usize) -> Option<&[u8]> {
    column.is_valid(row).then(|| column.value(row).as_bytes())
}

/// A time column in the form that keeps most of it.
enum Times {
    Micros(ArrayRef),
    Integers(ArrayRef),
    Floats(ArrayRef),
    Texts(StringViewArray),
}

impl Times {
    fn of(column: &ArrayRef) -> Result<Self, TabularError> {
        use DataType as T;
        Ok(match column.data_type() {
            // The zone stays: it only says how to show the moment, which is counted in UTC.
            T::Timestamp(_, zone) => Times::Micros(cast(column, &T::Timestamp(TimeUnit::Microsecond, zone.clone()))?),
            T::Date32 | T::Date64 => Times::Micros(cast(column, &T::Timestamp(TimeUnit::Microsecond, None))?),
            kind if kind.is_integer() => Times::Integers(cast(column, &T::Int64)?),
            kind if kind.is_floating() || kind.is_decimal() => Times::Floats(cast(column, &T::Float64)?),
            _ => Times::Texts(texts(column)?),
        })
    }

    fn get(&self, row: usize) -> Option<TimeCell<'_>> {
        match self {
            Times::Micros(a) => {
                a.is_valid(row).then(|| TimeCell::Micros(a.as_primitive::<TimestampMicrosecondType>().value(row)))
            }
            Times::Integers(a) => a.is_valid(row).then(|| TimeCell::Integer(a.as_primitive::<Int64Type>().value(row))),
            Times::Floats(a) => a.is_valid(row).then(|| TimeCell::Float(a.as_primitive::<Float64Type>().value(row))),
            Times::Texts(a) => text(a, row).map(TimeCell::Text),
        }
    }
}

fn cast(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, TabularError> {
    if column.data_type() == to {
        return Ok(Arc::clone(column));
    }
    arrow_cast::cast(column, to).map_err(|e| corrupt(&e))
}

/// A value as JSON: numbers and booleans as such, everything else as text.
fn value(column: &ArrayRef, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    let Ok(shown) = ArrayFormatter::try_new(column, &FormatOptions::default()) else { return Value::Null };
    let shown = shown.value(row).to_string();
    let kind = column.data_type();
    if kind.is_floating() {
        // What is no number (NaN, infinity) is no value: JSON has no way to write it.
        serde_json::from_str(&shown).unwrap_or(Value::Null)
    } else if kind.is_numeric() || *kind == DataType::Boolean {
        serde_json::from_str(&shown).unwrap_or(Value::String(shown))
    } else {
        Value::String(shown)
    }
}

fn corrupt(reason: &dyn std::fmt::Display) -> TabularError {
    TabularError::Corrupt { what: "Parquet", reason: reason.to_string() }
}
