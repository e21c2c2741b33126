//! The whole metadata of an upload in memory, for frequent access.

use std::fs::File;
use std::io;

use serde_json::{Map, Value};

use super::columns::ColumnKind;
use super::lookup;
use crate::ml::features::{FeatureTable, FeatureTableBuilder};
use crate::ml::ids::Ids;

/// The rows of an upload by item.
#[derive(Debug, Default)]
pub struct ItemTable {
    kinds: Vec<ColumnKind>,
    rows: FeatureTable,
}

impl ItemTable {
    /// Returns the largest number of bytes needed to read a prepared form: rows and values are collected before they are placed.
    pub fn bytes_to_read(file: &File) -> io::Result<u64> {
        const GATHERED_AND_PLACED: u64 = 3;
        Ok(lookup::table_bytes(file)?.saturating_mul(GATHERED_AND_PLACED))
    }

    /// Reads a prepared form; of several rows of one item, the last is used. `go_on` is asked before each row, and its error ends
    /// the reading.
    pub fn read(file: &File, mut go_on: impl FnMut() -> io::Result<()>) -> io::Result<Self> {
        let (columns, kinds) = lookup::columns_of(file)?;
        let mut rows = FeatureTableBuilder::new(columns);
        lookup::each_row(file, |item, cells| {
            go_on()?;
            rows.push(item, numbered(cells));
            Ok(())
        })?;
        Ok(Self { kinds, rows: rows.finish().0 })
    }

    /// Returns the rows alone, for the encoders of features.
    pub fn into_features(self) -> FeatureTable {
        self.rows
    }

    /// Returns the values of one row, for the encoders of features; `None` if there is no row of this id.
    pub fn features_of(&self, id: &str) -> Option<FeatureTable> {
        let row = self.items().find(id)?;
        let value = |&(column, value): &(u32, u32)| {
            let name = self.columns().get(column as usize)?.clone();
            Some((name, self.values().get(value as usize)?.clone()))
        };
        Some(FeatureTable::one(id, &self.cells(row).iter().filter_map(value).collect::<Map<_, _>>()))
    }

    /// Creates a table from given rows, interpreted like those of an upload.
    #[cfg(test)]
    pub fn of(columns: &[&str], rows: Vec<(&str, Vec<(u32, Value)>)>) -> Self {
        let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
        let mut seen = super::columns::Columns::default();
        rows.iter().flat_map(|(_, cells)| cells).for_each(|(column, value)| seen.add(*column as usize, value));
        let (kinds, _) = seen.finish(&columns);
        let mut table = FeatureTableBuilder::new(columns);
        for (item, cells) in rows {
            let typed = cells.into_iter().filter_map(|(column, value)| Some((column, kinds[column as usize].typed(value)?)));
            table.push(item, numbered(typed.collect()));
        }
        Self { kinds, rows: table.finish().0 }
    }

    /// Returns all columns except the item ids.
    pub fn columns(&self) -> &[String] {
        self.rows.columns()
    }

    /// Returns the kind of each column.
    pub fn kinds(&self) -> &[ColumnKind] {
        &self.kinds
    }

    /// Returns the items with metadata, in the order of their rows.
    pub fn items(&self) -> &Ids {
        self.rows.ids()
    }

    /// Returns all distinct values.
    pub fn values(&self) -> &[Value] {
        self.rows.values()
    }

    /// Returns the cells of a row: column and index of the value, by ascending column. Empty cells are omitted.
    pub fn cells(&self, row: u32) -> &[(u32, u32)] {
        self.rows.cells(row)
    }

    /// Returns the index of the value of a row in a column.
    pub fn cell(&self, row: u32, column: u32) -> Option<u32> {
        self.rows.cell(row, column)
    }

    /// Returns the approximate number of bytes on the heap.
    pub fn heap_bytes(&self) -> u64 {
        self.rows.heap_bytes()
    }
}

/// Returns the cells that have a value.
fn numbered(cells: Vec<(u32, Value)>) -> impl Iterator<Item = (usize, Value)> {
    cells.into_iter().filter(|(_, value)| !value.is_null()).map(|(column, value)| (column as usize, value))
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

        let table = ItemTable::read(file.as_file(), || Ok(())).unwrap();
        assert!(table.heap_bytes() <= lookup::table_bytes(file.as_file()).unwrap());
        assert_eq!(table.columns(), columns);
        assert_eq!(table.items().iter().collect::<Vec<_>>(), ["007", "7", "a/b c"]);
        let rows = lookup::Rows::open(file.reopen().unwrap()).unwrap();
        for (row, item) in table.items().iter().enumerate() {
            let value = |column| table.cell(row as u32, column).map_or(Value::Null, |at| table.values()[at as usize].clone());
            assert_eq!((0..3).map(value).collect::<Vec<_>>(), rows.find(item, 1_000).unwrap().unwrap(), "{item}");
        }
        assert_eq!(table.cell(0, 2), table.cell(1, 2), "equal values are one");
        let one = table.features_of("7").unwrap();
        assert_eq!((one.n_rows(), one.column("title").map(|column| column.get(0))), (1, Some(&json!("Seven"))));
        assert!(one.column("price").is_none() && table.features_of("8").is_none());
        assert!(table.heap_bytes() > 0);

        let bytes = std::fs::read(file.path()).unwrap();
        for at in 0..bytes.len() {
            std::fs::write(file.path(), &bytes[..at]).unwrap();
            assert!(ItemTable::read(file.as_file(), || Ok(())).is_err());
        }
    }
}
