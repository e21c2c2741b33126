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
        assert_eq!(guess.kind, kind, "{column}: {} ({:?})", guess.reason, guess.examples);
        assert!(!guess.reason.to_string().is_empty());
    }
}

#[test]
fn a_guess_says_how_full_the_column_is() {
    let guess = guessed("brand", |at| if at % 4 == 0 { Value::Null } else { json!(["x", "y", "z", "w"][at % 4]) });
    assert_eq!((guess.coverage, guess.distinct), (0.75, 3));
    assert_eq!(guess.examples, [json!("y"), json!("z"), json!("w")]);
    assert_eq!(serde_json::to_value(guess.reason).unwrap(), json!({"word": "repeated"}));
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
