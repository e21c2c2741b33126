//! The derivations of feature specs beside those of pandas, for values that are easily read in another way:
//! `benches/cold/derivations_golden.py` writes them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

use recotem_ml::context::Context;
use recotem_ml::error::MlResult;
use recotem_ml::features::{Encoder, FeatureSpec, FeatureTable, FeatureTableBuilder};
use serde_json::{Value, json};

const TOLERANCE: f64 = 1e-12;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/derivations.json")).unwrap()
}

fn table(column: &[Value], other: &[Value]) -> FeatureTable {
    let mut builder = FeatureTableBuilder::new(vec!["a".to_owned(), "other".to_owned()]);
    for (at, value) in column.iter().enumerate() {
        let cells = [(0, value.clone()), (1, other.get(at).cloned().unwrap_or_default())];
        builder.push(&format!("{at:03}"), cells);
    }
    builder.finish().0
}

/// Returns the different results of each value: as categories they are in the order of their texts.
fn derived(derive: &Value, table: &FeatureTable, now_micros: i64) -> MlResult<Vec<Vec<String>>> {
    let options = json!({ "separator": "", "min_count": 1 });
    let field = json!({ "column": "a", "kind": "category", "derive": derive, "options": options });
    let spec: FeatureSpec = serde_json::from_value(json!({ "version": 1, "fields": [field] })).unwrap();
    let (rows, ctx): (Vec<Option<u32>>, Context) = ((0..table.n_rows() as u32).map(Some).collect(), Context::new(0, 1));
    let encoder = Encoder::fit(&spec, table, &rows, now_micros, &ctx)?;
    let encoded = encoder.encode(table, &rows, &ctx)?;
    let term = |column: &u32| encoder.column_name(*column as usize).strip_prefix("a=").unwrap().to_owned();
    Ok((0..rows.len()).map(|row| encoded.row_indices(row).iter().map(term).collect()).collect())
}

fn is_same(found: &str, wanted: &Value) -> bool {
    match wanted.as_f64() {
        None => found == wanted,
        Some(wanted) => (found.parse::<f64>().unwrap() - wanted).abs() <= TOLERANCE * wanted.abs(),
    }
}

#[test]
fn values_are_derived_as_by_pandas() {
    let golden = golden();
    let now_micros = golden["now_micros"].as_i64().unwrap();
    let mut derivations = Vec::new();
    for case in golden["cases"].as_array().unwrap() {
        let column = case["column"].as_array().unwrap();
        let other = case["other"].as_array().map_or(&[][..], |other| other);
        let found = derived(&case["derive"], &table(column, other), now_micros).unwrap();
        for ((value, found), wanted) in column.iter().zip(&found).zip(case["wanted"].as_array().unwrap()) {
            let wanted = wanted.as_array().unwrap();
            let same = found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| is_same(found, wanted));
            assert!(same, "{}: {value} gives {found:?}, pandas {wanted:?}", case["name"]);
        }
        for value in case["refused"].as_array().unwrap() {
            let refused = derived(&case["derive"], &table(std::slice::from_ref(value), &[]), now_micros).unwrap_err();
            assert!(refused.to_string().contains("column \"a\": id \"000\" has"), "{}: {value}: {refused}", case["name"]);
        }
        derivations.extend(case["derive"].as_array().unwrap().iter().map(|step| match step.as_object() {
            Some(step) => step.keys().next().unwrap().clone(),
            None => step.as_str().unwrap().to_owned(),
        }));
    }
    derivations.sort();
    derivations.dedup();
    assert_eq!(derivations, ["age", "bucket", "cross", "extract", "log", "split"], "each derivation is compared");
}
