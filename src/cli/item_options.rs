//! Reading an item file and what its columns mean.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::offline::followed;
use crate::ml::algorithms::{AlgorithmInfo, NewItems};
use crate::ml::features::{FeatureSpec, FeatureTable, FeatureTableBuilder, guess};
use crate::ml::ids::Ids;
use crate::ml::interactions::InteractionLog;
use crate::ml::registry;
use crate::platform::clock::Clock;
use crate::platform::tabular::{self, TableCell, TableOptions};

/// Limits of item metadata, as wide as the server's.
const MOST_COLUMNS: usize = 1_000;
const MOST_ITEMS: u64 = 10_000_000;
const LARGEST_CELL: usize = 256 << 10;
const LARGEST_TABLE: u64 = 2 << 30;

/// Most rows that are named as left out.
const SHOWN: usize = 3;

/// An item file, for the commands that learn from it.
#[derive(Debug, clap::Args)]
pub struct ItemOptions {
    /// Items with their features, one row for each: the item column and any others, in the same formats as interactions
    #[arg(long, value_name = "FILE")]
    pub items: Option<PathBuf>,
    /// What the columns of --items mean, as JSON; guessed from the values by default
    #[arg(long, value_name = "FILE", requires = "items")]
    pub item_features: Option<PathBuf>,
}

/// An item file and what its columns mean.
pub struct Items {
    pub table: FeatureTable,
    pub spec: FeatureSpec,
}

impl ItemOptions {
    /// Reads the files; `None` without an item file. Reports on standard error how columns were understood.
    pub fn read(&self, item_column: &str, known: &Ids) -> anyhow::Result<Option<Items>> {
        let Some(path) = &self.items else { return Ok(None) };
        let table = read_table(path, item_column).with_context(|| path.display().to_string())?;
        if !known.is_empty() && !table.ids().iter().any(|id| known.find(id).is_some()) {
            let example = |ids: &Ids| if ids.is_empty() { String::new() } else { ids.get(0).to_owned() };
            bail!(
                "{}: none of its {} items is in the interactions; its ids look like {:?}, those of the interactions like {:?}. \
                 Choose the column of item ids with --item-column",
                path.display(),
                table.n_rows(),
                example(table.ids()),
                example(known)
            );
        }
        if !known.is_empty() {
            let described = known.iter().filter(|id| table.ids().find(id).is_some()).count();
            eprintln!("{}: {described} of {} items of the interactions have a row.", path.display(), known.len());
        }
        let spec = match &self.item_features {
            Some(path) => read_spec(path)?,
            None => guessed(&table)?,
        };
        Ok(Some(Items { table, spec }))
    }
}

/// Returns the moment against which ages are counted, in microseconds.
pub fn training_moment(log: &InteractionLog) -> i64 {
    log.training_moment(Clock::system().now().timestamp_micros())
}

/// Refuses an algorithm that cannot recommend items that it was not trained on.
pub fn refuse_without_new_items(info: &AlgorithmInfo) -> anyhow::Result<()> {
    if info.new_items() == NewItems::Never {
        let able = registry::matrix_algorithms().filter(|info| info.new_items() != NewItems::Never);
        let able: Vec<&str> = able.map(|info| info.short).collect();
        bail!("{} cannot recommend new items, which this split holds out; choose one of {}", info.name, able.join(", "));
    }
    Ok(())
}

/// Returns the limits and the key column of an item file.
pub fn table_options(item_column: &str) -> TableOptions {
    TableOptions {
        key_column: item_column.to_owned(),
        max_expanded_bytes: LARGEST_TABLE,
        max_cell_bytes: LARGEST_CELL,
        max_columns: MOST_COLUMNS,
        max_rows: MOST_ITEMS,
    }
}

fn read_table(path: &Path, item_column: &str) -> anyhow::Result<FeatureTable> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let mut rows: Vec<(String, Vec<TableCell>)> = Vec::new();
    let mut sink = |item: &str, cells: Vec<TableCell>| {
        rows.push((item.to_owned(), cells));
        Ok(())
    };
    let read = tabular::read_table(&followed(path)?, name, &table_options(item_column), &mut sink)?;
    if read.rejected > 0 {
        eprintln!("{}: {} of {} rows were left out:", path.display(), read.rejected, read.rows_total);
        read.rejected_examples.iter().take(SHOWN).for_each(|row| eprintln!("  line {}: {}", row.line, row.reason));
    }
    if rows.is_empty() {
        bail!("there is no usable item in it");
    }
    let mut builder = FeatureTableBuilder::new(read.columns);
    rows.into_iter().for_each(|(item, cells)| builder.push(&item, cells));
    let (table, repeated) = builder.finish();
    match repeated {
        0 => {}
        1 => eprintln!("{}: one row repeats an item; the last row counts.", path.display()),
        _ => eprintln!("{}: {repeated} rows repeat an item; the last row of each counts.", path.display()),
    }
    Ok(table)
}

fn read_spec(path: &Path) -> anyhow::Result<FeatureSpec> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let spec: Value = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    if !spec.is_object() {
        bail!("{}: expected an object such as {{\"version\": 1, \"fields\": [...]}}", path.display());
    }
    let spec: FeatureSpec = serde_json::from_value(spec).with_context(|| path.display().to_string())?;
    spec.validate().with_context(|| path.display().to_string())?;
    Ok(spec)
}

fn guessed(table: &FeatureTable) -> anyhow::Result<FeatureSpec> {
    let guesses = guess(table);
    for guess in &guesses {
        let kind = guess.kind.map_or("left out", |kind| kind.word());
        eprintln!("{}: {kind}, {}", guess.column, guess.reason);
    }
    let spec = FeatureSpec::from_guesses(&guesses);
    if spec.fields.is_empty() {
        bail!("no column of the item file can be used; say what they mean with --item-features");
    }
    Ok(spec)
}
