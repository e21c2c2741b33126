//! Encoded values are those computed by hand or by scikit-learn.

use super::*;

const HALF: f64 = std::f64::consts::FRAC_1_SQRT_2;

fn texts(values: &[&str]) -> FeatureTable {
    table(&values.iter().map(|value| json!(value)).collect::<Vec<_>>())
}

#[test]
fn text_equals_scikit_learn() {
    // TfidfVectorizer(sublinear_tf=True, min_df=2, norm='l2', smooth_idf=True, token_pattern=r"(?u)\b\w+\b")
    let table = texts(&[
        "toy story toy box",
        "The story of the box",
        "heat",
        "toy heat heat HEAT!",
        "unique words only",
        "the toy of heat",
    ]);
    let encoder = fit(json!([{"column": "a", "kind": "text"}]), &table).unwrap();
    assert_eq!(encoder.column_names(), ["a:box", "a:heat", "a:of", "a:story", "a:the", "a:toy"]);
    let matrix = encoded(&encoder, &table);
    assert_row(&matrix, 0, &[(0, 0.497_310_1), (3, 0.497_310_1), (5, 0.710_890_5)]);
    assert_row(&matrix, 1, &[(0, 0.412_858_6), (2, 0.412_858_6), (3, 0.412_858_6), (4, 0.699_030_3)]);
    assert_row(&matrix, 2, &[(1, 1.0)]);
    assert_row(&matrix, 3, &[(1, 0.902_750_1), (5, 0.430_165_3)]);
    assert_row(&matrix, 4, &[]);
    assert_row(&matrix, 5, &[(1, 0.456_156_3), (2, 0.540_297_5), (4, 0.540_297_5), (5, 0.456_156_3)]);
}

#[test]
fn japanese_titles_share_bigrams() {
    let table = texts(&["東京タワー", "ﾀﾜｰ", "京都"]);
    let encoder = fit(json!([{"column": "a", "kind": "text"}]), &table).unwrap();
    assert_eq!(encoder.column_names(), ["a:タワ", "a:ワー"]);
    let matrix = encoded(&encoder, &table);
    assert_row(&matrix, 0, &[(0, HALF), (1, HALF)]);
    assert_row(&matrix, 1, &[(0, HALF), (1, HALF)]);
    assert_row(&matrix, 2, &[]);
}

#[test]
fn terms_of_other_items_have_no_column() {
    let table = texts(&["known", "known", "hidden known", "hidden"]);
    let fields = json!([{"column": "a", "kind": "text"}, {"column": "a", "kind": "category"}]);
    let rows = [Some(0), Some(1), None];
    let encoder = Encoder::fit(&spec(fields), &table, &rows, NOW, &ctx()).unwrap();
    assert_eq!(encoder.column_names(), ["a:known", "a=known"]);
    let matrix = encoded(&encoder, &table);
    assert_row(&matrix, 2, &[(0, 1.0)]);
    assert_row(&matrix, 3, &[]);
    // Numbers of other items do not move the knots either.
    let table = super::table(&[json!(1), json!(2), json!(1000)]);
    let number = spec(json!([{"column": "a", "kind": "number"}]));
    let encoder = Encoder::fit(&number, &table, &[Some(0), Some(1)], NOW, &ctx()).unwrap();
    assert_eq!(encoder.column_names(), ["a≈1", "a≈2"]);
}

#[test]
fn rare_and_superfluous_terms_are_dropped() {
    let table = texts(&["a b c", "a b c", "a b d", "a e"]);
    let names =
        |options: Value| fit(json!([{"column": "a", "kind": "text", "options": options}]), &table).unwrap().column_names();
    assert_eq!(names(json!({"min_count": 3})), ["a:a", "a:b"]);
    assert_eq!(names(json!({"max_terms": 1})), ["a:a"]);
    assert_eq!(names(json!({"min_count": 1, "max_terms": 4})), ["a:a", "a:b", "a:c", "a:d"]);
    assert_eq!(names(json!({"word_pairs": true})), ["a:a", "a:a b", "a:b", "a:b c", "a:c"]);
}

#[test]
fn categories_are_divided_as_their_column_is() {
    let category = |values: &[Value], options: Value| {
        let table = table(values);
        fit(json!([{"column": "a", "kind": "category", "options": options}]), &table).unwrap().column_names()
    };
    let bars = [json!("Comedy|Drama"), json!("Drama"), json!("Comedy"), json!("Drama")];
    assert_eq!(category(&bars, json!({})), ["a=Comedy", "a=Drama"]);
    assert_eq!(category(&bars, json!({"separator": "", "min_count": 1})), ["a=Comedy", "a=Comedy|Drama", "a=Drama"]);
    assert_eq!(category(&[json!("x, y"), json!("y, x"), json!("x")], json!({})), ["a=x", "a=y"]);
    assert_eq!(category(&[json!("x, y"), json!("x"), json!("x, y"), json!("x")], json!({})), ["a=x", "a=x, y"]);
    assert_eq!(category(&[json!("x;y"), json!("y;x")], json!({"separator": ";"})), ["a=x", "a=y"]);
    assert_eq!(category(&[json!(["x|z", 5]), json!(["x|z"]), json!(5.0)], json!({})), ["a=5", "a=x|z"]);
}

#[test]
fn categories_weigh_by_their_rarity() {
    let table = texts(&["c|d", "d", "c", "d", "d|d", "new"]);
    let fields = json!([{"column": "a", "kind": "category", "weight": 3}]);
    let encoder = Encoder::fit(&spec(fields), &table, &all(&table)[..5], NOW, &ctx()).unwrap();
    let matrix = encoded(&encoder, &table);
    // idf of c: ln(6/3) + 1, of d: ln(6/5) + 1
    let (c, d) = (2f64.ln() + 1.0, 1.2f64.ln() + 1.0);
    let length = c.hypot(d);
    assert_row(&matrix, 0, &[(0, 3.0 * c / length), (1, 3.0 * d / length)]);
    assert_row(&matrix, 4, &[(1, 3.0)]);
    assert_row(&matrix, 5, &[]);
}

#[test]
fn numbers_lie_between_knots() {
    let table = table(&[json!(1), json!("3"), json!(2), json!(null), json!(1.25), json!(9)]);
    let fields = json!([{"column": "a", "kind": "number"}]);
    let encoder = Encoder::fit(&spec(fields), &table, &all(&table)[..4], NOW, &ctx()).unwrap();
    assert_eq!(encoder.column_names(), ["a≈1", "a≈2", "a≈3", "a missing"]);
    let matrix = encoded(&encoder, &table);
    assert_row(&matrix, 0, &[(0, 1.0)]);
    assert_row(&matrix, 3, &[(3, 1.0)]);
    let length = 0.75f64.hypot(0.25);
    assert_row(&matrix, 4, &[(0, 0.75 / length), (1, 0.25 / length)]);
    assert_row(&matrix, 5, &[(2, 1.0)]);
}

#[test]
fn times_count_back_from_the_training() {
    let table = texts(&["2019-12-31", "30-Dec-2019", "20191229", "2019-12-31T12:00:00Z", "2020-02-01"]);
    let time = |options: Value| spec(json!([{"column": "a", "kind": "time", "options": options}]));
    let encoder = Encoder::fit(&time(json!({})), &table, &all(&table)[..3], NOW, &ctx()).unwrap();
    assert_eq!(encoder.column_names(), ["a:age in days≈1", "a:age in days≈2", "a:age in days≈3"]);
    let matrix = encoded(&encoder, &table);
    assert_row(&matrix, 1, &[(1, 1.0)]);
    assert_row(&matrix, 3, &[(0, 1.0)]);
    assert_row(&matrix, 4, &[(0, 1.0)]);
    let encoder = Encoder::fit(&time(json!({"calendar": true})), &table, &all(&table)[..4], NOW, &ctx()).unwrap();
    let names = encoder.column_names();
    assert_eq!(names[names.len() - 2..], ["a:month=12", "a:year=2019"]);
    let age = names.len() as u32 - 2;
    // The age and the calendar have the same length; month and year are equally frequent.
    assert_row(&encoded(&encoder, &table), 0, &[(1, HALF), (age, 0.5), (age + 1, 0.5)]);
}

#[test]
fn vectors_keep_their_direction() {
    let table = table(&[json!([3, 0, 4]), json!("[0, -2, 0]"), json!("1 1 0"), json!(null), json!([0, 0, 0])]);
    let encoder = fit(json!([{"column": "a", "kind": "vector"}]), &table).unwrap();
    assert_eq!(encoder.column_names(), ["a[0]", "a[1]", "a[2]"]);
    let matrix = encoded(&encoder, &table);
    assert_row(&matrix, 0, &[(0, 0.6), (2, 0.8)]);
    assert_row(&matrix, 1, &[(1, -1.0)]);
    assert_row(&matrix, 2, &[(0, HALF), (1, HALF)]);
    assert_row(&matrix, 3, &[]);
    assert_row(&matrix, 4, &[]);
}

#[test]
fn derived_fields_say_what_they_hold() {
    let titles = ["Toy Story (1995)", "Heat (1996)", "Jaws (1975)", "Alien (1979)", "No year"];
    let rows: Vec<Vec<Value>> = titles.iter().map(|title| vec![json!(title), json!("x;y")]).collect();
    let table = table_of(&["a", "b"], &rows);
    let year = json!([{"extract": {"pattern": "\\((\\d{4})\\)"}}, {"bucket": {"width": 5}}]);
    let crossed = json!([{"split": {"separator": ";"}}, {"cross": {"with": "b"}}]);
    let encoder = fit(
        json!([{"column": "a", "kind": "category", "derive": year}, {"column": "b", "kind": "category", "derive": crossed}]),
        &table,
    )
    .unwrap();
    assert_eq!(encoder.column_names(), ["a=1975", "a=1995", "b=x × x;y", "b=y × x;y"]);
    assert_eq!((encoder.field_columns(0), encoder.field_columns(1)), (0..2, 2..4));
    let matrix = encoded(&encoder, &table);
    assert_row(&matrix, 0, &[(1, 1.0), (2, HALF), (3, HALF)]);
    assert_row(&matrix, 4, &[(2, HALF), (3, HALF)]);
}

#[test]
fn items_without_a_row_and_columns_without_a_table_are_empty() {
    let (table, fields) = of_every_kind(40);
    let encoder = fit(fields, &table).unwrap();
    let matrix = encoder.encode(&table, &[None, Some(5), None], &ctx()).unwrap();
    assert_eq!((matrix.row_len(0), matrix.row_len(2)), (0, 0));
    let whole = encoded(&encoder, &table);
    assert_eq!(matrix.row(1), whole.row(5));
    // A single row with one of the columns: what it has is encoded as ever.
    let single = FeatureTable::one("new", json!({"genres": "box|g1", "more": 1}).as_object().unwrap());
    let matrix = encoder.encode(&single, &[Some(0)], &ctx()).unwrap();
    let names: Vec<String> = matrix.row_indices(0).iter().map(|&at| encoder.column_name(at as usize)).collect();
    assert_eq!(names, ["genres=box", "genres=g1", "price missing"]);
}

#[test]
fn threads_and_repetition_change_no_bit() {
    let (table, fields) = of_every_kind(3000);
    let run = |threads: usize| {
        let ctx = Context::new(threads as u64, threads);
        let encoder = Encoder::fit(&spec(fields.clone()), &table, &all(&table), NOW, &ctx).unwrap();
        let matrix = encoder.encode(&table, &all(&table), &ctx).unwrap();
        let bits: Vec<u32> = matrix.values.iter().map(|value| value.to_bits()).collect();
        (encoder, matrix.indptr, matrix.indices, bits)
    };
    let one = run(1);
    assert!(run(1) == one && run(2) == one && run(7) == one);
}

#[test]
fn a_wide_sparse_table_encodes_like_one_that_names_every_missing_value() {
    const COLUMNS: usize = 60;
    let columns: Vec<String> = (0..COLUMNS).map(|column| format!("c{column}")).collect();
    let (mut sparse, mut dense) = (FeatureTableBuilder::new(columns.clone()), FeatureTableBuilder::new(columns.clone()));
    for row in 0..COLUMNS * 10 {
        let at = row % COLUMNS;
        let value = if at.is_multiple_of(2) { json!(format!("v{}", row % 3)) } else { json!(row) };
        let id = format!("{row:04}");
        dense.push(&id, (0..COLUMNS).map(|column| (column, if column == at { value.clone() } else { Value::Null })));
        sparse.push(&id, [(at, value)]);
    }
    let (sparse, dense) = (sparse.finish().0, dense.finish().0);
    assert!(sparse.heap_bytes() <= dense.heap_bytes());
    assert_eq!(summarize(&sparse), summarize(&dense));
    let kind = |column: usize| if column.is_multiple_of(2) { "category" } else { "number" };
    let fields: Vec<Value> = columns.iter().zip(0..).map(|(name, at)| json!({"column": name, "kind": kind(at)})).collect();
    let (of_sparse, of_dense) = (fit(json!(fields), &sparse).unwrap(), fit(json!(fields), &dense).unwrap());
    assert_eq!(of_sparse, of_dense);
    assert_eq!(encoded(&of_sparse, &sparse), encoded(&of_dense, &dense));
}

#[test]
fn encoding_takes_no_more_memory_than_is_asked_for() {
    let (table, fields) = of_every_kind(300);
    let encoder = fit(fields, &table).unwrap();
    let (asked, taken) = (encoder.bytes_to_encode(&table, &all(&table)), encoded(&encoder, &table).bytes());
    // In parts, and then joined.
    assert!((2 * taken..30 * taken).contains(&asked), "{asked} for {taken}");
}
