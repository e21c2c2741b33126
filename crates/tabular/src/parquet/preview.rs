//! The first rows of a Parquet file, within a bound of memory.

use std::fs::File;
use std::sync::Arc;

use arrow_array::RecordBatch;
use parquet::arrow::ProjectionMask;
use serde_json::Value;

use super::super::error::TabularError;
use super::super::first_rows::Preview;
use super::super::stop::Stop;
use super::BATCH_ROWS;
use super::meter::Meter;
use super::opened::Opened;
use super::values::value;

/// Returns the names of the columns without decoding any.
pub(in super::super) fn column_names(file: File, stop: &Stop) -> Result<Vec<String>, TabularError> {
    Ok(Opened::new(file, stop)?.columns())
}

/// Reads the first rows with all columns: half of `limit` is for the pages, half for the values.
pub(in super::super) fn preview(file: File, n_rows: usize, limit: u64, stop: &Stop) -> Result<Preview, TabularError> {
    let half = limit / 2;
    let file = Opened::new(file, stop)?;
    let meter = Arc::new(Meter::new(half, Arc::clone(file.metadata())));
    first_rows(&file.metered(&meter, half), n_rows, half).map_err(|error| meter.refusal().unwrap_or(error))
}

fn first_rows(file: &Opened, n_rows: usize, limit: u64) -> Result<Preview, TabularError> {
    let columns = file.columns();
    let in_file = usize::try_from(file.metadata().file_metadata().num_rows()).unwrap_or_default();
    let mut room = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut rows: Vec<Vec<Value>> = Vec::new();
    // A batch holds as many rows as are shown, so that no page after them is read.
    for batch in file.batches(ProjectionMask::all(), n_rows.clamp(1, BATCH_ROWS), |rows| rows)? {
        let batch = batch?;
        for row in 0..batch.num_rows().min(n_rows.saturating_sub(rows.len())) {
            rows.push(values_of(&batch, row, &columns, &mut room, limit)?);
        }
        if rows.len() >= n_rows {
            break;
        }
    }
    let more = in_file > rows.len();
    Ok(Preview { columns, rows, more, first_skipped: None })
}

/// Returns the values of a row. They may be much larger than the pages, which hold a repeated text once.
fn values_of(
    batch: &RecordBatch,
    row: usize,
    columns: &[String],
    room: &mut usize,
    limit: u64,
) -> Result<Vec<Value>, TabularError> {
    let mut values = Vec::with_capacity(batch.num_columns());
    for (column, name) in batch.columns().iter().zip(columns) {
        let value = value(column, row, room);
        values.push(value.ok_or_else(|| TabularError::PreviewTooLarge { column: name.clone(), bytes: limit, limit })?);
    }
    Ok(values)
}
