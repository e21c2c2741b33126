//! Any spec that is valid by itself can be written and read, and encodes a table or says why not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

use proptest::prelude::*;
use proptest::sample::select;
use recotem_ml::context::Context;
use recotem_ml::features::{Encoder, FeatureSpec, FeatureTable, FeatureTableBuilder};
use serde_json::{Map, Value, json};

const COLUMNS: [&str; 6] = ["title", "genres", "price", "added", "embedding", "odd"];

fn table() -> FeatureTable {
    let mut builder = FeatureTableBuilder::new(COLUMNS.map(str::to_owned).to_vec());
    for at in 0..12 {
        let row = [
            json!(["Toy Story (1995)", "東京タワー 250 ml", "", "toy box"][at % 4]),
            [json!("a|b"), json!(["b", null, 3]), Value::Null][at % 3].clone(),
            [json!(1.5), json!("-2"), json!(0), json!("n/a"), json!(1e30)][at % 5].clone(),
            [json!("1995-01-31"), json!("2020-02-29T12:00:00+09:00"), json!(1_600_000_000)][at % 3].clone(),
            [json!([1, 0.5]), json!("[0, -1e30]"), Value::Null][at % 3].clone(),
            [json!("NaN"), json!("inf"), json!(true), json!("2020"), json!([1, 2])][at % 5].clone(),
        ];
        builder.push(&format!("{at:02}"), row.into_iter().enumerate());
    }
    builder.finish().0
}

fn derivations() -> impl Strategy<Value = Value> {
    let pattern = select(vec!["(\\d+)", "[ァ-ヺー]+", "", "(x)?", "^.", "\\w*", "(?i)TOY"]);
    prop_oneof![
        pattern.prop_map(|pattern| json!({ "extract": { "pattern": pattern } })),
        select(vec!["|", " ", "タ", "ab"]).prop_map(|separator| json!({ "split": { "separator": separator } })),
        select(vec![0.1, 0.5, 5.0, 1e6]).prop_map(|width| json!({ "bucket": { "width": width } })),
        Just(json!("log")),
        Just(json!("age")),
        select(COLUMNS.to_vec()).prop_map(|with| json!({ "cross": { "with": with } })),
    ]
}

fn options(kind: &str) -> BoxedStrategy<Value> {
    let terms = (1u32..4, 1u32..9);
    let knots = (2u32..=16, any::<bool>(), any::<bool>());
    match kind {
        "text" => (terms, any::<bool>())
            .prop_map(|((min, max), pairs)| json!({ "min_count": min, "max_terms": max, "word_pairs": pairs }))
            .boxed(),
        "category" => (terms, select(vec!["", "|", "b"]))
            .prop_map(|((min, max), separator)| json!({ "min_count": min, "max_terms": max, "separator": separator }))
            .boxed(),
        "number" => knots.prop_map(|(knots, log, _)| json!({ "knots": knots, "log": log })).boxed(),
        "time" => knots.prop_map(|(knots, log, calendar)| json!({ "knots": knots, "log": log, "calendar": calendar })).boxed(),
        _ => Just(json!({})).boxed(),
    }
}

fn fields() -> impl Strategy<Value = Value> {
    let kind = select(vec!["text", "category", "number", "time", "vector"]);
    let with_options = kind.prop_flat_map(|kind| (Just(kind), proptest::option::of(options(kind))));
    let weight = select(vec![1e-6, 0.5, 1.0, 1e6, 3e38]);
    (select(COLUMNS.to_vec()), with_options, weight, proptest::collection::vec(derivations(), 0..3)).prop_map(
        |(column, (kind, options), weight, derive)| {
            let mut field = Map::new();
            field.insert("column".to_owned(), column.into());
            field.insert("kind".to_owned(), kind.into());
            field.insert("weight".to_owned(), weight.into());
            field.insert("derive".to_owned(), derive.into());
            field.extend(options.map(|options| ("options".to_owned(), options)));
            Value::Object(field)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_spec_comes_back_and_encodes_or_is_refused(fields in proptest::collection::vec(fields(), 1..4)) {
        let spec: FeatureSpec = serde_json::from_value(json!({ "version": 1, "fields": fields })).unwrap();
        if let Err(refused) = spec.validate() {
            prop_assert!(refused.to_string().starts_with("column \""), "{}", refused);
            return Ok(());
        }
        let json = serde_json::to_string(&spec).unwrap();
        prop_assert_eq!(&serde_json::from_str::<FeatureSpec>(&json).unwrap(), &spec);
        let (table, ctx) = (table(), Context::new(0, 1));
        let rows: Vec<Option<u32>> = (0..table.n_rows() as u32).map(Some).collect();
        let encoder = match Encoder::fit(&spec, &table, &rows[..9], 1_700_000_000_000_000, &ctx) {
            Ok(encoder) => encoder,
            Err(refused) => {
                prop_assert!(refused.to_string().starts_with("column \""), "{}", refused);
                return Ok(());
            }
        };
        let Ok(encoded) = encoder.encode(&table, &rows, &ctx) else { return Ok(()) };
        encoded.validate().unwrap();
        prop_assert_eq!((encoded.n_rows, encoded.n_cols), (rows.len(), encoder.column_names().len()));
        for row in 0..rows.len() {
            prop_assert_eq!(encoder.terms_of(&encoded, row).unwrap().len(), spec.fields.len());
            encoder.nearest(&encoded, row, 3).unwrap();
        }
    }
}
