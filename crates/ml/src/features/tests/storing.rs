//! Encoders come back from a model as they were, and damaged ones are refused.

use proptest::prelude::*;

use super::*;
use crate::tensors::{TensorReader, TensorWriter};

fn saved(encoder: &Encoder) -> Vec<u8> {
    let mut out = TensorWriter::default();
    encoder.save(&mut out, "features");
    out.finish()
}

fn load(bytes: &[u8]) -> MlResult<Encoder> {
    Encoder::load(&TensorReader::open(bytes)?, "features")
}

#[test]
fn an_encoder_comes_back_and_encodes_the_same_bits() {
    let (table, fields) = of_every_kind(60);
    let encoder = fit(fields, &table).unwrap();
    let bytes = saved(&encoder);
    let loaded = load(&bytes).unwrap();
    assert_eq!(loaded, encoder);
    assert_eq!(loaded.spec(), encoder.spec());
    assert_eq!(loaded.column_names(), encoder.column_names());
    assert_eq!(encoded(&loaded, &table), encoded(&encoder, &table));
    assert_eq!(saved(&loaded), bytes);
}

#[test]
fn two_encoders_fit_into_one_model() {
    let (table, fields) = of_every_kind(20);
    let (items, users) = (fit(fields, &table).unwrap(), fit(json!([{"column": "price", "kind": "number"}]), &table).unwrap());
    let mut out = TensorWriter::default();
    items.save(&mut out, "features.items");
    users.save(&mut out, "features.users");
    let bytes = out.finish();
    let input = TensorReader::open(&bytes).unwrap();
    assert_eq!(Encoder::load(&input, "features.items").unwrap(), items);
    assert_eq!(Encoder::load(&input, "features.users").unwrap(), users);
    assert!(Encoder::load(&input, "features").is_err());
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let table = table(&[json!("x"), json!("x"), json!("y"), json!("y")]);
    let text = fit(json!([{"column": "a", "kind": "text"}]), &table).unwrap();
    let stored = |change: &dyn Fn(&mut TensorWriter<'_>)| {
        let mut out = TensorWriter::default();
        text.save(&mut out, "features");
        change(&mut out);
        load(&out.finish())
    };
    assert!(stored(&|_| {}).is_ok());
    for fields in [r#"[{"column":"a","kind":"number"}]"#, "[]", r#"[{"column":"a","kind":"text","weight":0}]"#, "7"] {
        let spec = format!(r#"{{"version":1,"fields":{fields}}}"#);
        assert!(stored(&|out| out.metadata("features.spec", &spec)).is_err(), "{fields}");
    }
    let broken = |knots: &[f32], flags: &[u32]| {
        let mut out = TensorWriter::default();
        out.metadata("features.spec", r#"{"version":1,"fields":[{"column":"a","kind":"number"}]}"#);
        out.i64s("features.now", &[1], vec![0]);
        out.f32s("features.0.knots", &[knots.len()], knots.to_vec());
        out.u32s("features.0.flags", &[flags.len()], flags.to_vec());
        load(&out.finish())
    };
    assert!(broken(&[1.0, 2.0], &[0, 1]).is_ok());
    for (knots, flags) in [
        (&[][..], &[0, 0][..]),
        (&[1.0, 1.0], &[0, 0]),
        (&[2.0, 1.0], &[0, 0]),
        (&[f32::NAN], &[0, 0]),
        (&[1.0], &[2, 0]),
        (&[1.0], &[0]),
        (&[0.0; 17], &[0, 0]),
    ] {
        assert!(broken(knots, flags).is_err(), "{knots:?} {flags:?}");
    }
}

proptest! {
    #[test]
    fn damaged_containers_never_panic(cut in 0usize..6000, places in prop::collection::vec((0usize..6000, any::<u8>()), 0..6)) {
        let (table, fields) = of_every_kind(20);
        let mut bytes = saved(&fit(fields, &table).unwrap());
        let n = bytes.len();
        places.iter().for_each(|(at, byte)| bytes[at % n] = *byte);
        for end in [n, cut % n] {
            if let Ok(loaded) = load(&bytes[..end]) {
                let names = loaded.column_names();
                prop_assert_eq!(names.len(), loaded.n_columns());
                if let Ok(matrix) = loaded.encode(&table, &all(&table), &ctx()) {
                    matrix.validate().unwrap();
                }
            }
        }
    }

    #[test]
    fn any_values_are_encoded_or_refused(
        values in prop::collection::vec("\\PC{0,12}", 1..8),
        numbers in prop::collection::vec(any::<f64>(), 1..8),
        kind in prop::sample::select(vec!["text", "category", "number", "time", "vector"]),
    ) {
        let values: Vec<Value> = values.iter().map(|text| json!(text)).chain(numbers.iter().map(|number| json!(number))).collect();
        let table = table(&values);
        for value in [table.clone(), super::table(&values[values.len() - 1..])] {
            let fields = json!([{"column": "a", "kind": kind, "options": if kind == "time" { json!({"calendar": true}) } else { json!({}) }}]);
            if let Ok(encoder) = fit(fields, &value) {
                encoded(&encoder, &value).validate().unwrap();
            }
        }
    }
}
