//! Values of items (or users) by row and column, of which only those that exist are held.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use serde_json::{Map, Value};

use crate::ids::Ids;

/// Most names that an error lists.
const LISTED: usize = 30;

/// What a cell without a value is.
static MISSING: Value = Value::Null;

/// A table with one row for each id. Equal values are held once, and missing ones not at all: of a thousand columns, a row may
/// have one.
#[derive(Debug, Clone, Default)]
pub struct FeatureTable {
    ids: Ids,
    columns: Vec<String>,
    /// End of the cells of each row.
    ends: Vec<usize>,
    /// Column and number of the value; columns ascend within a row.
    cells: Vec<(u32, u32)>,
    /// All different values.
    values: Vec<Value>,
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    table: &'a FeatureTable,
    at: u32,
}

impl<'a> Column<'a> {
    /// Returns the value of a row; null if it is missing. Panics when there is no such row, as indexing does.
    pub fn get(&self, row: u32) -> &'a Value {
        self.table.cell(row, self.at).map_or(&MISSING, |value| &self.table.values[value as usize])
    }
}

impl FeatureTable {
    /// Creates the table of a single row whose columns are the keys of an object.
    pub fn one(id: &str, values: &Map<String, Value>) -> FeatureTable {
        let mut builder = FeatureTableBuilder::new(values.keys().cloned().collect());
        builder.push(id, values.values().cloned().enumerate());
        builder.finish().0
    }

    /// Returns the ids, one for each row.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// Returns the names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Returns the column of a name.
    pub fn column(&self, name: &str) -> Option<Column<'_>> {
        let at = self.columns.iter().position(|column| column == name)?;
        Some(Column { table: self, at: at as u32 })
    }

    /// Returns the number of rows.
    pub fn n_rows(&self) -> usize {
        self.ids.len()
    }

    /// Returns all different values.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// Returns the cells of a row that have a value: column and number of the value, by ascending column.
    pub fn cells(&self, row: u32) -> &[(u32, u32)] {
        let row = row as usize;
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.cells[start..self.ends[row]]
    }

    /// Returns the number of the value of a row in a column.
    pub fn cell(&self, row: u32, column: u32) -> Option<u32> {
        let cells = self.cells(row);
        match cells.get(column as usize) {
            // So it is in rows that lack nothing.
            Some(&(at, value)) if at == column => Some(value),
            _ => cells.binary_search_by_key(&column, |cell| cell.0).ok().map(|at| cells[at].1),
        }
    }

    /// Returns the values column by column.
    pub(super) fn by_column(&self) -> ByColumn<'_> {
        let mut ends = vec![0usize; self.columns.len() + 1];
        self.cells.iter().for_each(|(column, _)| ends[*column as usize + 1] += 1);
        (1..ends.len()).for_each(|at| ends[at] += ends[at - 1]);
        let mut all = vec![0u32; self.cells.len()];
        // Each start moves to the end of its column, which is the start of the next one.
        for &(column, value) in &self.cells {
            let place = &mut ends[column as usize];
            all[*place] = value;
            *place += 1;
        }
        ends.truncate(self.columns.len());
        let mut places = vec![u32::MAX; self.values.len()];
        let mut values: Vec<(u32, u32)> = Vec::new();
        let mut start = 0;
        for end in &mut ends {
            let first = values.len();
            for &value in &all[start..*end] {
                match values.get_mut(places[value as usize] as usize) {
                    // Places in earlier columns are of no use in this one.
                    Some((found, times)) if places[value as usize] as usize >= first && *found == value => *times += 1,
                    _ => {
                        places[value as usize] = values.len() as u32;
                        values.push((value, 1));
                    }
                }
            }
            start = *end;
            *end = values.len();
        }
        ByColumn { table: self, ends, values }
    }

    /// Returns the bytes held on the heap, approximately.
    pub fn heap_bytes(&self) -> u64 {
        let ids = self.ids.bytes().len() + size_of_val(self.ids.offsets());
        let names = self.columns.iter().map(|name| size_of::<String>() + name.len()).sum::<usize>();
        let cells = size_of_val(&*self.ends) + size_of_val(&*self.cells);
        let values = self.values.iter().map(|value| size_of::<Value>() + heap_of(value)).sum::<usize>();
        (ids + names + cells + values) as u64
    }
}

/// The values of a table in the order of its columns.
pub(super) struct ByColumn<'a> {
    table: &'a FeatureTable,
    /// End of the values of each column.
    ends: Vec<usize>,
    /// Numbers of different values and how often each occurs, in the order in which they are met.
    values: Vec<(u32, u32)>,
}

impl<'a> ByColumn<'a> {
    /// Returns each column with its different values, by the first row that has them, and how often each occurs. Missing ones are
    /// left out.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, impl Iterator<Item = (&'a Value, usize)> + Clone)> {
        let table = self.table;
        table.columns.iter().enumerate().map(move |(at, name)| {
            let start = if at == 0 { 0 } else { self.ends[at - 1] };
            let values = self.values[start..self.ends[at]].iter();
            let values = values.map(move |(value, times)| (&table.values[*value as usize], *times as usize));
            (name.as_str(), values)
        })
    }
}

/// Returns the bytes that a value holds on the heap.
pub(super) fn heap_of(value: &Value) -> usize {
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
    ends: Vec<usize>,
    cells: Vec<(u32, u32)>,
    numbers: HashMap<Value, u32, RandomState>,
}

impl FeatureTableBuilder {
    /// Creates an empty builder for these columns.
    pub fn new(columns: Vec<String>) -> Self {
        FeatureTableBuilder { columns, ids: Vec::new(), ends: Vec::new(), cells: Vec::new(), numbers: HashMap::default() }
    }

    /// Adds a row, as pairs of column number and value. What is not given is missing, and other column numbers are ignored. Of
    /// several values of one column the last counts.
    pub fn push(&mut self, id: &str, cells: impl IntoIterator<Item = (usize, Value)>) {
        let start = self.cells.len();
        self.ids.push(id.into());
        for (column, value) in cells.into_iter().filter(|(column, _)| *column < self.columns.len()) {
            // Far fewer values than that fit in memory.
            let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
            self.cells.push((column as u32, *self.numbers.entry(value).or_insert(next)));
        }
        let row = &mut self.cells[start..];
        if !row.is_sorted_by(|a, b| a.0 < b.0) {
            row.sort_by_key(|cell| cell.0);
            let mut kept = start;
            for at in start..self.cells.len() {
                let cell = self.cells[at];
                if kept > start && self.cells[kept - 1].0 == cell.0 {
                    kept -= 1;
                }
                self.cells[kept] = cell;
                kept += 1;
            }
            self.cells.truncate(kept);
        }
        self.ends.push(self.cells.len());
    }

    /// Returns the table, and the number of rows that were dropped because a later one has their id.
    pub fn finish(self) -> (FeatureTable, u64) {
        let ids = &self.ids;
        let mut order: Vec<usize> = (0..ids.len()).collect();
        order.sort_unstable_by(|&a, &b| ids[a].cmp(&ids[b]).then(b.cmp(&a)));
        order.dedup_by(|later, first| ids[*later] == ids[*first]);
        let repeated = (ids.len() - order.len()) as u64;
        let ids = Ids::from_sorted(order.iter().map(|&row| &*ids[row])).unwrap_or_default();
        let null = self.numbers.get(&MISSING).copied();
        let mut values = vec![Value::Null; self.numbers.len()];
        self.numbers.into_iter().for_each(|(value, number)| values[number as usize] = value);
        let (mut ends, mut cells) = (Vec::with_capacity(order.len()), Vec::with_capacity(self.cells.len()));
        for row in order {
            let start = if row == 0 { 0 } else { self.ends[row - 1] };
            cells.extend(self.cells[start..self.ends[row]].iter().filter(|cell| Some(cell.1) != null));
            ends.push(cells.len());
        }
        (FeatureTable { ids, columns: self.columns, ends, cells, values }, repeated)
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

    fn column(table: &FeatureTable, name: &str) -> Vec<Value> {
        let column = table.column(name).unwrap();
        (0..table.n_rows() as u32).map(|row| column.get(row).clone()).collect()
    }

    #[test]
    fn rows_are_sorted_and_the_last_of_an_id_wins() {
        let mut builder = FeatureTableBuilder::new(vec!["a".into(), "b".into()]);
        builder.push("y", [(0, json!(1)), (1, json!("old"))]);
        builder.push("x", [(1, json!([2])), (7, json!("nowhere"))]);
        builder.push("y", [(1, Value::Null), (0, json!(2)), (0, json!(3))]);
        let (table, repeated) = builder.finish();
        assert_eq!((table.n_rows(), repeated), (2, 1));
        assert_eq!(table.ids().iter().collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(column(&table, "a"), [Value::Null, json!(3)]);
        assert_eq!(column(&table, "b"), [json!([2]), Value::Null]);
        assert!(table.column("c").is_none());
        assert_eq!((table.cells(0).len(), table.cells(1).len()), (1, 1), "missing values have no cell");
        assert!(table.heap_bytes() > 2 * size_of::<Value>() as u64);
    }

    #[test]
    fn a_single_row_has_the_columns_of_its_object() {
        let table = FeatureTable::one("7", json!({"b": 1, "a": "x"}).as_object().unwrap());
        assert_eq!((table.n_rows(), table.ids().get(0)), (1, "7"));
        assert_eq!(table.columns(), ["b", "a"]);
        assert_eq!(column(&table, "a"), [json!("x")]);
    }

    #[test]
    fn values_by_column_are_those_that_exist() {
        let mut builder = FeatureTableBuilder::new(["a", "b", "c"].map(str::to_owned).to_vec());
        builder.push("1", [(2, json!("z")), (0, json!("x"))]);
        builder.push("2", []);
        builder.push("3", [(0, json!("x")), (2, Value::Null)]);
        let table = builder.finish().0;
        let by_column = table.by_column();
        let found: Vec<(&str, Vec<_>)> = by_column.iter().map(|(name, values)| (name, values.collect())).collect();
        let (x, z) = (json!("x"), json!("z"));
        assert_eq!(found, [("a", vec![(&x, 2)]), ("b", vec![]), ("c", vec![(&z, 1)])]);
    }

    #[test]
    fn values_of_several_columns_are_counted_in_each() {
        let mut builder = FeatureTableBuilder::new(["a", "b"].map(str::to_owned).to_vec());
        let rows = [["x", "y"], ["y", "x"], ["x", "x"], ["z", "y"], ["x", "y"]];
        rows.iter().enumerate().for_each(|(at, row)| builder.push(&at.to_string(), row.iter().map(|v| json!(v)).enumerate()));
        let table = builder.finish().0;
        let found: Vec<Vec<(&Value, usize)>> = table.by_column().iter().map(|(_, values)| values.collect()).collect();
        let (x, y, z) = (json!("x"), json!("y"), json!("z"));
        assert_eq!(found, [vec![(&x, 3), (&y, 1), (&z, 1)], vec![(&y, 3), (&x, 2)]]);
    }

    #[test]
    fn a_wide_table_with_one_value_a_row_takes_little() {
        const ROWS: usize = 2_000;
        const COLUMNS: usize = 1_000;
        let mut builder = FeatureTableBuilder::new((0..COLUMNS).map(|column| format!("c{column}")).collect());
        (0..ROWS).for_each(|row| builder.push(&format!("{row}"), [(row % COLUMNS, json!("the same"))]));
        let table = builder.finish().0;
        assert_eq!(table.values(), [json!("the same")]);
        // An id, an end and a cell for each row, and the names of the columns.
        assert!(table.heap_bytes() < (ROWS * 40 + COLUMNS * 40) as u64, "{}", table.heap_bytes());
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (0..33).map(|n| n.to_string()).collect();
        assert!(listed(&names).ends_with("\"29\" and 3 more"));
        assert_eq!(listed(&names[..2]), "\"0\", \"1\"");
    }
}
