//! Parquet: only the wanted columns are decoded, batch by batch.

mod at_once;
mod columns;
mod decoding;
mod delta_texts;
mod expansion;
mod file;
mod meter;
mod opened;
mod page_header;
mod pages;
mod preview;
mod unpacked;
mod values;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use serde_json::Value;

use super::blocks::{BLOCK_ROWS, RowBlocks};
use super::collector::{Cells, Collector, Row, Tally};
use super::error::TabularError;
use super::findings::IdFindings;
use super::format::{Compression, Format, Kind, format_of};
use super::options::{ReadOptions, locate};
use super::source::{stream_error, with_source};
use super::stop::Stop;
use super::table_rows::{Draft, TableRows, size_of_value};
use super::times::{TimeReading, TimeSample};
use columns::{Times, ids, text};
use decoding::Batches;
use opened::Opened;
pub(super) use preview::{column_names, preview};
use values::value;

const BATCH_ROWS: usize = 8192;

/// Opens a file for random access: the original if it is not packed, otherwise an unnamed unpacked copy.
pub(super) fn seekable(path: &Path, format: Format, source: &mut dyn Read) -> Result<File, TabularError> {
    if format.compression == Compression::Plain {
        return crate::open_regular(path).map_err(TabularError::Io);
    }
    let mut copy = unpacked::unnamed_file(path).map_err(TabularError::Io)?;
    io::copy(source, &mut copy).map_err(stream_error)?;
    copy.seek(SeekFrom::Start(0)).map_err(TabularError::Io)?;
    Ok(copy)
}

/// Writes the unpacked bytes of a file, at most `limit`, if it is Parquet; returns whether it is.
pub fn unpack(path: &Path, file_name: &str, limit: u64, into: &mut File, stop: &Stop) -> Result<bool, TabularError> {
    with_source(path, format_of(file_name)?, (limit, stop), |kind, source| {
        let is_parquet = kind == Kind::Parquet;
        if is_parquet {
            io::copy(source, into).map_err(stream_error)?;
        }
        Ok(is_parquet)
    })
}

/// Reads all rows into the collector.
pub(super) fn read(file: File, rows: &mut Collector<'_>) -> Result<(), TabularError> {
    let file = Opened::new(file, &rows.options.stop)?;
    let columns = file.columns();
    let places = locate(&columns, rows.options.wanted())?;
    let mask = file.roots(places.iter());
    file.refuse_large(&mask, rows.options.max_expanded_bytes)?;
    rows.tally.report.columns = columns;
    rows.times = sample(&file, places.time, rows.options)?;
    let batches = file.batches(mask, BATCH_ROWS, |rows| rows)?;
    offer_batches(batches, &AtomicU64::new(0), rows)
}

/// Reads as [`read`] does, with the rows going to blocks.
pub(super) fn read_in_blocks<B: Clone + Send, P: Fn(&mut B, Row<'_>) + Sync>(
    file: File,
    rows: &mut RowBlocks<'_, B, P>,
) -> Result<Tally, TabularError> {
    let options = rows.options;
    let file = Opened::new(file, &rows.options.stop)?;
    let columns = file.columns();
    let places = locate(&columns, options.wanted())?;
    let mask = file.roots(places.iter());
    file.refuse_large(&mask, options.max_expanded_bytes)?;
    let mut tally = Tally::default();
    tally.report.columns = columns;
    rows.times = sample(&file, places.time, options)?;
    let handed_on = AtomicU64::new(0);
    let mut pieces = pieces(file.metadata());
    let fill = |piece: &mut Piece| Ok(pieces.next().map(|next| *piece = next).is_some());
    rows.read_pieces(&mut tally, fill, |piece, rows| {
        let batches = file.batches(mask.clone(), BATCH_ROWS, |rows| {
            rows.with_row_groups(vec![piece.group]).with_offset(piece.offset).with_limit(BLOCK_ROWS)
        })?;
        offer_batches(batches, &handed_on, rows)
    })?;
    Ok(tally)
}

/// Decides from the first rows how to read the times.
fn sample(file: &Opened, place: Option<usize>, options: &ReadOptions) -> Result<TimeReading, TabularError> {
    let (Some(place), Some(name)) = (place, &options.time_column) else { return Ok(TimeReading::default()) };
    let mut sample = TimeSample::default();
    let mut batches = file.batches(file.roots([place]), BATCH_ROWS, |rows| rows.with_limit(BATCH_ROWS))?;
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

fn pieces(metadata: &ParquetMetaData) -> impl Iterator<Item = Piece> + use<> {
    let rows = |group: &RowGroupMetaData| usize::try_from(group.num_rows()).unwrap_or(0);
    let sizes: Vec<usize> = metadata.row_groups().iter().map(rows).collect();
    let of_group = |(group, rows)| (0..rows).step_by(BLOCK_ROWS).map(move |offset| Piece { group, offset });
    sizes.into_iter().enumerate().flat_map(of_group)
}

/// Passes on all rows; `handed_on` counts their bytes, including those of other pieces of the file.
fn offer_batches(batches: Batches, handed_on: &AtomicU64, rows: &mut Collector<'_>) -> Result<(), TabularError> {
    let limit = rows.options.max_expanded_bytes;
    for batch in batches {
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
    let file = Opened::new(file, &rows.options.stop)?;
    file.refuse_large(&ProjectionMask::all(), rows.options.max_expanded_bytes)?;
    values::refuse_unreadable(file.schema())?;
    let names = file.columns();
    locate_key(&names, rows)?;
    let places = names.iter().map(|name| rows.place(name)).collect::<Result<Vec<_>, _>>()?;
    let key = places.iter().position(Option::is_none);
    let largest = rows.options.max_cell_bytes;
    for batch in file.batches(ProjectionMask::all(), TABLE_BATCH_ROWS, |rows| rows)? {
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
                if let Value::String(digits) = &value
                    && values::is_no_text(column, row)
                {
                    rows.add_bytes(*place, digits);
                }
                rows.add(&mut draft, *place, value, bytes);
            }
            rows.offer(rows.report.rows_total + 1, draft)?;
        }
    }
    Ok(())
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

/// Returns the bytes of the header at the start of a page.
#[cfg(test)]
pub(super) fn length_of_header(page: &[u8]) -> usize {
    page_header::PageHeader::read(page).unwrap().length.try_into().unwrap()
}
