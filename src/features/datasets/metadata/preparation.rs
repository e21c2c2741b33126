//! From an uploaded file to its prepared form and the report on what was found in it. Blocks; call it where that is allowed.

use std::path::Path;

use serde_json::{Value, json};

use super::lookup::Builder;
use crate::features::datasets::error::{DataError, sentence};
use crate::features::datasets::preparation::{EXAMPLES_IN_REPORT, LARGEST_RATIO, largest_honest};
use crate::platform::blobs::{Blobs, Incoming};
use crate::platform::tabular::{self, TableOptions, TableReport, TabularError};

/// Descriptions are wide rather than long; what is wider than this is no table of items.
const MOST_COLUMNS: usize = 1_000;
const MOST_ITEMS: u64 = 10_000_000;
const LARGEST_CELL: usize = 256 << 10;

/// Most bytes of descriptions, whatever an install allows for interactions.
const MOST_EXPANDED: u64 = 2 << 30;

/// What an upload was made into.
#[derive(Debug)]
pub struct Prepared {
    pub file: Incoming,
    pub columns: Vec<String>,
    pub report: Value,
}

/// Reads the whole file. `largest_expanded` is the limit of the settings.
pub fn prepare(
    blobs: &Blobs,
    path: &Path,
    name: &str,
    item_column: &str,
    file_size: u64,
    largest_expanded: u64,
) -> Result<Prepared, DataError> {
    let most = largest_expanded.min(MOST_EXPANDED);
    let options = TableOptions {
        key_column: item_column.to_owned(),
        max_expanded_bytes: most.min(largest_honest(file_size)),
        max_cell_bytes: LARGEST_CELL,
        max_columns: MOST_COLUMNS,
        max_rows: MOST_ITEMS,
    };
    let mut file = blobs.incoming()?;
    let mut builder = Builder::new(&mut file.file);
    let read = tabular::read_table(path, name, &options, &mut |id, cells| builder.push(id, cells));
    let read = read.map_err(|error| match error {
        TabularError::TooLarge { .. } if options.max_expanded_bytes < most => DataError::Inflated { ratio: LARGEST_RATIO },
        other => other.into(),
    })?;
    if read.rows_total == read.rejected {
        return Err(DataError::NothingKept(nothing_kept(&read)));
    }
    let repeated = builder.finish(&read.columns, read.untyped)?;
    let report = report(&read, repeated);
    Ok(Prepared { file, columns: read.columns, report })
}

fn nothing_kept(read: &TableReport) -> String {
    match read.rejected_examples.first() {
        None => "The file has a header but no rows. Add at least one item.".to_owned(),
        Some(first) => {
            let reason = sentence(&first.reason);
            format!(
                "None of the {} rows could be imported. The first of them is at line {}: {reason}",
                read.rows_total, first.line
            )
        }
    }
}

fn report(read: &TableReport, repeated: u64) -> Value {
    let kept = read.rows_total - read.rejected;
    json!({
        "rows_total": read.rows_total,
        "rows_kept": kept,
        "rejected": read.rejected,
        "items": kept - repeated,
        "duplicates": repeated,
        "rejected_examples": read.rejected_examples.iter().take(EXAMPLES_IN_REPORT).collect::<Vec<_>>(),
    })
}
