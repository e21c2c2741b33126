//! What a training does with values that it cannot read, and with columns that say nothing.

use super::*;

fn learnt(fields: Value, table: &FeatureTable) -> MlResult<(Encoder, Csr)> {
    Encoder::fit_and_encode(&spec(fields), table, (&all(table), &all(table)), NOW, &ctx())
}

fn notes(encoder: &Encoder) -> Vec<&str> {
    encoder.notes().iter().map(|note| note.text.as_str()).collect()
}

#[test]
fn values_that_cannot_be_read_are_left_out_alone_and_named() {
    for (kind, bad, what) in [
        ("number", json!("on request"), "id \"000002\" has \"on request\", which is not a number"),
        ("number", json!("NaN"), "id \"000002\" has NaN, which is not a finite number of usual size"),
        ("time", json!("tomorrow"), "id \"000002\" has \"tomorrow\", which is not a date"),
        ("category", json!({"x": 1}), "id \"000002\" has a JSON object"),
        ("category", json!(["x", ["x"]]), "id \"000002\" has an array inside an array"),
        ("text", json!(["x", {"x": 1}]), "id \"000002\" has a JSON object inside an array"),
        ("vector", json!([1, 2, 3]), "the vector of id \"000002\" has 3 numbers, and others have 2"),
        ("vector", json!("abc"), "id \"000002\" has \"abc\", which is not a number"),
    ] {
        let good = |at: usize| match kind {
            "number" => json!(at),
            "time" => json!(format!("2019-0{}-01", at + 1)),
            "vector" => json!([at, 1]),
            _ => json!("x"),
        };
        let values = |bad: &Value| (0..6).map(|at| if at == 2 { bad.clone() } else { good(at) }).collect::<Vec<_>>();
        let fields = json!([{"column": "a", "kind": kind}]);
        let (encoder, matrix) = learnt(fields.clone(), &table(&values(&bad))).unwrap();
        let (without, expected) = learnt(fields, &table(&values(&Value::Null))).unwrap();
        assert!(notes(&without).is_empty(), "{kind}");
        assert_eq!((&matrix, &encoder), (&expected, &without), "{kind} {bad}: as if the value were missing");
        let [note] = notes(&encoder)[..] else { panic!("{kind}: {:?}", encoder.notes()) };
        assert!(note.starts_with("column \"a\": ") && note.contains(what) && note.ends_with("this value is left out"), "{note}");
        assert_eq!(encoder.warning(0), Some(format!("C{}.", &note[1..])));
    }
}

#[test]
fn many_bad_values_are_counted_and_the_first_is_named_on_any_number_of_threads() {
    let values: Vec<Value> = (0..5000).map(|at| if at % 1000 == 999 { json!("x") } else { json!(at) }).collect();
    let (table, number) = (table(&values), spec(json!([{"column": "a", "kind": "number"}])));
    for threads in [1, 2, 5] {
        let encoder = Encoder::fit_readable(&number, &table, &all(&table), NOW, &Context::new(0, threads)).unwrap();
        let note = notes(&encoder)[0];
        assert!(note.contains("id \"000999\"") && note.ends_with("this value and 4 others of the column are left out"), "{note}");
    }
}

#[test]
fn a_column_of_which_nothing_can_be_read_is_refused() {
    let words = table(&[json!("lamp"), json!("desk")]);
    let refused = learnt(json!([{"column": "a", "kind": "number"}]), &words).unwrap_err().to_string();
    assert_eq!(refused, "column \"a\": id \"000000\" has \"lamp\", which is not a number");
}

#[test]
fn most_vectors_decide_the_width() {
    let table = table(&[json!([1]), json!([1, 2]), json!([3, 4]), json!([5, 6, 7])]);
    let (encoder, matrix) = learnt(json!([{"column": "a", "kind": "vector"}]), &table).unwrap();
    assert_eq!((encoder.n_columns(), (0..4).map(|row| matrix.row_len(row)).collect::<Vec<_>>()), (2, vec![0, 2, 2, 0]));
    assert!(notes(&encoder)[0].contains("id \"000000\" has 1 number, and others have 2; this value and one other"));
}

#[test]
fn rows_that_cannot_be_read_are_left_out_alone() {
    let prices = table(&[json!(1), json!(2), json!(3)]);
    let encoder = fit(json!([{"column": "a", "kind": "number"}]), &prices).unwrap();
    let values: Vec<Value> = (0..2000).map(|at| if at % 400 == 7 { json!("on request") } else { json!(at % 3 + 1) }).collect();
    let new = table(&values);
    let (matrix, left_out) = encoder.encode_readable_rows(&new, &all(&new), &ctx()).unwrap();
    let empty: Vec<usize> = (0..2000).filter(|row| matrix.row_len(*row) == 0).collect();
    assert_eq!((empty, left_out.n), (vec![7, 407, 807, 1207, 1607], 5));
    assert_eq!(left_out.examples.len(), 3);
    assert_eq!(left_out.examples[0], "column \"a\": id \"000007\" has \"on request\", which is not a number");
    assert_eq!(matrix.clone().without_empty_rows().n_rows, 1995);
}

#[test]
fn a_column_that_says_nothing_is_told_and_refused_if_there_is_no_other() {
    let codes: Vec<Value> = (0..9).map(|at| json!(format!("c{at}"))).collect();
    for (kind, what) in [("category", "values"), ("text", "words")] {
        let refused = learnt(json!([{"column": "a", "kind": kind}]), &table(&codes)).unwrap_err().to_string();
        let flaw = format!(
            "column \"a\" has 9 different {what}, and none is in at least 2 rows of the training, so it makes no two alike; leave \
             the column out"
        );
        assert_eq!(refused, flaw);
        assert_eq!(fit(json!([{"column": "a", "kind": kind}]), &table(&codes)).unwrap_err().to_string(), flaw);
        let rows: Vec<Vec<Value>> = codes.iter().map(|code| vec![code.clone(), json!(1)]).collect();
        let two = json!([{"column": "a", "kind": kind}, {"column": "b", "kind": "number"}]);
        let (encoder, _) = learnt(two, &table_of(&["a", "b"], &rows)).unwrap();
        assert_eq!((notes(&encoder), encoder.notes()[0].field), (vec![flaw.as_str()], 0));
    }
    let signs = learnt(json!([{"column": "a", "kind": "text"}]), &table(&[json!("!"), json!("?!")])).unwrap_err().to_string();
    assert!(signs.starts_with("column \"a\" has no words"), "{signs}");
}

#[test]
fn without_a_moment_ages_are_measured_from_the_latest_date_of_the_training_items() {
    let rows = |dates: &[&str]| table(&dates.iter().map(|date| json!(date)).collect::<Vec<_>>());
    let known = rows(&["2019-01-01", "2019-12-31", "2020-01-01", "soon", "2033-01-01"]);
    let first = &all(&known)[..4];
    for fields in [
        json!([{"column": "a", "kind": "time"}]),
        json!([{"column": "a", "kind": "number", "derive": ["age"]}]),
        json!([{"column": "a", "kind": "number", "derive": [{"extract": {"pattern": "[0-9-]+"}}, "age"]}]),
    ] {
        let of = |now: Option<i64>| Encoder::fit_readable(&spec(fields.clone()), &known, first, now, &ctx()).unwrap();
        assert_eq!(of(None), of(Some(NOW)), "{fields}");
        assert_ne!(of(None), of(Some(NOW + 1)), "{fields}");
    }
    let undated = spec(json!([{"column": "a", "kind": "text", "options": {"min_count": 1}}]));
    assert!(Encoder::fit(&undated, &known, first, None, &ctx()).is_ok());
}
