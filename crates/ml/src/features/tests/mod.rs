//! The module as its callers use it.

mod encoding;
mod errors;
mod faults;
mod guesses;
mod limits;
mod preview;
mod storing;

use serde_json::{Value, json};

use super::*;
use crate::context::Context;
use crate::error::MlResult;
use crate::sparse::Csr;

/// 2020-01-01, the moment of training.
const NOW: i64 = 18_262 * 86_400 * 1_000_000;

fn ctx() -> Context {
    Context::new(0, 2)
}

/// Creates a table of one column `a` whose ids are in the order of the values.
fn table(values: &[Value]) -> FeatureTable {
    table_of(&["a"], &values.iter().map(|value| vec![value.clone()]).collect::<Vec<_>>())
}

/// Creates a table from its rows.
fn table_of(columns: &[&str], rows: &[Vec<Value>]) -> FeatureTable {
    let mut builder = FeatureTableBuilder::new(columns.iter().map(|&column| column.to_owned()).collect());
    for (at, row) in rows.iter().enumerate() {
        builder.push(&format!("{at:06}"), row.iter().cloned().enumerate());
    }
    builder.finish().0
}

/// Creates a spec from its fields as JSON.
fn spec(fields: Value) -> FeatureSpec {
    serde_json::from_value(json!({"version": 1, "fields": fields})).unwrap()
}

fn all(table: &FeatureTable) -> Vec<Option<u32>> {
    (0..table.n_rows() as u32).map(Some).collect()
}

fn fit(fields: Value, table: &FeatureTable) -> MlResult<Encoder> {
    Encoder::fit(&spec(fields), table, &all(table), NOW, &ctx())
}

fn encoded(encoder: &Encoder, table: &FeatureTable) -> Csr {
    let matrix = encoder.encode(table, &all(table), &ctx()).unwrap();
    matrix.validate().unwrap();
    assert_eq!((matrix.n_rows, matrix.n_cols), (table.n_rows(), encoder.n_columns()));
    matrix
}

/// Asserts that a row has these entries, to within 1e-6.
fn assert_row(matrix: &Csr, row: usize, wanted: &[(u32, f64)]) {
    let (columns, values) = matrix.row(row);
    assert_eq!(columns, wanted.iter().map(|(column, _)| *column).collect::<Vec<_>>(), "row {row}");
    for (value, (_, wanted)) in values.iter().zip(wanted) {
        assert!((f64::from(*value) - wanted).abs() < 1e-6, "row {row}: {values:?}");
    }
}

/// Returns a table and fields of every kind.
fn of_every_kind(n_rows: usize) -> (FeatureTable, Value) {
    let words = ["toy", "story", "box", "東京タワー", "the", "Heat", "猫"];
    let rows: Vec<Vec<Value>> = (0..n_rows)
        .map(|at| {
            let word = |step: usize| words[at * step % words.len()];
            vec![
                if at % 11 == 3 { Value::Null } else { json!(format!("{} {} ({})", word(1), word(3), 1990 + at % 17)) },
                json!(format!("{}|g{}", word(2), at % 5)),
                if at % 7 == 2 { Value::Null } else { json!((at * at % 100) as f64 / 4.0) },
                json!(format!("20{:02}-0{}-15", at % 19, at % 9 + 1)),
                json!([at as f64, 1.5, -(at as f64) / 3.0]),
            ]
        })
        .collect();
    let fields = json!([
        {"column": "title", "kind": "text", "options": {"word_pairs": true}},
        {"column": "title", "kind": "category", "weight": 0.5,
         "derive": [{"extract": {"pattern": "\\((\\d{4})\\)"}}, {"bucket": {"width": 5}}, {"cross": {"with": "genres"}}]},
        {"column": "genres", "kind": "category"},
        {"column": "price", "kind": "number", "weight": 2},
        {"column": "added", "kind": "time", "options": {"calendar": true}},
        {"column": "embedding", "kind": "vector"}
    ]);
    (table_of(&["title", "genres", "price", "added", "embedding"], &rows), fields)
}
