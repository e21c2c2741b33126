//! Converts an uploaded file to its prepared form, and reports on its content. Blocks.

use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::columns::ColumnReport;
use super::lookup::{Builder, Built};
use super::model::Subject;
use crate::features::datasets::{DataError, EXAMPLES_IN_REPORT, LARGEST_RATIO, ask_for, largest_honest, no_row_kept};
use crate::platform::blobs::{Blobs, Incoming};
use crate::platform::memory::Promise;
use crate::platform::tabular::{self, ColumnNote, NoteKind, Rejected, Stop, TableOptions, TableReport, TabularError};

/// Metadata is wide rather than long; a table with more columns is not a table of items or users.
pub const MOST_COLUMNS: usize = 1_000;
pub const MOST_ROWS: u64 = 10_000_000;
/// Characters of the name of a column.
pub const LONGEST_COLUMN_NAME: usize = 256;
const LARGEST_CELL: usize = 256 << 10;

/// The largest number of decompressed bytes, regardless of the limit for interactions.
const MOST_EXPANDED: u64 = 2 << 30;

/// The result of preparing an upload.
#[derive(Debug)]
pub struct Prepared {
    pub file: Incoming,
    pub columns: Vec<String>,
    pub report: MetaDataReport,
}

/// The limits in the settings.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The largest number of decompressed bytes.
    pub largest_expanded: u64,
    /// The largest table in memory, in bytes.
    pub largest_table: u64,
}

/// Rows after which memory is reserved again.
const ROWS_AT_ONCE: u64 = 1 << 16;

/// Memory that is reserved in advance.
const BYTES_AT_ONCE: u64 = 16 << 20;

/// Checks from the start of a file that it has the format of its name and a column of ids. Returns the others that its start shows:
/// all, or those of its first record. One with a name that no column may have makes the preparation fail, and is left out.
pub fn check_columns(path: &Path, name: &str, id_column: &str, stop: &Stop) -> Result<Vec<String>, DataError> {
    let columns = tabular::column_names(path, name, stop)?;
    if !columns.iter().any(|column| column == id_column) {
        return Err(TabularError::MissingColumn { column: id_column.to_owned(), available: columns }.into());
    }
    let is_named = |column: &String| column.chars().count() <= LONGEST_COLUMN_NAME && !column.contains('\0');
    Ok(columns.into_iter().filter(|column| column != id_column && is_named(column)).take(MOST_COLUMNS).collect())
}

/// Reads the whole file: its place, its name and its size are given, then what its rows describe and the column of their ids.
pub fn prepare(
    blobs: &Blobs,
    (path, name, file_size): (&Path, &str, u64),
    (subject, id_column): (Subject, &str),
    limits: &Limits,
    (memory, stop): (&Promise, &Stop),
) -> Result<Prepared, DataError> {
    let most = limits.largest_expanded.min(MOST_EXPANDED);
    let options = TableOptions {
        key_column: id_column.to_owned(),
        max_expanded_bytes: most.min(largest_honest(file_size)),
        max_cell_bytes: LARGEST_CELL,
        max_columns: MOST_COLUMNS,
        max_rows: MOST_ROWS,
        stop: stop.clone(),
    };
    let mut file = blobs.incoming()?;
    let mut builder = Builder::new(&mut file.file);
    let (mut rows, mut refused) = (0, None);
    let read = tabular::read_table(path, name, &options, &mut |id, cells| {
        refused = reserve(memory, &builder, rows).err();
        rows += 1;
        if refused.is_some() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        builder.push(id, cells)
    });
    if let Some(refused) = refused {
        return Err(refused);
    }
    let read = read.map_err(|error| match error {
        TabularError::TooLarge { .. } if options.max_expanded_bytes < most => DataError::Inflated { ratio: LARGEST_RATIO },
        other => other.into(),
    })?;
    if read.rows_total == read.rejected {
        return Err(DataError::NothingKept(nothing_kept(&read, subject)));
    }
    let built = finish(builder, &read.columns, limits)?;
    let report = report(&read, built);
    Ok(Prepared { file, columns: read.columns, report })
}

/// Reserves memory for the next rows, once for many of them.
pub fn reserve(memory: &Promise, builder: &Builder<'_>, rows: u64) -> Result<(), DataError> {
    if !rows.is_multiple_of(ROWS_AT_ONCE) {
        return Ok(());
    }
    // Vectors double as they grow.
    let needed = builder.heap_bytes() * 2 + BYTES_AT_ONCE;
    ask_for(memory, "This file cannot be prepared now", needed)
}

/// Completes a prepared form. Fails if its table would be too large to stay in memory.
pub fn finish(builder: Builder<'_>, columns: &[String], limits: &Limits) -> Result<Built, DataError> {
    let built = builder.finish(columns)?;
    if built.table_bytes > limits.largest_table {
        return Err(DataError::TableTooLarge { size: built.table_bytes, limit: limits.largest_table });
    }
    Ok(built)
}

fn nothing_kept(read: &TableReport, subject: Subject) -> String {
    match read.rejected_examples.first() {
        None => format!("The file has a header but no rows. Add at least one {subject}."),
        Some(first) => no_row_kept(read.rows_total, first, &read.notes),
    }
}

/// The report on the content of an upload.
#[derive(Debug, Serialize, ToSchema)]
pub struct MetaDataReport {
    rows_total: u64,
    rows_kept: u64,
    rejected: u64,
    /// The number of items, or users, with metadata.
    items: u64,
    /// Rows of an item, or user, that has a later row, which is used instead.
    duplicates: u64,
    /// The interpretation of the columns except the ids, which filters use. Missing in reports of older uploads.
    #[schema(required = false)]
    columns: Vec<ColumnReport>,
    /// How the file was interpreted, and conspicuous values in it. Missing in reports of older uploads.
    #[schema(required = false)]
    notes: Vec<ColumnNote>,
    /// The first rejected rows.
    rejected_examples: Vec<Rejected>,
}

fn report(read: &TableReport, built: Built) -> MetaDataReport {
    let kept = read.rows_total - read.rejected;
    MetaDataReport {
        rows_total: read.rows_total,
        rows_kept: kept,
        rejected: read.rejected,
        items: kept - built.repeated,
        duplicates: built.repeated,
        columns: built.columns,
        notes: read.notes.clone(),
        rejected_examples: read.rejected_examples.iter().take(EXAMPLES_IN_REPORT).cloned().collect(),
    }
}

/// Returns the report of an upload whose rows were changed one by one: `rows` is their number now, `before` the report so far, and
/// `waiting` the note about changes that do not fit, in the place of the former one.
pub fn report_of_changed(before: Option<&Value>, rows: u64, built: Built, waiting: Option<ColumnNote>) -> Value {
    let of_upload = |field: &str| before.and_then(|report| report.get(field));
    let rejected = of_upload("rejected").and_then(Value::as_u64).unwrap_or_default();
    let report = MetaDataReport {
        rows_total: rows + rejected,
        rows_kept: rows,
        rejected,
        items: rows - built.repeated,
        duplicates: built.repeated,
        columns: built.columns,
        notes: Vec::new(),
        rejected_examples: Vec::new(),
    };
    let mut report = json!(report);
    for field in ["notes", "rejected_examples"] {
        if let Some(kept) = of_upload(field) {
            report[field] = kept.clone();
        }
    }
    if let Some(notes) = report["notes"].as_array_mut() {
        notes.retain(|known| known["kind"] != json!(NoteKind::ColumnsFull));
        notes.extend(waiting.map(|note| json!(note)));
    }
    report
}
