//! What comes from outside cannot take all memory or all time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::context::Interrupt;
use crate::error::MlError;

const MB: u64 = 1 << 20;

/// Returns texts that have nothing in common, of this many words each.
fn texts(rows: usize, words: usize) -> Vec<Value> {
    (0..rows).map(|row| json!((0..words).map(|word| format!("w{row}x{word}")).collect::<Vec<_>>().join(" "))).collect()
}

fn within(bytes: u64) -> Context {
    ctx().with_memory_budget(bytes)
}

fn fit_within(fields: Value, table: &FeatureTable, bytes: u64) -> Result<usize, MlError> {
    Encoder::fit(&spec(fields), table, &all(table), NOW, &within(bytes)).map(|encoder| encoder.n_columns())
}

#[test]
fn the_terms_of_all_fields_together_have_to_fit_into_memory() {
    let table = table(&texts(100, 100));
    let field = json!({"column": "a", "kind": "text", "options": {"min_count": 1}});
    let fields = |n: usize| Value::Array(vec![field.clone(); n]);
    // Counting ten thousand words takes two megabytes, and a vocabulary of them less than one.
    assert_eq!(fit_within(fields(1), &table, 6 * MB), Ok(10_000));
    let refused = fit_within(fields(40), &table, 6 * MB).unwrap_err();
    assert!(matches!(&refused, MlError::MemoryBudget { what, .. } if what.contains("terms")), "{refused}");
    assert_eq!(fit_within(fields(40), &table, 60 * MB), Ok(400_000));
}

#[test]
fn pairs_count_as_the_texts_that_they_are_and_not_as_those_they_are_made_of() {
    let row = |row: usize| {
        let texts = |letter: char| (0..30).map(|n| format!("{letter}{row}-{n}{}", "x".repeat(60))).collect::<Vec<_>>();
        vec![json!(texts('a')), json!(texts('b'))]
    };
    let table = table_of(&["a", "b"], &(0..40).map(row).collect::<Vec<_>>());
    let crossed = json!([{"column": "a", "kind": "category", "derive": [{"cross": {"with": "b"}}], "options": {"min_count": 1}}]);
    assert!(table.heap_bytes() < MB);
    // 36,000 pairs of 140 bytes.
    assert!(matches!(fit_within(crossed.clone(), &table, 6 * MB), Err(MlError::MemoryBudget { .. })));
    assert_eq!(fit_within(crossed, &table, 60 * MB), Ok(30_000));
}

#[test]
fn encoding_asks_for_its_memory() {
    let table = table(&texts(100, 100));
    let encoder = fit(json!([{"column": "a", "kind": "text", "options": {"min_count": 1}}]), &table).unwrap();
    let refused = encoder.encode(&table, &all(&table), &within(1000)).unwrap_err();
    assert!(matches!(refused, MlError::MemoryBudget { .. }), "{refused}");
    encoder.encode(&table, &all(&table), &within(2 * MB)).unwrap();
}

#[test]
fn derivations_and_long_values_are_left_at_the_next_row() {
    let short: Vec<Value> = (0..400).map(|row| json!(format!("{}", row % 7))).collect();
    let long: Vec<Value> = (0..400).map(|row| json!(format!("{} {}", row % 7, "x".repeat(2000)))).collect();
    let plain = json!([{"column": "a", "kind": "text"}]);
    let derived = json!([{"column": "a", "kind": "text", "derive": [{"extract": {"pattern": "\\d"}}]}]);
    for (fields, values, at_least) in [(&plain, &short, 25), (&plain, &long, 400), (&derived, &short, 400)] {
        let table = table(values);
        let encoder = fit(fields.clone(), &table).unwrap();
        let checks = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&checks);
        let counting = ctx().with_interrupt(Arc::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            None
        }));
        encoder.encode(&table, &all(&table), &counting).unwrap();
        assert!(checks.load(Ordering::Relaxed) >= at_least, "{fields}: {checks:?}");
    }
    let table = table(&short);
    let late = ctx().with_interrupt(Arc::new(|| Some(Interrupt::TimeOut)));
    let lenient = spec(json!([{"column": "a", "kind": "number", "options": {"lenient": true}}]));
    assert_eq!(Encoder::fit(&lenient, &table, &all(&table), NOW, &late).unwrap_err(), MlError::TimedOut);
}
