//! Reading a file of items or users with their features, and what its columns mean.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::offline::followed;
use crate::ml::features::{FeatureSpec, FeatureTable, FeatureTableBuilder, FieldNote, few_described, guess, look_of};
use crate::ml::ids::Ids;
use crate::platform::tabular::{self, TableCell, TableOptions};

/// Limits of metadata, as wide as the server's.
const MOST_COLUMNS: usize = 1_000;
const MOST_ROWS: u64 = 10_000_000;
const LARGEST_CELL: usize = 256 << 10;
const LARGEST_TABLE: u64 = 2 << 30;

/// Most rows that are named as left out.
const SHOWN: usize = 3;

/// The kind of a file, as messages name it.
#[derive(Debug)]
pub struct Rows {
    pub one: &'static str,
    pub many: &'static str,
    pub column_option: &'static str,
    pub spec_option: &'static str,
}

pub const ITEMS: Rows = Rows { one: "item", many: "items", column_option: "--item-column", spec_option: "--item-features" };
pub const USERS: Rows = Rows { one: "user", many: "users", column_option: "--user-column", spec_option: "--user-features" };

/// A file and what its columns mean.
pub struct Features {
    pub table: FeatureTable,
    pub spec: FeatureSpec,
}

/// Reads a file whose ids are in a column, and the meaning of its columns, which is guessed without a file of it. Reports on
/// standard error how columns were understood.
pub fn read(of: &Rows, path: &Path, spec: Option<&PathBuf>, id_column: &str, known: &Ids) -> anyhow::Result<Features> {
    let table = read_table(of, path, id_column).with_context(|| path.display().to_string())?;
    let Rows { many, column_option, one, .. } = of;
    if !known.is_empty() && !table.ids().iter().any(|id| known.find(id).is_some()) {
        bail!(
            "{}: none of its {} {many} is in the interactions; {}. Choose the column of {one} ids with {column_option}",
            path.display(),
            table.n_rows(),
            look_of(table.ids(), known)
        );
    }
    if !known.is_empty() {
        let described = known.iter().filter(|id| table.ids().find(id).is_some()).count();
        eprintln!("{}: {described} of {} {many} of the interactions have a row.", path.display(), known.len());
        if let Some(warning) = few_described(described, table.ids(), known) {
            eprintln!("{}: {warning}.", path.display());
        }
    }
    let spec = match spec {
        Some(path) => read_spec(path)?,
        None => guessed(of, &table)?,
    };
    Ok(Features { table, spec })
}

/// Says on standard error what should be known of how a file was encoded.
pub fn tell(of: &Rows, notes: &[FieldNote]) {
    notes.iter().for_each(|note| eprintln!("the {} file: {}", of.one, note.text));
}

/// Returns the limits and the column of ids of such a file.
pub fn table_options(id_column: &str) -> TableOptions {
    TableOptions {
        key_column: id_column.to_owned(),
        max_expanded_bytes: LARGEST_TABLE,
        max_cell_bytes: LARGEST_CELL,
        max_columns: MOST_COLUMNS,
        max_rows: MOST_ROWS,
        stop: tabular::Stop::default(),
    }
}

fn read_table(of: &Rows, path: &Path, id_column: &str) -> anyhow::Result<FeatureTable> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let mut rows: Vec<(String, Vec<TableCell>)> = Vec::new();
    let mut sink = |id: &str, cells: Vec<TableCell>| {
        rows.push((id.to_owned(), cells));
        Ok(())
    };
    let read = tabular::read_table(&followed(path)?, name, &table_options(id_column), &mut sink)?;
    if read.rejected > 0 {
        eprintln!("{}: {} of {} rows were left out:", path.display(), read.rejected, read.rows_total);
        read.rejected_examples.iter().take(SHOWN).for_each(|row| eprintln!("  line {}: {}", row.line, row.reason));
    }
    if rows.is_empty() {
        bail!("there is no usable {} in it", of.one);
    }
    let mut ids = HashSet::new();
    let repeating = rows.iter().map(|(id, _)| id).find(|id| !ids.insert(id.as_str())).cloned().unwrap_or_default();
    let mut builder = FeatureTableBuilder::new(read.columns);
    rows.into_iter().for_each(|(id, cells)| builder.push(&id, cells));
    let (table, repeated) = builder.finish();
    match repeated {
        0 => {}
        1 => eprintln!("{}: one row repeats the {} {repeating:?}; the last row counts.", path.display(), of.one),
        _ => {
            let others = format!("{repeated} rows repeat {}, such as {repeating:?}", of.many);
            eprintln!("{}: {others}; the last row of each counts.", path.display());
        }
    }
    Ok(table)
}

fn read_spec(path: &Path) -> anyhow::Result<FeatureSpec> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let spec: Value = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    if !spec.is_object() {
        bail!("{}: expected an object such as {{\"version\": 1, \"fields\": [...]}}", path.display());
    }
    let spec = FeatureSpec::from_json(&spec).map_err(anyhow::Error::msg).with_context(|| path.display().to_string())?;
    spec.validate().with_context(|| path.display().to_string())?;
    Ok(spec)
}

fn guessed(of: &Rows, table: &FeatureTable) -> anyhow::Result<FeatureSpec> {
    let guesses = guess(table);
    for guess in &guesses {
        let kind = guess.kind.map_or("left out", |kind| kind.word());
        eprintln!("{}: {kind}, {}", guess.column, guess.reason);
    }
    let spec = FeatureSpec::from_guesses(&guesses);
    if spec.fields.is_empty() {
        bail!("no column of the {} file can be used; say what they mean with {}", of.one, of.spec_option);
    }
    Ok(spec)
}
