//! Functions that the commands without a server share: reading interactions and models, parsing arguments, printing tables.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use chrono::DateTime;
use serde_json::{Map, Value};

use crate::ml::artifact::{Reasons, Recommendations, TrainedModel};
use crate::ml::context::{Context, Lack};
use crate::ml::interactions::{InteractionBlock, InteractionLog, InteractionLogBuilder};
use crate::ml::sessions::{self, SessionModel};
use crate::ml::splits::SplitScheme;
use crate::ml::weights::Weights;
use crate::platform::clock::{Clock, FURTHEST_ZONE};
use crate::platform::memory::{Memory, Promise, Shortage};
use crate::platform::nearest::nearest;
use crate::platform::tabular::{self, ReadOptions, ReadReport, Row, TabularError};

/// Seed if none is given.
pub const SEED: u64 = 42;

/// The id columns.
#[derive(Debug, Clone, clap::Args)]
pub struct Columns {
    /// Column of user ids
    #[arg(long, value_name = "NAME", default_value = "user_id")]
    pub user_column: String,
    /// Column of item ids
    #[arg(long, value_name = "NAME", default_value = "item_id")]
    pub item_column: String,
}

impl Columns {
    /// Returns the columns with sessions in the place of users.
    pub fn of_sessions(&self, session_column: Option<&str>) -> Columns {
        let user_column = session_column.unwrap_or(&self.user_column).to_owned();
        Columns { user_column, item_column: self.item_column.clone() }
    }
}

impl Columns {
    /// Returns what to read from a file with these columns.
    pub fn options(&self, time_column: Option<&str>, event_column: Option<&str>) -> ReadOptions {
        ReadOptions {
            event_column: event_column.map(str::to_owned),
            uploaded_at: Some(latest_moment()),
            ..ReadOptions::new(&self.user_column, &self.item_column, time_column.map(str::to_owned))
        }
    }
}

/// The time column, for the commands that can use it.
#[derive(Debug, Clone, clap::Args)]
pub struct TimeColumn {
    /// Column of times: Unix time, YYYY-MM-DD, YYYY-MM-DD HH:MM:SS, RFC 3339, YYYYMMDD or DD.MM.YYYY
    #[arg(long, value_name = "NAME")]
    pub time_column: Option<String>,
}

/// Returns the time column, without which there are no sessions.
pub fn time_of_sessions(time: &TimeColumn) -> anyhow::Result<&str> {
    let column = time.time_column.as_deref();
    column.with_context(|| format!("{} learns from the order of interactions; give --time-column", sessions::NAME))
}

/// Refuses options that only algorithms learning from sessions can use.
pub fn refuse_sessions(session_column: Option<&str>) -> anyhow::Result<()> {
    if session_column.is_some() {
        bail!("only {} learns from sessions; leave out --session-column", sessions::NAME);
    }
    Ok(())
}

/// Reads one file; reports rejected rows on standard error.
pub fn read_log(path: &Path, options: &ReadOptions, threads: usize) -> anyhow::Result<InteractionLog> {
    let mut builder = builder_for(options);
    read_into(&mut builder, path, options, threads)?;
    Ok(finish(builder, threads))
}

/// Creates an empty builder for what these options read.
pub fn builder_for(options: &ReadOptions) -> InteractionLogBuilder {
    let builder = InteractionLogBuilder::new(options.time_column.is_some());
    if options.event_column.is_some() { builder.with_events() } else { builder }
}

/// Returns the present local time of the zone furthest ahead, as microseconds UTC.
fn latest_moment() -> i64 {
    (Clock::system().now() + FURTHEST_ZONE).timestamp_micros()
}

/// Finishes reading. Replaces times in the future by the latest one that is not, and reports their number on standard error.
pub fn finish(builder: InteractionLogBuilder, threads: usize) -> InteractionLog {
    let mut log = Context::new(SEED, threads).install(|| builder.finish());
    if let Some(late) = log.settle_times(latest_moment()) {
        let text = |micros| DateTime::from_timestamp_micros(micros).map(|at| at.to_string()).unwrap_or_default();
        let (rows, last) = (late.rows, text(late.last));
        match late.counted_as {
            Some(latest) => eprintln!("Rows in the future: {rows} (up to {last}). They count as {}.", text(latest)),
            None => eprintln!("All rows are in the future (up to {last}). Look at the time column."),
        }
    }
    log
}

/// Reports on standard error each weighted type of event that no row has, with the type that was probably meant.
pub fn warn_of_unknown_events(log: &InteractionLog, weights: &Weights) {
    let Some(events) = &log.events else { return };
    for event in weights.events.keys().filter(|event| events.names.find(event).is_none()) {
        let meant = nearest(event, events.names.iter()).map(|meant| format!(" Did you mean {meant:?}?")).unwrap_or_default();
        eprintln!("No row has events of the type {event:?}.{meant}");
    }
}

/// Returns the place of a file that the user names: they may name a link to it, which the readers of tables refuse.
pub fn followed(path: &Path) -> Result<PathBuf, TabularError> {
    path.canonicalize().map_err(TabularError::Io)
}

/// Reads one file into a builder.
pub fn read_into(builder: &mut InteractionLogBuilder, path: &Path, options: &ReadOptions, threads: usize) -> anyhow::Result<()> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let push = |block: &mut InteractionBlock, row: Row<'_>| {
        block.push_event(row.user, row.item, row.time, row.event.unwrap_or_default());
    };
    let mut room = Room::for_rows(options);
    let empty = builder.block();
    let mut take = |block: &mut InteractionBlock| if room.has(block.n_rows()) { builder.append(block) } else { block.clear() };
    let report = followed(path)
        .and_then(|path| tabular::read_interactions_in_blocks(&path, name, options, threads, empty, push, &mut take))
        .with_context(|| path.display().to_string())?;
    room.checked(path)?;
    tell_rejected(path, &report);
    for note in report.notes.iter().filter(|note| note.kind.is_warning()) {
        eprintln!("{}: {note}.", path.display());
    }
    if report.rows_kept == 0 {
        bail!("{}: there is no usable interaction in it ({} rows were left out)", path.display(), report.rejected);
    }
    Ok(())
}

/// Memory for the rows of a file, requested before they are kept.
struct Room {
    memory: Promise,
    bytes_per_row: u64,
    rows: u64,
    /// Rows that there is room for.
    found: u64,
    shortage: Option<Shortage>,
}

impl Room {
    /// Creates the room for rows of two codes, a time and the type of the event, and half as much again for what is computed from
    /// them.
    fn for_rows(options: &ReadOptions) -> Self {
        let (times, events) = (u64::from(options.time_column.is_some()), u64::from(options.event_column.is_some()));
        let bytes_per_row = (8 + 8 * times + 4 * events) * 3 / 2;
        Self { memory: Memory::of_machine().promise(), bytes_per_row, rows: 0, found: 1 << 20, shortage: None }
    }

    /// Returns whether there is room for `rows` more rows. Tables grow by doubling, so the same amount must be available again.
    fn has(&mut self, rows: usize) -> bool {
        self.rows += rows as u64;
        if self.rows > self.found && self.shortage.is_none() {
            self.shortage = self.memory.raise_to(self.rows * self.bytes_per_row).err();
            self.found = self.rows * 2;
        }
        self.shortage.is_none()
    }

    fn checked(&self, path: &Path) -> anyhow::Result<()> {
        let Some(Shortage { available, .. }) = self.shortage else { return Ok(()) };
        let needed = (self.rows * 2 * self.bytes_per_row).div_ceil(1 << 20);
        bail!("{}: its {} rows need about {needed} MB, and {} MB are free", path.display(), self.rows, available >> 20)
    }
}

fn tell_rejected(path: &Path, report: &ReadReport) {
    const SHOWN: usize = 3;
    if report.rejected == 0 {
        return;
    }
    eprintln!("{}: {} of {} rows were left out:", path.display(), report.rejected, report.rows_total);
    for row in report.rejected_examples.iter().take(SHOWN) {
        eprintln!("  line {}: {}", row.line, row.reason);
    }
    if report.rejected > SHOWN as u64 {
        eprintln!("  …");
    }
}

/// Reads the name of a way to split.
pub fn parse_scheme(text: &str) -> Result<SplitScheme, String> {
    serde_json::from_value(text.into()).map_err(|_| "expected RG, TG, TU, CI or TI".to_owned())
}

/// Reads a JSON object given on the command line.
pub fn parse_params(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(other) => Err(format!("expected a JSON object such as {{\"n_components\": 64}}, not {other}")),
        Err(error) => Err(format!("not a JSON object: {error}")),
    }
}

/// Returns the requested number of threads, or one for each core.
pub fn threads(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
}

/// Reads a model file.
pub fn read_model(path: &PathBuf) -> anyhow::Result<TrainedModel> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    TrainedModel::from_bytes(&bytes).with_context(|| match SessionModel::from_bytes(&bytes) {
        Ok(_) => format!("{} answers for sessions: `recotem recommend --session ITEM,ITEM`", path.display()),
        Err(_) => path.display().to_string(),
    })
}

/// Reads the file of a model that learnt from sessions.
pub fn read_session_model(path: &PathBuf) -> anyhow::Result<SessionModel> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    SessionModel::from_bytes(&bytes).with_context(|| match TrainedModel::from_bytes(&bytes) {
        Ok(_) => format!("{} did not learn from sessions: give --user or --items", path.display()),
        Err(_) => path.display().to_string(),
    })
}

/// Returns item ids and scores as the commands print them in JSON.
pub fn recommendations_json(list: &Recommendations) -> Value {
    list.iter().map(|(item, score)| serde_json::json!({ "item_id": item, "score": score })).collect()
}

/// Prints item ids and scores for people, and below each item its reasons: `reasons` is empty or parallel to `list`.
pub fn print_recommendations(list: &Recommendations, reasons: &[Reasons]) {
    let width = list.iter().map(|(item, _)| item.chars().count()).max().unwrap_or(0);
    for (rank, (item, score)) in list.iter().enumerate() {
        println!("{:>4}  {item:width$}  {score:.6}", rank + 1);
        if let Some(reasons) = reasons.get(rank).filter(|reasons| !reasons.is_empty()) {
            let told: Vec<String> = reasons.iter().map(|(item, contribution)| format!("{item} ({contribution:+.6})")).collect();
            println!("      because of {}", told.join(", "));
        }
    }
}

/// Prints a value as one JSON text.
pub fn print_json(value: &Value) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Creates the context of a computation that fails with an error when the machine's memory does not suffice.
pub fn context(seed: u64, threads: usize) -> Context {
    let memory = Memory::of_machine().promise();
    let ask = move |bytes| memory.raise_to(bytes).map_err(|shortage| Lack { available: shortage.available, is_passing: false });
    Context::new(seed, threads).with_memory_source(Arc::new(ask))
}

/// Measures how long something takes, for reports only.
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts to measure.
    #[allow(clippy::disallowed_methods, reason = "a duration, only reported or compared with a limit of the same run")]
    pub fn start() -> Self {
        Stopwatch(std::time::Instant::now())
    }

    /// Returns the seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
