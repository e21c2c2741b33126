//! Encoded features and neighbours by content beside those of scikit-learn: TF-IDF for each field and the cosine of both, as
//! `benches/cold/content_golden.py` writes them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

use recotem_ml::algorithms::TrainInput;
use recotem_ml::context::Context;
use recotem_ml::features::{Encoder, FeatureSpec, FeatureTable, FeatureTableBuilder};
use recotem_ml::registry::fit;
use recotem_ml::sparse::Csr;
use serde_json::{Map, Value, json};

const TOLERANCE: f64 = 1e-5;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/content_knn.json")).unwrap()
}

fn table(golden: &Value) -> FeatureTable {
    let mut builder = FeatureTableBuilder::new(vec!["title".to_owned(), "categories".to_owned()]);
    for item in golden["items"].as_array().unwrap() {
        let cells = [(0, item["title"].clone()), (1, item["categories"].clone())];
        builder.push(item["item_id"].as_str().unwrap(), cells);
    }
    builder.finish().0
}

fn encoded(golden: &Value, ctx: &Context) -> (Encoder, Csr) {
    let fields = json!([{ "column": "title", "kind": "text" }, { "column": "categories", "kind": "category" }]);
    let spec: FeatureSpec = serde_json::from_value(json!({ "version": 1, "fields": fields })).unwrap();
    let table = table(golden);
    // The ids are in byte order.
    let rows: Vec<Option<u32>> = (0..table.n_rows() as u32).map(Some).collect();
    let encoder = Encoder::fit(&spec, &table, &rows, 0, ctx).unwrap();
    let encoded = encoder.encode(&table, &rows, ctx).unwrap();
    (encoder, encoded)
}

#[test]
fn terms_and_their_weights_are_those_of_scikit_learn() {
    let golden = golden();
    let (encoder, encoded) = encoded(&golden, &Context::new(0, 2));
    let (titles, categories) = (golden["title_terms"].as_array().unwrap(), golden["category_terms"].as_array().unwrap());
    assert_eq!(encoder.n_columns(), titles.len() + categories.len());
    let column_of = |term: &str, field: usize| {
        let wanted = |at: &usize| encoder.column_name(*at).ends_with(&format!("{}{term}", if field == 0 { ':' } else { '=' }));
        encoder.field_columns(field).find(wanted).unwrap_or_else(|| panic!("no column of {term:?}"))
    };
    let of_titles = titles.iter().map(|term| column_of(term["term"].as_str().unwrap(), 0));
    let columns: Vec<usize> =
        of_titles.chain(categories.iter().map(|term| column_of(term["term"].as_str().unwrap(), 1))).collect();
    for (row, wanted) in golden["encoded"].as_array().unwrap().iter().enumerate() {
        let wanted = wanted.as_array().unwrap();
        assert_eq!(encoded.row_len(row), wanted.len(), "item {row}");
        for entry in wanted {
            let (indices, values) = encoded.row(row);
            let column = columns[entry[0].as_u64().unwrap() as usize] as u32;
            let value = indices.binary_search(&column).map(|at| f64::from(values[at])).unwrap();
            assert!(
                (value - entry[1].as_f64().unwrap()).abs() < TOLERANCE,
                "item {row}, {}: {value} {entry}",
                encoder.column_name(column as usize)
            );
        }
    }
}

#[test]
fn neighbours_are_those_of_the_cosine() {
    let golden = golden();
    let ctx = Context::new(0, 2);
    let (_, features) = encoded(&golden, &ctx);
    let n = features.n_rows;
    let without_users = Csr::empty(0, n);
    let cosines = golden["cosine"].as_array().unwrap();
    for top_k in [4, 100] {
        let params = Map::from_iter([("top_k".to_owned(), json!(top_k))]);
        let model =
            fit("ContentKNN", &params, TrainInput { items: Some(&features), ..TrainInput::from(&without_users) }, &ctx).unwrap();
        let mut weights = vec![0f32; n];
        for known in 0..n {
            model.similar_items(known as u32, &mut weights).unwrap();
            for scored in (0..n).filter(|&scored| scored != known) {
                let cosine = |other: usize| cosines[scored][other].as_f64().unwrap();
                // Whether the known one is among the nearest of the scored one; equal ones go to the first.
                let nearer = (0..n).filter(|&other| other != scored && cosine(other) > cosine(known) + TOLERANCE).count();
                let tied =
                    (0..n).any(|other| other != known && other != scored && (cosine(other) - cosine(known)).abs() <= TOLERANCE);
                let weight = f64::from(weights[scored]);
                if nearer < top_k && !tied {
                    assert!((weight - cosine(known)).abs() < TOLERANCE, "{top_k}: {known} for {scored}: {weight}");
                }
                assert!(weight == 0.0 || (weight - cosine(known)).abs() < TOLERANCE, "{top_k}: {known} for {scored}: {weight}");
                assert!(nearer < top_k || weight == 0.0, "{top_k}: {known} is too far from {scored}");
            }
        }
    }
}
