//! Items with their metadata, as the JSON texts that 1.x clients expect.

use std::io;

use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::features::item_metadata::Rows;

/// The name of the score's column.
const SCORE: &str = "score";

/// Looks up items one at a time and writes them, so that no more than one row is in memory besides the texts.
pub struct Writer<'w> {
    pub item_column: &'w str,
    pub rows: &'w Rows,
    /// Bytes that the next texts may have together.
    pub room: usize,
    pub stop: &'w CancellationToken,
}

impl Writer<'_> {
    /// Returns a JSON array with an object for each item: its id, its metadata (null where there is none), and its score. Fails with
    /// `FileTooLarge` if the items need more room.
    pub fn table<'i>(&mut self, items: impl Iterator<Item = (&'i str, Option<f32>)>) -> io::Result<String> {
        let mut text = String::from("[");
        for (item, score) in items {
            if self.stop.is_cancelled() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let row = serde_json::to_string(&self.row(item, score)?)?;
            self.room = self.room.checked_sub(row.len() + 1).ok_or(io::ErrorKind::FileTooLarge)?;
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&row);
        }
        text.push(']');
        Ok(text)
    }

    fn row(&self, item: &str, score: Option<f32>) -> io::Result<Map<String, Value>> {
        let columns = self.rows.columns();
        let mut values = self.rows.find(item, self.room)?.unwrap_or_default().into_iter();
        let mut row = Map::with_capacity(columns.len() + 2);
        row.insert(self.item_column.to_owned(), item.into());
        for column in columns {
            row.insert(column.clone(), values.next().unwrap_or_default());
        }
        if let Some(score) = score {
            // The score replaces a metadata column of the same name.
            row.shift_remove(SCORE);
            row.insert(SCORE.to_owned(), rounded(score).into());
        }
        Ok(row)
    }
}

fn rounded(score: f32) -> f64 {
    (f64::from(score) * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::features::item_metadata::prepared_rows;

    fn table(rows: &Rows, room: usize, items: &[(&str, Option<f32>)]) -> io::Result<String> {
        let stop = CancellationToken::new();
        Writer { item_column: "item", rows, room, stop: &stop }.table(items.iter().copied())
    }

    #[test]
    fn columns_stand_in_the_order_of_the_file_and_the_score_comes_last() {
        let cells = vec![(0, json!("B\"ond")), (1, json!(1)), (2, json!(9.5))];
        let known = prepared_rows(&["title", "score", "price"], vec![("007", cells)]);
        let text = table(&known, 1_000, &[("007", Some(0.126_f32)), ("7", Some(1.0))]).unwrap();
        let expected =
            r#"[{"item":"007","title":"B\"ond","price":9.5,"score":0.13},{"item":"7","title":null,"price":null,"score":1.0}]"#;
        assert_eq!(text, expected);
        let text = table(&known, 1_000, &[("7", None)]).unwrap();
        assert_eq!(text, r#"[{"item":"7","title":null,"score":null,"price":null}]"#);
        assert_eq!(table(&known, 0, &[]).unwrap(), "[]");
    }

    #[test]
    fn texts_stay_within_their_room() {
        let known = prepared_rows(&["text"], vec![("a", vec![(0, json!("x".repeat(1_000)))])]);
        table(&known, 2_500, &[("a", None), ("a", None)]).unwrap();
        for (room, items) in [(2_500, vec![("a", None); 3]), (500, vec![("a", None)]), (500, vec![("unknown", None); 100])] {
            assert_eq!(table(&known, room, &items).unwrap_err().kind(), io::ErrorKind::FileTooLarge, "{room}");
        }
    }

    #[test]
    fn a_caller_who_has_left_stops_the_writing() {
        let known = prepared_rows(&["text"], vec![]);
        let stop = CancellationToken::new();
        stop.cancel();
        let mut writer = Writer { item_column: "item", rows: &known, room: 1_000, stop: &stop };
        assert_eq!(writer.table([("a", None)].into_iter()).unwrap_err().kind(), io::ErrorKind::Interrupted);
    }
}
