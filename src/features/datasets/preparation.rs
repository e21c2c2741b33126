//! From an uploaded file to its prepared form and the report on what was found in it. Blocks; call it where that is allowed.

use std::path::Path;

use chrono::DateTime;
use serde_json::{Value, json};

use super::error::{DataError, sentence};
use crate::features::projects::Project;
use crate::ml::context::Context;
use crate::ml::interactions::{InteractionBlock, InteractionLog, InteractionLogBuilder};
use crate::platform::http::timestamp;
use crate::platform::tabular::{self, ReadOptions, ReadReport, Rejected, Row, TabularError};

/// Rejected rows shown in the report; the file of rejected rows holds more.
pub const EXAMPLES_IN_REPORT: usize = 20;

/// Types of events counted in the report.
const EVENTS_IN_REPORT: usize = 50;

/// Largest field; longer ones are no ids.
const LARGEST_FIELD: usize = 1 << 20;

/// Expanded data that is never suspicious.
const EXPANDED_WITHOUT_QUESTION: u64 = 64 << 20;

/// No honest table shrinks to less than a hundredth: what does is made to fill memory.
pub const LARGEST_RATIO: u64 = 100;

/// Memory a row takes in the prepared form.
const BYTES_PER_ROW: u64 = 16;

/// What an upload was made into.
#[derive(Debug)]
pub struct Prepared {
    /// The prepared form.
    pub bytes: Vec<u8>,
    pub report: Value,
    /// The rejected rows as CSV, if there are any.
    pub rejected: Option<Vec<u8>>,
}

/// How large an honest file of this size can be once it is unpacked.
pub fn largest_honest(file_size: u64) -> u64 {
    EXPANDED_WITHOUT_QUESTION.max(file_size.saturating_mul(LARGEST_RATIO))
}

/// The columns to read, and how much of them.
pub fn options_for(project: &Project, file_size: u64, largest_expanded: u64) -> ReadOptions {
    ReadOptions {
        event_column: project.event_column.clone(),
        max_expanded_bytes: largest_expanded.min(largest_honest(file_size)),
        max_field_bytes: LARGEST_FIELD,
        ..ReadOptions::new(&project.user_column, &project.item_column, project.time_column.clone())
    }
}

/// Looks at the beginning only: whether the file is what its name says and has the columns.
pub fn check_columns(path: &Path, name: &str, options: &ReadOptions) -> Result<(), DataError> {
    let columns = tabular::preview(path, name, 1)?.columns;
    let wanted =
        [Some(&options.user_column), Some(&options.item_column), options.time_column.as_ref(), options.event_column.as_ref()];
    match wanted.into_iter().flatten().find(|column| !columns.contains(column)) {
        Some(column) => Err(TabularError::MissingColumn { column: column.clone(), available: columns }.into()),
        None => Ok(()),
    }
}

/// Where the limit comes from the size of the file rather than from the settings, raising the limit is no help.
fn blame_ratio(error: TabularError, options: &ReadOptions, largest_expanded: u64) -> DataError {
    match error {
        TabularError::TooLarge { .. } if options.max_expanded_bytes < largest_expanded => {
            DataError::Inflated { ratio: LARGEST_RATIO }
        }
        other => other.into(),
    }
}

/// Reads the whole file on so many threads. `largest_expanded` is the limit of the settings.
pub fn prepare(
    path: &Path,
    name: &str,
    options: &ReadOptions,
    largest_expanded: u64,
    threads: usize,
) -> Result<Prepared, DataError> {
    let mut builder = InteractionLogBuilder::new(options.time_column.is_some());
    if options.event_column.is_some() {
        builder = builder.with_events();
    }
    let most_rows = options.max_expanded_bytes / BYTES_PER_ROW;
    let mut rows = 0;
    let push = |block: &mut InteractionBlock, row: Row<'_>| {
        block.push_event(row.user, row.item, row.time, row.event.unwrap_or_default());
    };
    let empty = builder.block();
    // Some formats need hardly a byte for a million rows. What is too much is read to its end, but not kept.
    let mut take = |block: &mut InteractionBlock| {
        rows += block.n_rows() as u64;
        if rows <= most_rows { builder.append(block) } else { block.clear() }
    };
    let read = tabular::read_interactions_in_blocks(path, name, options, threads, empty, push, &mut take);
    let read = read.map_err(|error| blame_ratio(error, options, largest_expanded))?;
    if rows > most_rows {
        return Err(blame_ratio(TabularError::TooLarge { limit: options.max_expanded_bytes }, options, largest_expanded));
    }
    if read.rows_kept == 0 {
        return Err(DataError::NothingKept(nothing_kept(&read)));
    }
    let log = Context::new(0, threads).install(|| builder.finish());
    let rejected = (read.rejected > 0).then(|| rejected_csv(&read.rejected_examples)).transpose()?;
    Ok(Prepared { report: report(&read, &log), bytes: log.to_bytes(), rejected })
}

fn nothing_kept(read: &ReadReport) -> String {
    match read.rejected_examples.first() {
        None => "The file has a header but no rows. Add at least one interaction.".to_owned(),
        Some(first) => {
            let reason = sentence(&first.reason);
            format!(
                "None of the {} rows could be imported. The first of them is at line {}: {reason}",
                read.rows_total, first.line
            )
        }
    }
}

fn report(read: &ReadReport, log: &InteractionLog) -> Value {
    let pairs = log.to_csr().nnz();
    let cells = log.n_users() as f64 * log.n_items() as f64;
    let (first, last) = log.time_range().unzip();
    json!({
        "rows_total": read.rows_total,
        "rows_kept": read.rows_kept,
        "rejected": read.rejected,
        "users": log.n_users(),
        "items": log.n_items(),
        "density": pairs as f64 / cells.max(1.0),
        "duplicates": log.n_rows() - pairs,
        "blank_ids": read.blank_ids,
        "time_min": first.and_then(moment),
        "time_max": last.and_then(moment),
        "events": events(log),
        "rejected_examples": read.rejected_examples.iter().take(EXAMPLES_IN_REPORT).collect::<Vec<_>>(),
    })
}

/// The types of events, those with most rows first.
fn events(log: &InteractionLog) -> Vec<Value> {
    let Some(events) = &log.events else { return Vec::new() };
    let mut rows = vec![0u64; events.names.len()];
    events.codes.iter().for_each(|&code| rows[code as usize] += 1);
    let mut types: Vec<(u64, &str)> = rows.into_iter().zip(events.names.iter()).collect();
    types.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    types.iter().take(EVENTS_IN_REPORT).map(|(rows, name)| json!({ "name": name, "rows": rows })).collect()
}

fn moment(micros: i64) -> Option<String> {
    DateTime::from_timestamp_micros(micros).map(|at| timestamp::text(&at))
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
        assert!(prepare(&path, "a.csv", &options(3 * BYTES_PER_ROW), 1 << 30, 2).is_ok());
        let inflated = prepare(&path, "a.csv", &options(2 * BYTES_PER_ROW), 1 << 30, 2);
        assert!(matches!(inflated, Err(DataError::Inflated { .. })), "{inflated:?}");
        let too_large = prepare(&path, "a.csv", &options(2 * BYTES_PER_ROW), 2 * BYTES_PER_ROW, 1);
        assert!(matches!(too_large, Err(DataError::Unreadable(TabularError::TooLarge { .. }))), "{too_large:?}");
    }
}
