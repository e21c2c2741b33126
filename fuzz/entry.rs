//! The entry points of the fuzzers and of `crates/tabular/tests/readers_survive.rs`, one for each kind of input.
//!
//! Each function may refuse its input in any way but by a panic, and checks the result if it does not refuse.

#![allow(dead_code, reason = "each target uses one function")]

use std::io::Write;
use std::path::Path;

use recotem_ml::artifact::TrainedModel;
use recotem_ml::context::Context;
use recotem_ml::features::{Derivation, Encoder, FeatureSpec, FeatureTable, FeatureTableBuilder};
use recotem_ml::interactions::{InteractionBlock, InteractionLog, InteractionLogBuilder};
use recotem_tabular as tabular;
use recotem_tabular::{ReadOptions, ReadReport, Row, Stop, TableCell, TableOptions};
use serde_json::{Value, json};

/// A function that reads untrusted bytes; only a panic is a failure.
pub type EntryPoint = fn(&[u8]);

/// The entry point of each kind, by name.
pub const ALL: [(&str, EntryPoint); 8] = [
    ("csv", csv),
    ("tsv", tsv),
    ("json", json),
    ("jsonl", jsonl),
    ("parquet", parquet),
    ("prepared", prepared),
    ("model", model),
    ("feature_spec", feature_spec),
];

/// A larger limit would only take memory from the fuzzer.
const MAX_EXPANDED: u64 = 1 << 24;

/// Reads comma-separated values.
pub fn csv(bytes: &[u8]) {
    table(bytes, "x.csv");
}

/// Reads tab-separated values.
pub fn tsv(bytes: &[u8]) {
    table(bytes, "x.tsv");
}

/// Reads one JSON text.
pub fn json(bytes: &[u8]) {
    table(bytes, "x.json");
}

/// Reads JSON lines.
pub fn jsonl(bytes: &[u8]) {
    table(bytes, "x.jsonl");
}

/// Reads Parquet.
pub fn parquet(bytes: &[u8]) {
    table(bytes, "x.parquet");
}

/// Reads the prepared form of an upload.
pub fn prepared(bytes: &[u8]) {
    if let Ok(log) = InteractionLog::from_bytes(bytes) {
        assert_eq!(InteractionLog::from_bytes(&log.to_bytes()).ok().as_ref(), Some(&log));
        assert!(log.to_csr().validate().is_ok());
    }
}

/// Reads a trained model.
pub fn model(bytes: &[u8]) {
    let Ok(model) = TrainedModel::from_bytes(bytes) else { return };
    let items: Vec<String> = model.items.iter().take(3).map(str::to_owned).collect();
    for user in model.users.iter().take(3) {
        model.recommend_user(user, 10, true);
    }
    for item in &items {
        model.similar(item, 10);
    }
    model.recommend_history(&items, 10);
}

/// Reads a feature spec, which comes back from JSON as it was, and encodes a small table with it.
pub fn feature_spec(bytes: &[u8]) {
    let Ok(spec) = serde_json::from_slice::<FeatureSpec>(bytes) else { return };
    if spec.validate().is_err() {
        return;
    }
    let json = serde_json::to_vec(&spec).unwrap_or_default();
    assert_eq!(serde_json::from_slice::<FeatureSpec>(&json).ok().map(rounded), Some(rounded(spec.clone())));
    let (table, ctx) = (items(), Context::new(0, 1));
    let rows: Vec<Option<u32>> = (0..table.n_rows() as u32).map(Some).collect();
    // The last item is new.
    let Ok(encoder) = Encoder::fit(&spec, &table, &rows[..rows.len() - 1], NOW, &ctx) else { return };
    assert_eq!(encoder.column_names().len(), encoder.n_columns());
    let Ok(encoded) = encoder.encode(&table, &rows, &ctx) else { return };
    assert!(encoded.validate().is_ok() && (encoded.n_rows, encoded.n_cols) == (rows.len(), encoder.n_columns()));
    for row in 0..rows.len() {
        assert!(encoder.terms_of(&encoded, row).is_ok() && encoder.nearest(&encoded, row, 2).is_ok());
    }
    assert!(encoder.empty_shares(&encoded).is_ok());
}

/// Rounds the widths of buckets: the last digit of a double is not always read as it was written.
fn rounded(mut spec: FeatureSpec) -> FeatureSpec {
    for derivation in spec.fields.iter_mut().flat_map(|field| &mut field.derive) {
        if let Derivation::Bucket { width } = derivation {
            *width = f64::from(*width as f32);
        }
    }
    spec
}

/// The moment of training of feature specs, in microseconds.
const NOW: i64 = 1_700_000_000_000_000;

/// Returns items with a column of each kind and one of everything.
fn items() -> FeatureTable {
    let columns = ["title", "genres", "price", "added", "embedding", "odd"];
    let rows = [
        json!(["Toy Story (1995)", "a|b", 1.5, "1995-01-31", [1, 0.5], null]),
        json!(["東京タワー 250 ml", "b", -2, "2020-02-29T12:00:00+09:00", [0, 0], "NaN"]),
        json!(["Toy Box (1998)", ["a", "c"], "1e30", 19950131, [-3, 1e30], [1, "x", null]]),
        json!(["", "", null, "n/a", null, true]),
        json!(["toy toy  toy", "c|b", 0, 1_600_000_000, [2, 2], 9_007_199_254_740_993_i64]),
        json!(["Neu", "z", 1e9, "2024-01-01", [1, 1], {"a": 1}]),
    ];
    let mut builder = FeatureTableBuilder::new(columns.map(str::to_owned).to_vec());
    for (at, row) in rows.into_iter().enumerate() {
        let Value::Array(cells) = row else { continue };
        builder.push(&at.to_string(), cells.into_iter().enumerate());
    }
    builder.finish().0
}

/// Reads a table with two and with four columns, row by row and in small blocks, which must give the same result.
fn table(bytes: &[u8], name: &str) {
    let Ok(mut file) = tempfile::NamedTempFile::new() else { return };
    if file.write_all(bytes).is_err() {
        return;
    }
    let small = |options| ReadOptions { max_expanded_bytes: MAX_EXPANDED, max_field_bytes: 300, block_bytes: 16, ..options };
    let two = small(ReadOptions::new("u", "i", None));
    let four = ReadOptions { event_column: Some("e".to_owned()), ..small(ReadOptions::new("u", "i", Some("t".to_owned()))) };
    for options in [two, four] {
        let one_by_one = row_by_row(file.path(), name, &options);
        let in_blocks = in_blocks(file.path(), name, &options);
        assert_eq!(one_by_one, in_blocks, "{name}");
    }
    whole_rows(file.path(), name);
    // A preview may fail, as long as it does not panic.
    drop(tabular::preview(file.path(), name, 3));
}

/// Reads all columns by the ids of items, and checks that the rows match the report.
fn whole_rows(path: &Path, name: &str) {
    let options = TableOptions {
        key_column: "i".to_owned(),
        max_expanded_bytes: MAX_EXPANDED,
        max_cell_bytes: 300,
        max_columns: 8,
        max_rows: 1_000_000,
        stop: Stop::default(),
    };
    let (mut rows, mut widest) = (0, 0);
    let mut sink = |key: &str, cells: Vec<TableCell>| {
        assert!(!key.trim().is_empty() && key.len() <= 300);
        widest = cells.iter().map(|(column, _)| column + 1).max().unwrap_or(0).max(widest);
        rows += 1;
        Ok(())
    };
    if let Ok(report) = tabular::read_table(path, name, &options, &mut sink) {
        assert_eq!(report.rows_total, report.rejected + rows);
        assert!(report.columns.len() <= 8 && widest <= report.columns.len());
    }
}

/// The log and the report, or nothing.
type Outcome = Option<(InteractionLog, ReadReport)>;

fn builder(options: &ReadOptions) -> InteractionLogBuilder {
    let builder = InteractionLogBuilder::new(options.time_column.is_some());
    if options.event_column.is_some() { builder.with_events() } else { builder }
}

fn row_by_row(path: &Path, name: &str, options: &ReadOptions) -> Outcome {
    let mut builder = builder(options);
    let sink = &mut |row: Row<'_>| builder.push_event(row.user, row.item, row.time, row.event.unwrap_or_default());
    let report = tabular::read_interactions(path, name, options, sink).ok()?;
    Some((builder.finish(), report))
}

fn in_blocks(path: &Path, name: &str, options: &ReadOptions) -> Outcome {
    let mut builder = builder(options);
    let empty = builder.block();
    let push = |block: &mut InteractionBlock, row: Row<'_>| {
        block.push_event(row.user, row.item, row.time, row.event.unwrap_or_default());
    };
    let take = &mut |block: &mut InteractionBlock| builder.append(block);
    let report = tabular::read_interactions_in_blocks(path, name, options, 2, empty, push, take).ok()?;
    Some((builder.finish(), report))
}
