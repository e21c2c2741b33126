//! What the commands without a server share: reading interactions and models, parsing arguments, printing tables.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};

use crate::ml::artifact::{Recommendations, TrainedModel};
use crate::ml::context::Context;
use crate::ml::interactions::{InteractionBlock, InteractionLog, InteractionLogBuilder};
use crate::platform::tabular::{self, ReadOptions, ReadReport, Row};

/// Seed when none is given.
pub const SEED: u64 = 42;

/// Which columns hold what.
#[derive(Debug, Clone, clap::Args)]
pub struct Columns {
    /// Column of user ids
    #[arg(long, value_name = "NAME", default_value = "user_id")]
    pub user_column: String,
    /// Column of item ids
    #[arg(long, value_name = "NAME", default_value = "item_id")]
    pub item_column: String,
}

/// Which column holds the time, for the commands that can use it.
#[derive(Debug, Clone, clap::Args)]
pub struct TimeColumn {
    /// Column of times: Unix time, YYYY-MM-DD, YYYY-MM-DD HH:MM:SS or RFC 3339
    #[arg(long, value_name = "NAME")]
    pub time_column: Option<String>,
}

/// Reads one file; rows that were left out are told on standard error.
pub fn read_log(path: &Path, columns: &Columns, time_column: Option<&str>, threads: usize) -> anyhow::Result<InteractionLog> {
    let mut builder = InteractionLogBuilder::new(time_column.is_some());
    read_into(&mut builder, path, columns, time_column, threads)?;
    Ok(finish(builder, threads))
}

/// Ends reading.
pub fn finish(builder: InteractionLogBuilder, threads: usize) -> InteractionLog {
    Context::new(SEED, threads).install(|| builder.finish())
}

/// Reads one file into a builder.
pub fn read_into(
    builder: &mut InteractionLogBuilder,
    path: &Path,
    columns: &Columns,
    time_column: Option<&str>,
    threads: usize,
) -> anyhow::Result<()> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let time_column = time_column.map(str::to_owned);
    let options = ReadOptions::new(&columns.user_column, &columns.item_column, time_column);
    let push = |block: &mut InteractionBlock, row: Row<'_>| {
        block.push_event(row.user, row.item, row.time, row.event.unwrap_or_default());
    };
    let (empty, take) = (builder.block(), &mut |block: &mut InteractionBlock| builder.append(block));
    let report = tabular::read_interactions_in_blocks(path, name, &options, threads, empty, push, take)
        .with_context(|| path.display().to_string())?;
    tell_rejected(path, &report);
    if report.rows_kept == 0 {
        bail!("{}: there is no usable interaction in it ({} rows were left out)", path.display(), report.rejected);
    }
    Ok(())
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

/// Reads a JSON object given on the command line.
pub fn parse_params(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(other) => Err(format!("expected a JSON object such as {{\"n_components\": 64}}, not {other}")),
        Err(error) => Err(format!("not a JSON object: {error}")),
    }
}

/// The number of threads asked for, or one for each core.
pub fn threads(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
}

/// Reads a model file.
pub fn read_model(path: &PathBuf) -> anyhow::Result<TrainedModel> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    TrainedModel::from_bytes(&bytes).with_context(|| path.display().to_string())
}

/// Item ids and scores as the commands print them in JSON.
pub fn recommendations_json(list: &Recommendations) -> Value {
    list.iter().map(|(item, score)| serde_json::json!({ "item_id": item, "score": score })).collect()
}

/// Prints item ids and scores for people.
pub fn print_recommendations(list: &Recommendations) {
    let width = list.iter().map(|(item, _)| item.chars().count()).max().unwrap_or(0);
    for (rank, (item, score)) in list.iter().enumerate() {
        println!("{:>4}  {item:width$}  {score:.6}", rank + 1);
    }
}

/// Prints a value as one JSON text.
pub fn print_json(value: &Value) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// The most memory this process has had resident so far, where the system tells.
pub fn peak_rss_bytes() -> Option<u64> {
    kilobytes_of("/proc/self/status", "VmHWM:")
}

/// Bytes the machine could still give, where it tells.
pub fn available_memory() -> Option<u64> {
    kilobytes_of("/proc/meminfo", "MemAvailable:")
}

fn kilobytes_of(file: &str, label: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? << 10)
}

/// Measures how long something takes, for reports only.
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Begins to measure.
    #[allow(clippy::disallowed_methods)] // a duration, only to be reported or compared with a limit of the same run
    pub fn start() -> Self {
        Stopwatch(std::time::Instant::now())
    }

    /// Seconds since the beginning.
    pub fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
