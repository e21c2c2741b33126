//! The whole metadata of an upload in memory, for frequent access.

use std::collections::HashMap;
use std::fs::File;
use std::io;

use serde_json::Value;

use super::columns::ColumnKind;
use super::lookup;
use super::size::bytes_of;
use crate::ml::features::{FeatureTable, FeatureTableBuilder};
use crate::ml::ids::Ids;

/// The rows of an upload by item. Equal values are stored once, and a row stores only the cells with values.
#[derive(Debug, Default)]
pub struct ItemTable {
    columns: Vec<String>,
    kinds: Vec<ColumnKind>,
    /// Items of the rows, in their order.
    items: Ids,
    /// End of the cells of each row.
    ends: Vec<usize>,
    /// Column and index of the value; columns ascend within a row.
    cells: Vec<(u32, u32)>,
    values: Vec<Value>,
}

impl ItemTable {
    /// Returns the largest number of bytes needed to read a prepared form: rows and values are collected before they are placed.
    pub fn bytes_to_read(file: &File) -> io::Result<u64> {
        const GATHERED_AND_PLACED: u64 = 3;
        Ok(lookup::table_bytes(file)?.saturating_mul(GATHERED_AND_PLACED))
    }

    /// Reads a prepared form; of several rows of one item, the last is used.
    pub fn read(file: &File) -> io::Result<Self> {
        let mut gathered = Gathered::default();
        let (columns, kinds) = lookup::each_row(file, |item, cells| gathered.push(item, cells))?;
        gathered.finish(columns, kinds)
    }

    /// Returns the values by columns, for the encoders of features. Holds a copy of every value.
    pub fn features(&self) -> FeatureTable {
        let mut builder = FeatureTableBuilder::new(self.columns.clone());
        for (row, item) in self.items.iter().enumerate() {
            let value = |&(column, value): &(u32, u32)| (column as usize, self.values[value as usize].clone());
            builder.push(item, self.cells(row as u32).iter().map(value));
        }
        builder.finish().0
    }

    /// Creates a table from given rows, interpreted like those of an upload.
    #[cfg(test)]
    pub fn of(columns: &[&str], rows: Vec<(&str, Vec<(u32, Value)>)>) -> Self {
        let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
        let mut seen = super::columns::Columns::default();
        rows.iter().flat_map(|(_, cells)| cells).for_each(|(column, value)| seen.add(*column as usize, value));
        let (kinds, _) = seen.finish(&columns);
        let mut gathered = Gathered::default();
        for (item, cells) in rows {
            let typed = cells.into_iter().filter_map(|(column, value)| Some((column, kinds[column as usize].typed(value)?)));
            gathered.push(item.to_owned(), typed.collect()).unwrap();
        }
        gathered.finish(columns, kinds).unwrap()
    }

    /// Returns all columns except the item ids.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Returns the kind of each column.
    pub fn kinds(&self) -> &[ColumnKind] {
        &self.kinds
    }

    /// Returns the items with metadata, in the order of their rows.
    pub fn items(&self) -> &Ids {
        &self.items
    }

    /// Returns all distinct values.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// Returns the cells of a row: column and index of the value, by ascending column. Empty cells are omitted.
    pub fn cells(&self, row: u32) -> &[(u32, u32)] {
        let row = row as usize;
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.cells[start..self.ends[row]]
    }

    /// Returns the index of the value of a row in a column.
    pub fn cell(&self, row: u32, column: u32) -> Option<u32> {
        let cells = self.cells(row);
        let at = cells.binary_search_by_key(&column, |cell| cell.0).ok()?;
        Some(cells[at].1)
    }

    /// Returns the approximate number of bytes on the heap.
    pub fn heap_bytes(&self) -> u64 {
        let fixed = self.items.bytes().len() + self.items.len() * 16 + self.cells.len() * 8;
        (fixed + self.values.iter().map(bytes_of).sum::<usize>()) as u64
    }
}

/// Rows in the order of an upload.
#[derive(Default)]
struct Gathered {
    numbers: HashMap<Value, u32>,
    rows: Vec<(String, Vec<(u32, u32)>)>,
}

impl Gathered {
    fn push(&mut self, item: String, cells: Vec<(u32, Value)>) -> io::Result<()> {
        let mut row = Vec::with_capacity(cells.len());
        for (column, value) in cells.into_iter().filter(|(_, value)| !value.is_null()) {
            let next = u32::try_from(self.numbers.len()).map_err(io::Error::other)?;
            row.push((column, *self.numbers.entry(value).or_insert(next)));
        }
        row.sort_unstable();
        self.rows.push((item, row));
        Ok(())
    }

    fn finish(self, columns: Vec<String>, kinds: Vec<ColumnKind>) -> io::Result<ItemTable> {
        let Self { numbers, mut rows } = self;
        let mut table = ItemTable { columns, kinds, values: vec![Value::Null; numbers.len()], ..ItemTable::default() };
        numbers.into_iter().for_each(|(value, number)| table.values[number as usize] = value);
        // The sort is stable, so the last row of an item can be found.
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        let is_last = |at: usize| rows.get(at + 1).is_none_or(|next| next.0 != rows[at].0);
        let kept: Vec<usize> = (0..rows.len()).filter(|at| is_last(*at)).collect();
        table.items = Ids::from_sorted(kept.iter().map(|at| &rows[*at].0)).map_err(io::Error::other)?;
        for at in kept {
            table.cells.extend_from_slice(&rows[at].1);
            table.ends.push(table.cells.len());
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_says_what_looking_up_says() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut builder = lookup::Builder::new(file.as_file_mut());
        let rows = [
            ("7", vec![(0, json!("seven")), (1, json!("1"))]),
            ("007", vec![(1, json!("9.90")), (2, json!(["a", "b"]))]),
            ("a/b c", vec![]),
            ("7", vec![(2, json!(["a", "b"])), (0, json!("Seven")), (1, Value::Null)]),
        ];
        rows.iter().for_each(|(item, cells)| builder.push(item, cells.clone()).unwrap());
        let columns = ["title", "price", "tags"].map(str::to_owned);
        builder.finish(&columns).unwrap();

        let table = ItemTable::read(file.as_file()).unwrap();
        assert!(table.heap_bytes() <= lookup::table_bytes(file.as_file()).unwrap());
        assert_eq!(table.columns(), columns);
        assert_eq!(table.items().iter().collect::<Vec<_>>(), ["007", "7", "a/b c"]);
        let rows = lookup::Rows::open(file.reopen().unwrap()).unwrap();
        for (row, item) in table.items().iter().enumerate() {
            let value = |column| table.cell(row as u32, column).map_or(Value::Null, |at| table.values()[at as usize].clone());
            assert_eq!((0..3).map(value).collect::<Vec<_>>(), rows.find(item, 1_000).unwrap().unwrap(), "{item}");
        }
        assert_eq!(table.cell(0, 2), table.cell(1, 2), "equal values are one");
        assert!(table.heap_bytes() > 0);

        let bytes = std::fs::read(file.path()).unwrap();
        for at in 0..bytes.len() {
            std::fs::write(file.path(), &bytes[..at]).unwrap();
            assert!(ItemTable::read(file.as_file()).is_err());
        }
    }
}
