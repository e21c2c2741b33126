//! Bad input is refused by a sentence that names column and id.

use super::*;

fn refused(fields: Value, table: &FeatureTable) -> String {
    fit(fields, table).unwrap_err().to_string()
}

fn refused_kind(kind: &str, values: &[Value]) -> String {
    refused(json!([{"column": "a", "kind": kind}]), &table(values))
}

#[test]
fn values_that_cannot_be_encoded_are_named() {
    for (kind, values, wanted) in [
        ("number", vec![json!(1), json!("cheap")], "column \"a\": id \"000001\" has \"cheap\", which is not a number"),
        ("number", vec![json!("NaN")], "column \"a\": id \"000000\" has NaN, which is not a finite number"),
        ("number", vec![json!(1), json!("-inf")], "id \"000001\" has -inf"),
        ("number", vec![json!(true)], "has \"true\", which is not a number"),
        ("time", vec![json!("2019-02-30")], "column \"a\": id \"000000\" has \"2019-02-30\", which is not a date"),
        ("category", vec![json!({"x": 1})], "column \"a\": id \"000000\" has a JSON object"),
        ("text", vec![json!([["x"]])], "column \"a\": id \"000000\" has an array inside an array"),
        ("vector", vec![json!([1, "x"])], "has \"x\", which is not a number"),
        ("vector", vec![json!([1, null])], "has a vector in which a number is missing"),
        ("vector", vec![json!(vec![0.5; 4097])], "has a vector of 4097 numbers; at most 4096 are possible"),
        (
            "vector",
            vec![json!([1, 2, 3]), json!(null), json!([1, 2])],
            "column \"a\": the vector of id \"000002\" has 2 numbers, and others have 3",
        ),
    ] {
        let found = refused_kind(kind, &values);
        assert!(found.contains(wanted), "{found}");
    }
}

#[test]
fn the_first_bad_value_is_named_on_any_number_of_threads() {
    let values: Vec<Value> = (0..5000).map(|at| if at % 1000 == 999 { json!("x") } else { json!(at) }).collect();
    let table = table(&values);
    let number = spec(json!([{"column": "a", "kind": "number"}]));
    for threads in [1, 2, 5] {
        let error = Encoder::fit(&number, &table, &all(&table), NOW, &Context::new(0, threads)).unwrap_err();
        assert!(error.to_string().contains("id \"000999\""), "{error}");
    }
}

#[test]
fn empty_columns_are_refused() {
    for kind in ["text", "category", "number", "time", "vector"] {
        let found = refused_kind(kind, &[json!(null), json!(" ")]);
        assert!(found.starts_with("column \"a\" is empty in all rows of the training"), "{kind}: {found}");
    }
    let table = table(&[json!("x"), json!("y")]);
    let derived = json!([{"column": "a", "kind": "category", "derive": [{"extract": {"pattern": "\\d"}}]}]);
    assert!(refused(derived, &table).contains("after its derivations"));
    let text = spec(json!([{"column": "a", "kind": "text"}]));
    assert!(Encoder::fit(&text, &table, &[None, None], NOW, &ctx()).is_err());
}

#[test]
fn columns_that_the_table_lacks_are_named_beside_those_it_has() {
    let table = table_of(&["title", "genres"], &[vec![json!("x"), json!("y")]]);
    let found = refused(json!([{"column": "genre", "kind": "text"}]), &table);
    assert!(found.contains("\"genre\"") && found.ends_with("its columns are \"title\", \"genres\""), "{found}");
    let crossed = json!([{"column": "title", "kind": "category", "derive": [{"cross": {"with": "year"}}]}]);
    assert!(refused(crossed, &table).contains("names column \"year\""));
    let encoder = fit(json!([{"column": "title", "kind": "text", "options": {"min_count": 1}}]), &table).unwrap();
    let other = FeatureTable::one("1", json!({"colour": "red"}).as_object().unwrap());
    let found = encoder.encode(&other, &[Some(0)], &ctx()).unwrap_err().to_string();
    assert!(found.contains("\"title\"") && found.contains("\"colour\""), "{found}");
}

#[test]
fn columns_with_too_many_categories_are_refused() {
    let names = |n: usize| table(&(0..n).map(|at| json!(format!("name {}", at / 2))).collect::<Vec<_>>());
    let found = refused(json!([{"column": "a", "kind": "category"}]), &names(200_000));
    assert!(found.contains("column \"a\" has 100000 different values") && found.contains("\"text\""), "{found}");
    let fewer = fit(json!([{"column": "a", "kind": "category"}]), &names(100_000)).unwrap();
    assert_eq!(fewer.n_columns(), 30_000);
}

#[test]
fn wrong_widths_and_rows_are_refused_when_encoding() {
    let table = table(&[json!([1, 2])]);
    let encoder = fit(json!([{"column": "a", "kind": "vector"}]), &table).unwrap();
    let wrong = FeatureTable::one("17", json!({"a": [1, 2, 3]}).as_object().unwrap());
    let found = encoder.encode(&wrong, &[Some(0)], &ctx()).unwrap_err().to_string();
    assert_eq!(found, "column \"a\": the vector of id \"17\" has 3 numbers, and the model was trained with 2");
    assert!(encoder.encode(&table, &[Some(1)], &ctx()).is_err());
    assert!(Encoder::fit(encoder.spec(), &table, &[Some(1)], NOW, &ctx()).is_err());
}

#[test]
fn logarithms_of_negative_numbers_are_refused() {
    let fields = json!([{"column": "a", "kind": "number", "options": {"log": true}}]);
    let found = refused(fields, &table(&[json!(1), json!(-3)]));
    assert!(found.contains("id \"000001\" has -3, and negative numbers have no logarithm"), "{found}");
}

#[test]
fn fitting_and_encoding_can_be_cancelled() {
    let flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let (table, fields) = of_every_kind(30);
    let cancelled = ctx().with_cancel(flag);
    let refused = Encoder::fit(&spec(fields.clone()), &table, &all(&table), NOW, &cancelled);
    assert_eq!(refused.unwrap_err(), crate::error::MlError::Cancelled);
    assert!(fit(fields, &table).unwrap().encode(&table, &all(&table), &cancelled).is_err());
}
