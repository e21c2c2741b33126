//! Encoded items as a person sees them.

use super::*;

fn shop() -> (Encoder, Csr) {
    let rows = [
        vec![json!("toy story"), json!(1.5), json!([1, 0])],
        vec![json!("toy box"), json!(1), json!([0, 1])],
        vec![json!("toy story"), json!(2), json!([1, 1])],
        vec![json!("unknown"), Value::Null, Value::Null],
        vec![json!("box"), json!(3), json!([0, 0])],
    ];
    let table = table_of(&["title", "price", "embedding"], &rows);
    let fields = json!([
        {"column": "title", "kind": "text"},
        {"column": "price", "kind": "number", "weight": 2, "options": {"knots": 2}},
        {"column": "embedding", "kind": "vector"}
    ]);
    let encoder = fit(fields, &table).unwrap();
    let matrix = encoded(&encoder, &table);
    (encoder, matrix)
}

fn labels(terms: &[Term]) -> Vec<&str> {
    terms.iter().map(|term| term.label.as_str()).collect()
}

#[test]
fn terms_are_named_the_heaviest_first() {
    let (encoder, matrix) = shop();
    let fields = encoder.terms_of(&matrix, 0).unwrap();
    assert_eq!(fields.iter().map(|field| field.column.as_str()).collect::<Vec<_>>(), ["title", "price", "embedding"]);
    assert_eq!((labels(&fields[0].terms), fields[0].n_terms), (vec!["story", "toy"], 2));
    // In two of five items and in three of five.
    let (story, toy) = (2f32.ln() + 1.0, 1.5f32.ln() + 1.0);
    assert!((fields[0].terms[0].weight - story / story.hypot(toy)).abs() < 1e-6);
    assert_eq!((labels(&fields[1].terms), labels(&fields[2].terms)), (vec!["1–3"], vec!["vector of 2"]));
    assert!((fields[1].terms[0].weight - 2.0).abs() < 1e-6 && (fields[2].terms[0].weight - 1.0).abs() < 1e-6);
    let of_price = |row: usize| encoder.terms_of(&matrix, row).unwrap()[1].terms[0].label.clone();
    assert_eq!([1, 3, 4].map(of_price), ["1", "missing", "3"]);
    assert_eq!(encoder.terms_of(&matrix, 3).unwrap()[0].n_terms, 0);
    let wire = serde_json::to_value(&fields[2]).unwrap();
    assert_eq!((&wire["kind"], &wire["terms"][0]["label"]), (&json!("vector"), &json!("vector of 2")));
}

#[test]
fn dates_are_named_by_age_and_calendar() {
    let table = table(&["2019-12-31", "2019-12-30", "2019-12-29"].map(|day| json!(day)));
    let options = json!({"calendar": true, "knots": 2});
    let encoder = fit(json!([{"column": "a", "kind": "time", "options": options}]), &table).unwrap();
    let terms = encoder.terms_of(&encoded(&encoder, &table), 1).unwrap().remove(0).terms;
    assert_eq!(labels(&terms), ["age in days 1–3", "month=12", "year=2019"]);
}

#[test]
fn the_share_of_items_that_a_field_knows_nothing_of_is_counted() {
    let (encoder, matrix) = shop();
    assert_eq!(encoder.empty_shares(&matrix).unwrap(), [0.2, 0.0, 0.4]);
    assert_eq!(encoder.empty_shares(&Csr::empty(0, matrix.n_cols)).unwrap(), [0.0; 3]);
}

#[test]
fn the_nearest_items_come_with_what_they_share() {
    let (encoder, matrix) = shop();
    let found = encoder.nearest(&matrix, 0, 10).unwrap();
    assert_eq!(found.iter().map(|like| like.row).collect::<Vec<_>>(), [2, 1, 4]);
    // Titles are the same; prices 0.75 and 0.25 beside 0.5 and 0.5, with four times the weight; embeddings at half a right angle.
    let price = 0.5 / (0.625f32.sqrt() * 0.5f32.sqrt());
    assert!((found[0].cosine - (1.0 + 4.0 * price + 0.5f32.sqrt()) / 6.0).abs() < 1e-6, "{found:?}");
    let shared = |at: usize| found[at].shared.iter().map(|term| (term.column.as_str(), term.label.as_str())).collect::<Vec<_>>();
    assert_eq!(shared(0), [("price", "1–3"), ("embedding", "vector of 2"), ("title", "story")]);
    assert_eq!(shared(1), [("price", "1"), ("title", "toy")]);
    assert_eq!(shared(2), [("price", "3")]);
    assert!((found[2].shared[0].weight - found[2].cosine).abs() < 1e-6, "all that they share");
    assert_eq!(encoder.nearest(&matrix, 0, 1).unwrap(), found[..1]);
    assert_eq!(encoder.nearest(&matrix, 3, 10).unwrap(), []);
}

#[test]
fn another_matrix_and_another_row_are_refused() {
    let (encoder, matrix) = shop();
    for (encoded, row) in [(&Csr::empty(1, 2), 0), (&matrix, 5)] {
        assert!(encoder.terms_of(encoded, row).is_err() && encoder.nearest(encoded, row, 3).is_err());
    }
    assert!(encoder.empty_shares(&Csr::empty(1, 2)).is_err());
}
