//! Values of items (or users) by column.

use serde_json::{Map, Value};

use crate::ids::Ids;

/// Most names that an error lists.
const LISTED: usize = 30;

/// Columns of values, one for each id; `null` where a value is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureTable {
    ids: Ids,
    columns: Vec<String>,
    /// For each column its values, parallel to the ids.
    values: Vec<Vec<Value>>,
}

impl FeatureTable {
    /// Creates the table of a single row whose columns are the keys of an object.
    pub fn one(id: &str, values: &Map<String, Value>) -> FeatureTable {
        FeatureTable {
            ids: Ids::from_unsorted([id]).unwrap_or_default(),
            columns: values.keys().cloned().collect(),
            values: values.values().map(|value| vec![value.clone()]).collect(),
        }
    }

    /// Returns the ids, one for each row.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// Returns the names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Returns the values of a column, parallel to the ids.
    pub fn column(&self, name: &str) -> Option<&[Value]> {
        let at = self.columns.iter().position(|column| column == name)?;
        Some(&self.values[at])
    }

    /// Returns the number of rows.
    pub fn n_rows(&self) -> usize {
        self.ids.len()
    }

    /// Returns the bytes held on the heap, approximately.
    pub fn heap_bytes(&self) -> u64 {
        let ids = self.ids.bytes().len() + size_of_val(self.ids.offsets());
        let cells = self.values.iter().flatten().map(|value| size_of::<Value>() + heap_of(value)).sum::<usize>();
        (ids + cells) as u64
    }
}

fn heap_of(value: &Value) -> usize {
    match value {
        Value::String(text) => text.capacity(),
        Value::Array(values) => values.iter().map(|value| size_of::<Value>() + heap_of(value)).sum(),
        Value::Object(values) => {
            values.iter().map(|(key, value)| key.capacity() + size_of::<(String, Value)>() + heap_of(value)).sum()
        }
        _ => 0,
    }
}

/// Collects rows in any order.
#[derive(Debug)]
pub struct FeatureTableBuilder {
    columns: Vec<String>,
    ids: Vec<Box<str>>,
    values: Vec<Vec<Value>>,
}

impl FeatureTableBuilder {
    /// Creates an empty builder for these columns.
    pub fn new(columns: Vec<String>) -> Self {
        let values = columns.iter().map(|_| Vec::new()).collect();
        FeatureTableBuilder { columns, ids: Vec::new(), values }
    }

    /// Adds a row, as pairs of column number and value. What is not given is missing, and other column numbers are ignored.
    pub fn push(&mut self, id: &str, cells: impl IntoIterator<Item = (usize, Value)>) {
        let row = self.ids.len();
        self.ids.push(id.into());
        self.values.iter_mut().for_each(|column| column.push(Value::Null));
        for (at, value) in cells {
            if let Some(column) = self.values.get_mut(at) {
                column[row] = value;
            }
        }
    }

    /// Returns the table, and the number of rows that were dropped because a later one has their id.
    pub fn finish(mut self) -> (FeatureTable, u64) {
        let ids = &self.ids;
        let mut order: Vec<usize> = (0..ids.len()).collect();
        order.sort_unstable_by(|&a, &b| ids[a].cmp(&ids[b]).then(b.cmp(&a)));
        order.dedup_by(|later, first| ids[*later] == ids[*first]);
        let repeated = (ids.len() - order.len()) as u64;
        let pick = |column: &mut Vec<Value>| order.iter().map(|&row| std::mem::take(&mut column[row])).collect();
        let values = self.values.iter_mut().map(pick).collect();
        let ids = Ids::from_sorted(order.iter().map(|&row| &*ids[row])).unwrap_or_default();
        (FeatureTable { ids, columns: self.columns, values }, repeated)
    }
}

/// Returns names as an error lists them.
pub(super) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    let mut text = names.iter().take(LISTED).map(|name| format!("{:?}", name.as_ref())).collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => text.push_str("none"),
        n if n > LISTED => text.push_str(&format!(" and {} more", n - LISTED)),
        _ => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_are_sorted_and_the_last_of_an_id_wins() {
        let mut builder = FeatureTableBuilder::new(vec!["a".into(), "b".into()]);
        builder.push("y", [(0, json!(1)), (1, json!("old"))]);
        builder.push("x", [(1, json!([2])), (7, json!("nowhere"))]);
        builder.push("y", [(0, json!(3))]);
        let (table, repeated) = builder.finish();
        assert_eq!((table.n_rows(), repeated), (2, 1));
        assert_eq!(table.ids().iter().collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(table.column("a").unwrap(), [Value::Null, json!(3)]);
        assert_eq!(table.column("b").unwrap(), [json!([2]), Value::Null]);
        assert_eq!(table.column("c"), None);
        assert!(table.heap_bytes() > 4 * size_of::<Value>() as u64);
    }

    #[test]
    fn a_single_row_has_the_columns_of_its_object() {
        let table = FeatureTable::one("7", json!({"b": 1, "a": "x"}).as_object().unwrap());
        assert_eq!((table.n_rows(), table.ids().get(0)), (1, "7"));
        assert_eq!(table.columns(), ["b", "a"]);
        assert_eq!(table.column("a").unwrap(), [json!("x")]);
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (0..33).map(|n| n.to_string()).collect();
        assert!(listed(&names).ends_with("\"29\" and 3 more"));
        assert_eq!(listed(&names[..2]), "\"0\", \"1\"");
    }
}
