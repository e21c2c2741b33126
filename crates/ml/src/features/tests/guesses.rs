//! Guesses are what a person would say, and say why.

use super::*;

/// Guesses the kind of a column of 60 values.
fn guessed(column: &str, value: impl Fn(usize) -> Value) -> Guess {
    let rows: Vec<Vec<Value>> = (0..60).map(|at| vec![value(at)]).collect();
    guess(&table_of(&[column], &rows)).remove(0)
}

#[test]
fn usual_columns_are_recognised() {
    use FieldKind::{Category, Number, Text, Time, Vector};
    let words = ["toy", "story", "heat", "box", "the", "night"];
    let word = |at: usize| words[at % words.len()];
    type Make<'a> = Box<dyn Fn(usize) -> Value + 'a>;
    let cases: Vec<(&str, Make<'_>, Option<FieldKind>)> = vec![
        ("title", Box::new(|at| json!(format!("{} {} {at}", word(at), word(at / 3)))), Some(Text)),
        ("title", Box::new(|at| json!(format!("東京タワー{}", word(at).repeat(at)))), Some(Text)),
        ("genres", Box::new(|at| json!(format!("{}|{}", word(at), word(at * 5 + 1)))), Some(Category)),
        ("tags", Box::new(|at| json!(format!("{}, {}", word(at), word(at / 2)))), Some(Category)),
        ("tags", Box::new(|at| json!(vec![word(at); at % 3 + 1])), Some(Category)),
        ("brand", Box::new(|at| json!(word(at))), Some(Category)),
        ("price", Box::new(|at| json!(at as f64 * 1.25)), Some(Number)),
        ("price", Box::new(|at| json!(format!("{}.5", at))), Some(Number)),
        ("year", Box::new(|at| json!(1960 + at)), Some(Number)),
        ("runtime", Box::new(|at| json!(80 + at)), Some(Number)),
        ("size", Box::new(|at| json!(at % 4)), Some(Category)),
        ("brand_id", Box::new(|at| json!(1000 + at % 15)), Some(Category)),
        ("released", Box::new(|at| json!(format!("2019-01-{:02}", at % 28 + 1))), Some(Time)),
        ("released", Box::new(|at| json!(format!("{:02}-Jan-1995", at % 28 + 1))), Some(Time)),
        ("created_at", Box::new(|at| json!(1_500_000_000 + at * 1000)), Some(Time)),
        ("embedding", Box::new(|at| json!([at as f64, 0.5, 1.5])), Some(Vector)),
        ("embedding", Box::new(|at| json!(format!("[{at}, 0.5]"))), Some(Vector)),
        ("image", Box::new(|at| json!(format!("https://shop.example/{at}.jpg"))), None),
        ("sku", Box::new(|at| json!(format!("B{at:05}X"))), None),
        ("item_id", Box::new(|at| json!(at)), None),
        ("shop", Box::new(|_| json!("one")), None),
        ("empty", Box::new(|_| json!(null)), None),
        ("object", Box::new(|_| json!({"a": 1})), None),
    ];
    for (column, make, kind) in cases {
        let guess = guessed(column, &make);
        assert_eq!(guess.kind, kind, "{column}: {}", guess.reason);
        assert!(!guess.reason.to_string().is_empty());
    }
}

/// Returns `odd` in a few of 60 rows.
fn with_odd(few: usize, odd: Value, value: impl Fn(usize) -> Value) -> impl Fn(usize) -> Value {
    move |at| if at % 20 == 7 && at / 20 < few { odd.clone() } else { value(at) }
}

#[test]
fn a_few_odd_values_do_not_change_what_a_column_is() {
    use FieldKind::{Number, Time};
    let date = |at: usize| json!(format!("2019-01-{:02}", at % 28 + 1));
    let dates = |odd: u64| (Some(Time), Reason::Dates { odd });
    let numbers = |odd: u64| (Some(Number), Reason::Numbers { odd });
    type Make<'a> = Box<dyn Fn(usize) -> Value + 'a>;
    type Case<'a> = (&'static str, Make<'a>, (Option<FieldKind>, Reason));
    let cases: Vec<Case<'_>> = vec![
        ("release_date", Box::new(with_odd(1, json!("unknown"), date)), dates(1)),
        ("released", Box::new(with_odd(3, json!("soon"), date)), dates(3)),
        ("released", Box::new(with_odd(3, json!("N/A"), date)), dates(0)),
        ("created_at", Box::new(with_odd(1, json!("tbd"), |at| json!(1_500_000_000 + at * 1000))), dates(1)),
        ("price", Box::new(with_odd(3, json!("ask"), |at| json!(at as f64 * 1.25))), numbers(3)),
        ("price", Box::new(with_odd(3, json!("n/a"), |at| json!(at as f64 * 1.25))), numbers(0)),
        ("year", Box::new(with_odd(1, json!("1995-05-01"), |at| json!(1960 + at))), numbers(1)),
        ("update_count", Box::new(with_odd(1, json!(12), |at| json!(1960 + at))), numbers(0)),
        ("price", Box::new(|_| json!("N/A")), (None, Reason::Constant)),
        ("price", Box::new(|at| json!(["N/A", "-"][at % 2])), (None, Reason::Empty)),
    ];
    for (column, make, wanted) in cases {
        let guess = guessed(column, &make);
        assert_eq!((guess.kind, guess.reason), wanted, "{column}: {}", guess.reason);
    }
    let vector = |at: usize| json!([at as f64, 0.5, 1.5]);
    let written = |at: usize| json!(format!("[{at}, 0.5, 1.5]"));
    for odd in [json!([1, 2]), json!("[1,2,NaN]"), json!("[1,2]"), json!({"x": 1}), json!("unknown")] {
        for guess in [guessed("emb", with_odd(1, odd.clone(), vector)), guessed("emb", with_odd(3, odd.clone(), written))] {
            let odd = if guess.reason == (Reason::SameWidth { width: 3, odd: 1 }) { 1 } else { 3 };
            assert_eq!((guess.kind, guess.reason), (Some(FieldKind::Vector), Reason::SameWidth { width: 3, odd }), "{odd}");
            let told = format!("each value is a list of 3 numbers, as embeddings are, not counting {odd} that cannot be read");
            assert_eq!(guess.reason.to_string(), told);
        }
    }
    let ids = |at: usize| json!((0..at % 4 + 1).map(|n| (at + n) % 9).collect::<Vec<_>>());
    assert_eq!(guessed("tags", with_odd(2, json!("none of them"), ids)).reason, Reason::Lists);
    let measured = |at: usize| json!((0..at % 4 + 1).map(|n| (at * 7 + n) as f64 / 13.0).collect::<Vec<_>>());
    assert_eq!(guessed("sizes", measured).reason, Reason::Mixed, "lists of different lengths whose numbers do not come back");
    let half = guessed("emb", |at| if at % 2 == 0 { written(at) } else { json!(format!("[{at}]")) });
    assert_ne!(half.reason, Reason::Constant, "numeric lists are values like others");
    let too_many = guessed("released", |at| if at % 15 == 7 { json!("soon") } else { date(at) });
    assert_ne!(too_many.kind, Some(Time), "{}", too_many.reason);
    let told = guessed("released", with_odd(2, json!("soon"), date)).reason.to_string();
    assert_eq!(told, "each value is a date, not counting 2 that cannot be read");
}

#[test]
fn days_of_eight_digits_are_dates_under_any_name_if_all_of_them_are() {
    use FieldKind::{Number, Time};
    for column in ["added", "released", "price"] {
        assert_eq!(guessed(column, |at| json!(20_200_101 + at % 28)).kind, Some(Time), "{column}");
        assert_eq!(guessed(column, |at| json!(format!("199902{:02}", at % 28 + 1))).kind, Some(Time), "{column}");
    }
    assert_eq!(guessed("added", with_odd(1, json!("?"), |at| json!(20_200_101 + at % 28))).kind, Some(Time));
    assert_eq!(guessed("price", |at| json!(19_990_101 + at)).kind, Some(Number), "19990132 is no day");
    assert_eq!(guessed("price", |at| json!(10_010_101 + at % 28)).kind, Some(Number), "of the year 1001");
}

#[test]
fn odd_values_of_guessed_columns_are_missing_now_and_later() {
    let value = |at: usize| with_odd(1, json!("unknown"), |at| json!(format!("2019-01-{:02}", at % 28 + 1)))(at);
    let rows: Vec<Vec<Value>> = (0..60).map(|at| vec![value(at)]).collect();
    let table = table_of(&["released"], &rows);
    let spec = FeatureSpec::from_guesses(&guess(&table));
    let encoder = Encoder::fit(&spec, &table, &all(&table), NOW, &ctx()).unwrap();
    let encoded = encoder.encode(&table, &all(&table), &ctx()).unwrap();
    let missing = |encoded: &Csr, row: usize| {
        let columns = encoded.row_indices(row).iter().map(|column| encoder.column_name(*column as usize));
        columns.collect::<Vec<_>>() == ["released:age in days missing"]
    };
    assert!(missing(&encoded, 7) && !missing(&encoded, 8));
    let later = table_of(&["released"], &[vec![json!("postponed")], vec![json!("2020-05-01")]]);
    let encoded = encoder.encode(&later, &all(&later), &ctx()).unwrap();
    assert!(missing(&encoded, 0) && !missing(&encoded, 1));
    let (_, is_known) = encoder.encode_readable(&later);
    assert_eq!(is_known, [false], "the value cannot be read");
    let strict = FeatureSpec { fields: vec![Field::new("released", FieldKind::Time)] };
    let refused = Encoder::fit(&strict, &table, &all(&table), NOW, &ctx()).unwrap_err().to_string();
    assert!(refused.contains("\"unknown\", which is not a date"), "{refused}");
}

#[test]
fn a_summary_says_how_full_the_column_is() {
    let value = |at: usize| if at.is_multiple_of(4) { Value::Null } else { json!(["x", "y ", "z", "w"][at % 4]) };
    let rows: Vec<Vec<Value>> = (0..60).map(|at| vec![value(at), json!(["é".repeat(90)])]).collect();
    let summaries = summarize(&table_of(&["brand", "note"], &rows));
    let brand = &summaries[0];
    assert_eq!((brand.coverage, brand.distinct, brand.has_more_distinct), (0.75, 3, false));
    assert_eq!(brand.examples, ["y", "z", "w"]);
    assert_eq!(summaries[1].examples, [format!("[\"{}…", "é".repeat(58))]);
    let wire = serde_json::to_value(brand).unwrap();
    assert_eq!(
        (&wire["column"], &wire["kind"], &wire["reason"]),
        (&json!("brand"), &json!("category"), &json!({"word": "repeated"}))
    );
    assert_eq!(wire["why"], "values that come back in other rows");
    assert_eq!(guess(&table_of(&["brand", "note"], &rows)), summaries.into_iter().map(|column| column.guess).collect::<Vec<_>>());
}

#[test]
fn guesses_make_a_spec_that_can_be_fitted() {
    let (table, _) = of_every_kind(200);
    let guesses = guess(&table);
    assert_eq!(guesses.iter().map(|guess| guess.column.as_str()).collect::<Vec<_>>(), table.columns());
    let spec = FeatureSpec::from_guesses(&guesses);
    let kinds: Vec<&str> = spec.fields.iter().map(|field| field.kind.word()).collect();
    assert_eq!(kinds, ["text", "category", "number", "time", "vector"]);
    assert!(Encoder::fit(&spec, &table, &all(&table), NOW, &ctx()).unwrap().n_columns() > 10);
}
