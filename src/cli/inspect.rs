//! `recotem inspect`: how a file is read, without a server and without learning from it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::feature_files::table_options;
use super::offline::{Columns, TimeColumn, followed};
use crate::features::item_metadata::{self, ColumnReport};
use crate::platform::tabular::{self, ColumnNote, Rejected, Row};

/// Most types of events that are listed.
const MOST_EVENT_TYPES: usize = 100;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// File of interactions: CSV, TSV, JSON, JSON lines or Parquet, plain or compressed
    file: PathBuf,
    #[command(flatten)]
    columns: Columns,
    #[command(flatten)]
    time: TimeColumn,
    /// Column of event types
    #[arg(long, value_name = "NAME")]
    event_column: Option<String>,
    /// Read the file as item metadata: the item column and all others
    #[arg(long)]
    items: bool,
    /// Number of rows to show as they were read
    #[arg(long, value_name = "N", default_value_t = 0)]
    rows: usize,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The result of reading.
#[derive(Default)]
struct Found {
    columns: Vec<String>,
    rows_total: u64,
    rejected: u64,
    rejected_examples: Vec<Rejected>,
    notes: Vec<ColumnNote>,
    /// The columns of item metadata, as they were understood.
    kinds: Vec<ColumnReport>,
    /// Rows of each type of event, at most [`MOST_EVENT_TYPES`] types.
    events: BTreeMap<String, u64>,
    rows: Vec<Value>,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let name = args.file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let found = if args.items { read_items(&args, name) } else { read_interactions(&args, name) };
    let found = found.with_context(|| args.file.display().to_string())?;
    if args.json {
        println!("{}", to_json(&found))
    } else {
        print(&args.file, &found)
    }
    Ok(())
}

fn read_interactions(args: &Args, name: &str) -> anyhow::Result<Found> {
    let options = args.columns.options(args.time.time_column.as_deref(), args.event_column.as_deref());
    let mut rows = Vec::new();
    let mut events: BTreeMap<String, u64> = BTreeMap::new();
    let mut sink = |row: Row<'_>| {
        if let Some(event) = row.event {
            count(&mut events, event);
        }
        if rows.len() < args.rows {
            rows.push(json!({ "user": row.user, "item": row.item, "time": row.time, "event": row.event }));
        }
    };
    let read = tabular::read_interactions(&followed(&args.file)?, name, &options, &mut sink)?;
    Ok(Found {
        columns: read.columns,
        rows_total: read.rows_total,
        rejected: read.rejected,
        rejected_examples: read.rejected_examples,
        notes: read.notes,
        events,
        rows,
        ..Found::default()
    })
}

fn count(events: &mut BTreeMap<String, u64>, event: &str) {
    if let Some(rows) = events.get_mut(event) {
        *rows += 1;
    } else if events.len() < MOST_EVENT_TYPES {
        events.insert(event.to_owned(), 1);
    }
}

fn read_items(args: &Args, name: &str) -> anyhow::Result<Found> {
    let options = table_options(&args.columns.item_column);
    let mut rows = Vec::new();
    let mut columns = item_metadata::Columns::default();
    let mut sink = |item: &str, cells: Vec<tabular::TableCell>| {
        cells.iter().for_each(|(column, value)| columns.add(*column, value));
        if rows.len() < args.rows {
            rows.push((item.to_owned(), cells));
        }
        Ok(())
    };
    let read = tabular::read_table(&followed(&args.file)?, name, &options, &mut sink)?;
    let values = |cells: Vec<tabular::TableCell>| -> Value {
        cells.into_iter().map(|(at, value)| (read.columns[at].clone(), value)).collect::<serde_json::Map<_, _>>().into()
    };
    let (_, kinds) = columns.finish(&read.columns);
    let rows = rows.into_iter().map(|(item, cells)| json!({ "item": item, "values": values(cells) })).collect();
    Ok(Found {
        columns: read.columns,
        rows_total: read.rows_total,
        rejected: read.rejected,
        rejected_examples: read.rejected_examples,
        notes: read.notes,
        kinds,
        rows,
        ..Found::default()
    })
}

fn to_json(found: &Found) -> Value {
    json!({
        "columns": found.columns,
        "rows_total": found.rows_total,
        "rows_kept": found.rows_total - found.rejected,
        "rejected": found.rejected,
        "rejected_examples": found.rejected_examples,
        "notes": found.notes,
        "kinds": found.kinds,
        "events": found.events,
        "rows": found.rows,
    })
}

fn print(file: &Path, found: &Found) {
    println!("{}: {} rows, {} left out", file.display(), found.rows_total, found.rejected);
    println!("columns: {}", found.columns.join(", "));
    for column in &found.kinds {
        println!("column {column}");
    }
    for note in &found.notes {
        println!("note: {note}");
    }
    for (event, rows) in &found.events {
        println!("event type {event:?}: {rows} rows");
    }
    for row in found.rejected_examples.iter().take(10) {
        println!("left out, line {}: {}", row.line, row.reason);
    }
    for row in &found.rows {
        println!("{row}");
    }
}
