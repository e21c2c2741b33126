//! The time that features of items cost, beside the goal of each figure: describing columns, encoding, finding items alike,
//! learning the map to new items, and extending a model: `make bench-features`. Everything is generated; each figure is the better
//! of two rounds.

#![allow(clippy::disallowed_methods, reason = "a benchmark measures durations")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may end by a panic")]

use std::hint::black_box;
use std::time::Instant;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use recotem_ml::algorithms::{Base, ColdMap, Recommender, TrainInput, extend};
use recotem_ml::context::Context;
use recotem_ml::error::MlError;
use recotem_ml::features::{Encoder, FeatureSpec, FeatureTable, FeatureTableBuilder, summarize};
use recotem_ml::registry;
use recotem_ml::sparse::Csr;
use recotem_ml::synthetic::{SyntheticConfig, generate};
use serde_json::{Value, json};

const ROUNDS: usize = 2;
const THREADS: usize = 2;

const CATEGORY_ROWS: usize = 500_000;
const TEXT_ROWS: usize = 200_000;
/// Words of a short text, and of what is known about an item of the catalogue.
const SHORT: usize = 8;
const LONG: usize = 20;
/// Words of the language; the encoder keeps the 30,000 most frequent ones.
const WORDS: usize = 40_000;

/// The catalogue: as many items as gowalla has. Generated users have one of 64 tastes.
const CATALOGUE: SyntheticConfig = SyntheticConfig { n_users: 30_000, n_items: 41_000, n_interactions: 1_000_000, seed: 1 };
const TASTES: usize = 64;
const NEW_ITEMS: usize = 100_000;

/// The table that is described, and the items among which those like one are looked for.
const SUMMARY_ROWS: usize = 100_000;
const SUMMARY_COLUMNS: usize = 20;
const PREVIEW_ITEMS: usize = 40_000;
const PREVIEW_WORDS: usize = 30;

fn main() {
    let ctx = Context::new(0, THREADS);
    println!("{:<64} {:>14}   goal", format!("{THREADS} threads"), "");
    rate("category of 1,000 values, fit and encode", "category", &categories(), 200_000, &ctx);
    rate("text of 8 words, fit and encode", "text", &texts(0, TEXT_ROWS, SHORT), 50_000, &ctx);
    preview(&ctx);

    let spec = spec("text");
    let (known, new) = (texts(0, CATALOGUE.n_items, LONG), texts(CATALOGUE.n_items, NEW_ITEMS, LONG));
    let encoder = Encoder::fit(&spec, &known, &all(&known), 0, &ctx).unwrap();
    let features = encoder.encode(&known, &all(&known), &ctx).unwrap();
    let interactions = interactions();
    let shape = format!("{} items x {} terms", features.n_rows, features.n_cols);
    let input = TrainInput { items: Some(&features), ..TrainInput::from(&interactions) };
    let content = || registry::fit("ContentKNNRecommender", &Default::default(), input, &ctx).unwrap();
    line(&format!("ContentKNN, fit to {shape}"), &format!("{:.2} s", seconds(content)), "");
    for (name, params) in
        [("IALSRecommender", json!({ "n_components": 64, "train_epochs": 8 })), ("CosineKNNRecommender", json!({ "top_k": 100 }))]
    {
        let model = registry::fit(name, params.as_object().unwrap(), input, &ctx).unwrap();
        let fit = || ColdMap::fit(&*model, &features, &interactions, &ctx).unwrap();
        line(&format!("{name}, map from {shape}"), &format!("{:.2} s", seconds(fit)), "< 5 s");
        let map = fit().unwrap();
        println!("{:>66} {}", "its penalty:", map.penalty());
        extension(name, &*model, &map, (&encoder, &new));
    }
}

/// Prints the time of what a page shows while features are chosen.
fn preview(ctx: &Context) {
    let columns = columns();
    let what = format!("summary of {SUMMARY_ROWS} rows x {SUMMARY_COLUMNS} columns on one thread");
    line(&what, &format!("{:.2} s", seconds(|| summarize(&columns))), "< 2 s");
    let items = texts(0, PREVIEW_ITEMS, PREVIEW_WORDS);
    let encoder = Encoder::fit(&spec("text"), &items, &all(&items), 0, ctx).unwrap();
    let encoded = encoder.encode(&items, &all(&items), ctx).unwrap();
    let nearest = seconds(|| encoder.nearest(&encoded, 7, 10).unwrap());
    line(&format!("10 items like one of {PREVIEW_ITEMS}"), &format!("{:.1} ms", nearest * 1e3), "< 20 ms");
}

/// Prints the time of one thread, from the rows of new items to a model that has them.
fn extension(name: &str, model: &dyn Recommender, map: &ColdMap, (encoder, new): (&Encoder, &FeatureTable)) {
    let one = Context::new(0, 1);
    let rows = all(new);
    let extended = seconds(|| {
        let features = encoder.encode(new, &rows, &one).unwrap();
        extend(Base::Borrowed(model), Some(map), &features, &one).unwrap()
    });
    line(&format!("{name}, {NEW_ITEMS} new items on one thread"), &format!("{extended:.2} s"), "<= 2 s");
}

/// Prints the rows that are fitted and encoded in a second.
fn rate(what: &str, kind: &str, table: &FeatureTable, goal: usize, ctx: &Context) {
    let (spec, rows) = (spec(kind), all(table));
    let time = seconds(|| Encoder::fit(&spec, table, &rows, 0, ctx).unwrap().encode(table, &rows, ctx).unwrap());
    line(what, &format!("{:.0} rows/s", rows.len() as f64 / time), &format!(">= {goal} rows/s"));
}

fn line(what: &str, figure: &str, goal: &str) {
    println!("{what:<64} {figure:>14}   {goal}");
}

fn seconds<T>(mut work: impl FnMut() -> T) -> f64 {
    let mut round = || {
        let started = Instant::now();
        black_box(work());
        started.elapsed().as_secs_f64()
    };
    (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min)
}

fn spec(kind: &str) -> FeatureSpec {
    serde_json::from_value(json!({"version": 1, "fields": [{"column": "a", "kind": kind}]})).unwrap()
}

fn all(table: &FeatureTable) -> Vec<Option<u32>> {
    (0..table.n_rows() as u32).map(Some).collect()
}

fn table(values: impl Iterator<Item = String>) -> FeatureTable {
    let mut builder = FeatureTableBuilder::new(vec!["a".to_owned()]);
    values.enumerate().for_each(|(at, value)| builder.push(&format!("{at:07}"), [(0, Value::String(value))]));
    builder.finish().0
}

fn categories() -> FeatureTable {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    table((0..CATEGORY_ROWS).map(|_| format!("category {}", rank(1_000, &mut rng))))
}

/// Returns columns of texts, categories, lists, numbers and dates in turn.
fn columns() -> FeatureTable {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut value = |column: usize, row: usize| match column % 5 {
        0 => json!((0..SHORT).map(|_| word(rank(WORDS, &mut rng))).collect::<Vec<_>>().join(" ")),
        1 => json!(format!("category {}", rank(1_000, &mut rng))),
        2 => json!(format!("{}|{}", word(rank(500, &mut rng)), word(rank(500, &mut rng)))),
        3 => json!(rng.random_range(0..1_000_000) as f64 / 100.0),
        _ => json!(format!("20{:02}-{:02}-{:02}", row % 25, row % 12 + 1, row % 28 + 1)),
    };
    let mut builder = FeatureTableBuilder::new((0..SUMMARY_COLUMNS).map(|column| format!("column {column}")).collect());
    for row in 0..SUMMARY_ROWS {
        builder.push(&format!("{row:07}"), (0..SUMMARY_COLUMNS).map(|column| (column, value(column, row))));
    }
    builder.finish().0
}

/// Returns texts of frequent and of rare words; one in five is of those that items of the same taste have.
fn texts(first: usize, n: usize, n_words: usize) -> FeatureTable {
    let mut rng = ChaCha8Rng::seed_from_u64(first as u64);
    let per_taste = WORDS / 20 / TASTES;
    let mut one = |item: usize| {
        let of_taste = |rng: &mut ChaCha8Rng| WORDS / 20 + item % TASTES * per_taste + rng.random_range(0..per_taste);
        let word = |at: usize| word(if at.is_multiple_of(5) { of_taste(&mut rng) } else { rank(WORDS, &mut rng) });
        (0..n_words).map(word).collect::<Vec<_>>().join(" ")
    };
    table((first..first + n).map(&mut one))
}

/// Draws a rank that is the rarer the higher it is, by Zipf's law.
fn rank(n: usize, rng: &mut ChaCha8Rng) -> usize {
    ((n as f64 + 1.0).powf(rng.random::<f64>()) as usize).clamp(1, n) - 1
}

/// Returns a word that can be read aloud.
fn word(mut number: usize) -> String {
    let mut word = String::new();
    while word.is_empty() || number > 0 {
        word.push(char::from(b"bcdfghklmnprstvz"[number % 16]));
        word.push(char::from(b"aeiou"[number / 16 % 5]));
        number /= 80;
    }
    word
}

fn interactions() -> Csr {
    let (mut users, mut items) = (Vec::new(), Vec::new());
    let mut take = |user: u32, of_user: &[u32]| -> Result<(), MlError> {
        users.extend(of_user.iter().map(|_| user));
        items.extend_from_slice(of_user);
        Ok(())
    };
    generate(CATALOGUE, &mut take).unwrap();
    Csr::from_pairs(CATALOGUE.n_users, CATALOGUE.n_items, &users, &items).unwrap()
}
