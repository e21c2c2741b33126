//! The report on what was found in an upload, as it is stored and answered.

use chrono::DateTime;
use serde::Serialize;
use utoipa::ToSchema;

use crate::features::projects::{LONGEST_EVENT_TYPE, MOST_EVENT_TYPES};
use crate::ml::interactions::{InteractionLog, LateTimes};
use crate::platform::http::timestamp;
use crate::platform::tabular::{self, ColumnNote, ReadOptions, ReadReport, Rejected};

/// Rejected rows shown in the report; the file of rejected rows holds more.
pub const EXAMPLES_IN_REPORT: usize = 20;

/// The report on the content of an upload.
#[derive(Debug, Serialize, ToSchema)]
pub struct DataReport {
    rows_total: u64,
    rows_kept: u64,
    rejected: u64,
    users: u64,
    items: u64,
    /// Share of all pairs of user and item that have an interaction.
    density: f64,
    /// Rows that repeat an earlier pair of user and item.
    duplicates: u64,
    /// Rows rejected because an id is missing.
    blank_ids: u64,
    time_min: Option<String>,
    time_max: Option<String>,
    /// How columns were interpreted, and conspicuous values in them. Missing in reports of older uploads.
    #[schema(required = false)]
    notes: Vec<ColumnNote>,
    /// Rows with times after the upload, which must be wrong; null if there are none.
    late_times: Option<LateRows>,
    /// The first rejected rows.
    rejected_examples: Vec<Rejected>,
    /// The event types, most frequent first; at most 50, empty without an event column.
    #[schema(required = false)]
    events: Vec<EventCount>,
}

/// Rows with times later than the upload.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LateTimes)]
struct LateRows {
    rows: u64,
    /// The latest of their times.
    last: Option<String>,
    /// The latest time that is not after the upload, which replaces theirs; null if all rows are later, so that all keep their
    /// times.
    counted_as: Option<String>,
}

/// The number of rows of one event type.
#[derive(Debug, Serialize, ToSchema)]
struct EventCount {
    name: String,
    rows: u64,
}

impl DataReport {
    /// Creates the report on a file that has been read into a log.
    pub fn new(read: &ReadReport, log: &InteractionLog, late: Option<LateTimes>, options: &ReadOptions) -> Self {
        let pairs = log.to_csr().nnz();
        let cells = log.n_users() as f64 * log.n_items() as f64;
        let (first, last) = log.time_range().unzip();
        Self {
            rows_total: read.rows_total,
            rows_kept: read.rows_kept,
            rejected: read.rejected,
            users: log.n_users() as u64,
            items: log.n_items() as u64,
            density: pairs as f64 / cells.max(1.0),
            duplicates: (log.n_rows() - pairs) as u64,
            blank_ids: read.blank_ids,
            time_min: first.and_then(moment),
            time_max: last.and_then(moment),
            notes: notes(read, log, options),
            late_times: late.map(LateRows::from),
            rejected_examples: read.rejected_examples.iter().take(EXAMPLES_IN_REPORT).cloned().collect(),
            events: events(log),
        }
    }
}

impl From<LateTimes> for LateRows {
    fn from(late: LateTimes) -> Self {
        Self { rows: late.rows as u64, last: moment(late.last), counted_as: late.counted_as.and_then(moment) }
    }
}

/// Returns the notes of the reader, and those that need all ids at once.
fn notes(read: &ReadReport, log: &InteractionLog, options: &ReadOptions) -> Vec<ColumnNote> {
    let mut notes = read.notes.clone();
    notes.extend(tabular::differ_in_spaces(&options.user_column, log.users.iter()));
    notes.extend(tabular::differ_in_spaces(&options.item_column, log.items.iter()));
    notes
}

/// Returns the event types with their numbers of rows, most frequent first. Of a name that is too long to have a weight, only the
/// start.
fn events(log: &InteractionLog) -> Vec<EventCount> {
    let Some(events) = &log.events else { return Vec::new() };
    let mut rows = vec![0u64; events.names.len()];
    events.codes.iter().for_each(|&code| rows[code as usize] += 1);
    let mut types: Vec<(u64, &str)> = rows.into_iter().zip(events.names.iter()).collect();
    types.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    let start = |name: &str| name.chars().take(LONGEST_EVENT_TYPE).collect();
    types.iter().take(MOST_EVENT_TYPES).map(|(rows, name)| EventCount { name: start(name), rows: *rows }).collect()
}

fn moment(micros: i64) -> Option<String> {
    DateTime::from_timestamp_micros(micros).map(|at| timestamp::text(&at))
}
