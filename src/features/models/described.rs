//! Items with their metadata, as the JSON texts that 1.x clients expect.

use serde_json::{Map, Value};

use crate::features::item_metadata::Descriptions;

/// The name of the score's column.
const SCORE: &str = "score";

/// Returns a JSON array with an object for each item: its id, its metadata (null where there is none), and its score.
pub fn table<'i>(item_column: &str, known: &Descriptions, items: impl Iterator<Item = (&'i str, Option<f32>)>) -> String {
    let rows: Vec<Value> = items.map(|(item, score)| Value::Object(row(item_column, known, item, score))).collect();
    Value::Array(rows).to_string()
}

fn row(item_column: &str, known: &Descriptions, item: &str, score: Option<f32>) -> Map<String, Value> {
    let values = known.rows.get(item);
    let mut row = Map::with_capacity(known.columns.len() + 2);
    row.insert(item_column.to_owned(), item.into());
    for (at, column) in known.columns.iter().enumerate() {
        let value = values.and_then(|values| values.get(at)).cloned().unwrap_or_default();
        row.insert(column.clone(), value);
    }
    if let Some(score) = score {
        // The score replaces a metadata column of the same name.
        row.shift_remove(SCORE);
        row.insert(SCORE.to_owned(), rounded(score).into());
    }
    row
}

fn rounded(score: f32) -> f64 {
    (f64::from(score) * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::*;

    #[test]
    fn columns_stand_in_the_order_of_the_file_and_the_score_comes_last() {
        let known = Descriptions {
            columns: ["title", "score", "price"].map(str::to_owned).to_vec(),
            rows: HashMap::from([("007".to_owned(), vec![json!("B\"ond"), json!(1), json!(9.5)])]),
        };
        let text = table("item", &known, [("007", Some(0.126_f32)), ("7", Some(1.0))].into_iter());
        let expected =
            r#"[{"item":"007","title":"B\"ond","price":9.5,"score":0.13},{"item":"7","title":null,"price":null,"score":1.0}]"#;
        assert_eq!(text, expected);
        assert_eq!(table("item", &known, [("7", None)].into_iter()), r#"[{"item":"7","title":null,"score":null,"price":null}]"#);
    }
}
