//! What the columns of a table hold, for a person who decides what they mean.

use serde::Serialize;
use serde_json::Value;

use super::cells::{Cell, cut};
use super::guess::{Guess, Looks};
use super::spec::FieldKind;
use super::table::FeatureTable;

/// Values shown of each column.
const EXAMPLES: usize = 3;

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnSummary {
    /// What it probably means.
    #[serde(flatten)]
    pub guess: Guess,
    /// The reason for the guess as a sentence.
    pub why: String,
    /// Share of the rows that have a value.
    pub coverage: f32,
    /// Number of different values; lists count by their elements, vectors not at all.
    pub distinct: u64,
    /// Whether there are more different values than that.
    pub has_more_distinct: bool,
    /// The first different values, cut where they are long.
    pub examples: Vec<String>,
}

/// Describes each column, in one pass over its values.
pub fn summarize(table: &FeatureTable) -> Vec<ColumnSummary> {
    table.by_column().iter().map(|(column, values)| of_column(column, values, table.n_rows())).collect()
}

fn of_column<'v>(column: &str, values: impl Iterator<Item = (&'v Value, usize)> + Clone, n_rows: usize) -> ColumnSummary {
    let looks = Looks::of(values.clone());
    let guess = looks.guess(column);
    let (distinct, has_more_distinct) = looks.distinct();
    let is_vector = guess.kind == Some(FieldKind::Vector);
    ColumnSummary {
        why: guess.reason.to_string(),
        guess,
        coverage: if n_rows == 0 { 0.0 } else { looks.n as f32 / n_rows as f32 },
        distinct: if is_vector { 0 } else { distinct as u64 },
        has_more_distinct: has_more_distinct && !is_vector,
        examples: examples(values),
    }
}

fn examples<'v>(values: impl Iterator<Item = (&'v Value, usize)>) -> Vec<String> {
    let mut found: Vec<&Value> = Vec::new();
    for (value, _) in values {
        if found.len() == EXAMPLES {
            break;
        }
        if !matches!(Cell::of(value), Ok(Cell::Missing)) && !found.contains(&value) {
            found.push(value);
        }
    }
    found.into_iter().map(shown).collect()
}

/// Returns a text as it is and all else as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => cut(text.trim()),
        other => cut(&other.to_string()),
    }
}
