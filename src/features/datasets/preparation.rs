//! Converts an uploaded file to its prepared form, and reports on its content. Blocks.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};

use super::error::{DataError, sentence};
use super::memory::ask_for;
use super::report::DataReport;
use crate::features::projects::Project;
use crate::ml::context::Context;
use crate::ml::interactions::{InteractionBlock, InteractionLogBuilder};
use crate::platform::clock::FURTHEST_ZONE;
use crate::platform::memory::Promise;
use crate::platform::tabular::{self, ColumnNote, NoteKind, ReadOptions, ReadReport, Rejected, Row, TabularError};

/// The largest field in bytes; longer fields are no ids.
const LARGEST_FIELD: usize = 1 << 20;

/// Decompressed bytes that are always accepted.
const EXPANDED_WITHOUT_QUESTION: u64 = 64 << 20;

/// The largest compression ratio: real tables do not shrink to less than a hundredth; such a file is made to fill memory.
pub const LARGEST_RATIO: u64 = 100;

/// Memory per row in the prepared form, in bytes.
const BYTES_PER_ROW: u64 = 16;

/// The result of preparing an upload.
#[derive(Debug)]
pub struct Prepared {
    /// The prepared form.
    pub bytes: Vec<u8>,
    pub report: DataReport,
    /// The rejected rows as CSV, if there are any.
    pub rejected: Option<Vec<u8>>,
}

/// Returns the largest decompressed size to accept for a file of this size.
pub fn largest_honest(file_size: u64) -> u64 {
    EXPANDED_WITHOUT_QUESTION.max(file_size.saturating_mul(LARGEST_RATIO))
}

/// Returns the columns to read and the limits. Times later than the upload cannot be true.
pub fn options_for(project: &Project, file_size: u64, largest_expanded: u64, uploaded_at: DateTime<Utc>) -> ReadOptions {
    let latest = uploaded_at.checked_add_signed(FURTHEST_ZONE).unwrap_or(uploaded_at);
    ReadOptions {
        uploaded_at: Some(latest.timestamp_micros()),
        event_column: project.fields.event_column.clone(),
        max_expanded_bytes: largest_expanded.min(largest_honest(file_size)),
        max_field_bytes: LARGEST_FIELD,
        ..ReadOptions::new(&project.fields.user_column, &project.fields.item_column, project.fields.time_column.clone())
    }
}

/// Checks from the start of a file that it has the format of its name and the columns of the project.
pub fn check_columns(path: &Path, name: &str, options: &ReadOptions) -> Result<(), DataError> {
    let columns = tabular::column_names(path, name, &options.stop)?;
    let wanted =
        [Some(&options.user_column), Some(&options.item_column), options.time_column.as_ref(), options.event_column.as_ref()];
    match wanted.into_iter().flatten().find(|column| !columns.contains(column)) {
        Some(column) => Err(TabularError::MissingColumn { column: column.clone(), available: columns }.into()),
        None => Ok(()),
    }
}

/// Replaces the error of a limit that stems from the file's size and not from the settings, as raising the setting would not
/// help.
fn blame_ratio(error: TabularError, options: &ReadOptions, largest_expanded: u64) -> DataError {
    match error {
        TabularError::TooLarge { .. } if options.max_expanded_bytes < largest_expanded => {
            DataError::Inflated { ratio: LARGEST_RATIO }
        }
        other => other.into(),
    }
}

/// Reads the whole file on `threads` threads. `largest_expanded` is the limit in the settings.
pub fn prepare(
    path: &Path,
    name: &str,
    options: &ReadOptions,
    largest_expanded: u64,
    threads: usize,
    memory: &Promise,
) -> Result<Prepared, DataError> {
    let mut builder = InteractionLogBuilder::new(options.time_column.is_some());
    if options.event_column.is_some() {
        builder = builder.with_events();
    }
    let most_rows = options.max_expanded_bytes / BYTES_PER_ROW;
    let (mut rows, mut room) = (0, Room::new(options, memory));
    let is_over = AtomicBool::new(false);
    let push = |block: &mut InteractionBlock, row: Row<'_>| {
        if !is_over.load(Ordering::Relaxed) {
            block.push_event(row.user, row.item, row.time, row.event.unwrap_or_default());
        }
    };
    let empty = builder.block();
    // Some formats need hardly a byte for a million rows. Excess rows are read to the end, but not kept.
    let mut take = |block: &mut InteractionBlock| {
        rows += block.n_rows() as u64;
        let fits = rows <= most_rows && room.has(rows, builder.id_bytes() + block.id_bytes());
        if fits && !is_over.load(Ordering::Relaxed) {
            builder.append(block);
        } else {
            is_over.store(true, Ordering::Relaxed);
            block.clear();
        }
    };
    let read = tabular::read_interactions_in_blocks(path, name, options, threads, empty, push, &mut take);
    let read = read.map_err(|error| blame_ratio(error, options, largest_expanded))?;
    if rows > most_rows {
        return Err(blame_ratio(TabularError::TooLarge { limit: options.max_expanded_bytes }, options, largest_expanded));
    }
    room.checked()?;
    if read.rows_kept == 0 {
        return Err(DataError::NothingKept(nothing_kept(&read)));
    }
    let mut log = Context::new(0, threads).install(|| builder.finish());
    let late = options.uploaded_at.and_then(|moment| log.settle_times(moment));
    let rejected = (read.rejected > 0).then(|| rejected_csv(&read.rejected_examples)).transpose()?;
    Ok(Prepared { report: DataReport::new(&read, &log, late, options), bytes: log.to_bytes(), rejected })
}

/// Rows for which memory is reserved in advance.
const ROWS_AT_ONCE: u64 = 1 << 20;

/// The largest memory of a dictionary of ids, in multiples of its content: it doubles as it grows, and exists once more in byte
/// order and once more in the prepared form.
const COPIES_OF_IDS: u64 = 3;

/// Memory for rows and ids, reserved as they are read.
struct Room<'a> {
    memory: &'a Promise,
    bytes_per_row: u64,
    /// Bytes reserved so far.
    promised: u64,
    refused: Option<DataError>,
}

impl<'a> Room<'a> {
    /// Creates a reservation. A row takes two codes, a time and an event type, once in the log and once in the prepared form, and
    /// half as much again for intermediate results.
    fn new(options: &ReadOptions, memory: &'a Promise) -> Self {
        let (times, events) = (u64::from(options.time_column.is_some()), u64::from(options.event_column.is_some()));
        Self { memory, bytes_per_row: 3 * (8 + 8 * times + 4 * events), promised: 0, refused: None }
    }

    /// Returns whether this many rows in all fit, with dictionaries of this many bytes.
    fn has(&mut self, rows: u64, id_bytes: u64) -> bool {
        let needed = rows * self.bytes_per_row + id_bytes * COPIES_OF_IDS;
        if needed > self.promised && self.refused.is_none() {
            self.promised = needed + ROWS_AT_ONCE * self.bytes_per_row;
            self.refused = ask_for(self.memory, "This file cannot be prepared now", self.promised).err();
        }
        self.refused.is_none()
    }

    fn checked(self) -> Result<(), DataError> {
        self.refused.map_or(Ok(()), Err)
    }
}

fn nothing_kept(read: &ReadReport) -> String {
    match read.rejected_examples.first() {
        None => "The file has a header but no rows. Add at least one interaction.".to_owned(),
        Some(first) => no_row_kept(read.rows_total, first, &read.notes),
    }
}

/// Returns the error that no row was usable, why the first one was not, and the likely encoding of the text if that is the cause.
pub fn no_row_kept(rows: u64, first: &Rejected, notes: &[ColumnNote]) -> String {
    let reason = sentence(&first.reason);
    let encoding = notes.iter().find(|note| note.kind == NoteKind::EncodingFound && note.count > 0);
    let encoding = encoding.and_then(|note| note.guess).map(|guess| format!(" The text looks like {guess}."));
    let hint = encoding.map(|encoding| encoding + " Save the file as UTF-8 and send it again.").unwrap_or_default();
    format!("None of the {rows} rows could be imported. The first of them is at line {}: {reason}{hint}", first.line)
}

fn rejected_csv(rows: &[Rejected]) -> Result<Vec<u8>, DataError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = writer
        .write_record(["line", "reason", "raw"])
        .and_then(|()| rows.iter().try_for_each(|row| writer.write_record([&row.line.to_string(), &row.reason, &row.raw])));
    written.map_err(|error| DataError::Stopped(error.to_string()))?;
    writer.into_inner().map_err(|error| DataError::Stopped(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(max_expanded_bytes: u64) -> ReadOptions {
        ReadOptions { max_expanded_bytes, ..ReadOptions::new("user", "item", None) }
    }

    #[test]
    fn rows_are_limited_too_and_the_reason_is_the_one_that_helps() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "user,item\na,b\na,c\na,d\n").unwrap();
        let prepare = |most: u64, largest: u64, threads: usize| {
            let memory = crate::platform::memory::Memory::of_machine().promise();
            super::prepare(&path, "a.csv", &options(most), largest, threads, &memory)
        };
        assert!(prepare(3 * BYTES_PER_ROW, 1 << 30, 2).is_ok());
        let inflated = prepare(2 * BYTES_PER_ROW, 1 << 30, 2);
        assert!(matches!(inflated, Err(DataError::Inflated { .. })), "{inflated:?}");
        let too_large = prepare(2 * BYTES_PER_ROW, 2 * BYTES_PER_ROW, 1);
        assert!(matches!(too_large, Err(DataError::Unreadable(TabularError::TooLarge { .. }))), "{too_large:?}");
    }

    #[test]
    fn ids_count_as_much_as_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let long = "x".repeat(1_000);
        let rows: String = (0..40_000).map(|row| format!("{row}{long},b\n")).collect();
        std::fs::write(&path, format!("user,item\n{rows}")).unwrap();
        let ends_in = |megabytes: u64| {
            let memory = crate::platform::memory::Memory::of_bytes(megabytes << 20).promise();
            prepare(&path, "a.csv", &options(1 << 30), 1 << 30, 1, &memory)
        };
        assert!(matches!(ends_in(60), Err(DataError::Memory { .. })));
        assert!(ends_in(600).is_ok());
    }

    #[test]
    fn the_report_shows_the_start_of_a_long_event_type() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, format!("user,item,event\na,b,{}\n", "ä".repeat(300))).unwrap();
        let with_events = ReadOptions { event_column: Some("event".to_owned()), ..options(1 << 20) };
        let memory = crate::platform::memory::Memory::of_bytes(600 << 20).promise();
        let prepared = prepare(&path, "a.csv", &with_events, 1 << 30, 1, &memory).unwrap();
        let report = serde_json::to_value(&prepared.report).unwrap();
        assert_eq!(report["events"][0]["name"], "ä".repeat(256));
    }

    #[test]
    fn an_upload_whose_rows_do_not_fit_into_memory_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "user,item\na,b\n").unwrap();
        let scarce = crate::platform::memory::Memory::of_bytes(10 << 20).promise();
        let refused = prepare(&path, "a.csv", &options(1 << 30), 1 << 30, 1, &scarce).unwrap_err().to_string();
        assert!(
            refused.starts_with("This file cannot be prepared now: about 25 MB of memory are needed and 10 MB are free."),
            "{refused}"
        );
    }
}
