//! Writes a prepared form with changes merged in. Blocks.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};

use serde_json::{Map, Value};

use super::model::Change;
use crate::features::datasets::DataError;
use crate::features::item_metadata::lookup::{self, Builder, Built};
use crate::features::item_metadata::preparation::{self, Limits, MOST_COLUMNS, MOST_ROWS};
use crate::platform::blobs::{Blobs, Incoming};
use crate::platform::memory::Promise;
use crate::platform::tabular::{ColumnNote, EXAMPLES_OF_NOTE, NoteKind, TableCell};

/// A prepared form with changes merged in.
#[derive(Debug)]
pub struct Merged {
    pub file: Incoming,
    /// The rows as JSON lines, if they were asked for.
    pub lines: Option<Incoming>,
    pub columns: Vec<String>,
    pub rows: u64,
    pub built: Built,
    pub left_out: LeftOut,
}

/// Values of changes that no column has room for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    pub values: u64,
    /// The first columns that they are in.
    pub columns: Vec<String>,
}

impl LeftOut {
    fn add(&mut self, column: &str) {
        self.values += 1;
        if self.columns.len() < EXAMPLES_OF_NOTE && !self.columns.iter().any(|known| known == column) {
            self.columns.push(column.to_owned());
        }
    }

    /// Returns the note about them; `None` if there are none.
    pub fn note(self) -> Option<ColumnNote> {
        let Self { values: count, columns: examples } = self;
        (count > 0).then_some(ColumnNote { column: None, kind: NoteKind::ColumnsFull, count, examples, guess: None })
    }
}

/// What was written besides the files.
struct Written {
    columns: Columns,
    rows: u64,
    built: Built,
}

/// What is needed to write one.
pub struct Materials {
    pub blobs: Blobs,
    /// The key of the form in use; `None` if there is none yet.
    pub form: Option<String>,
    pub changes: Vec<Change>,
    /// The column of the item ids in JSON lines; `None` to write none.
    pub lines_by: Option<String>,
    pub limits: Limits,
    pub memory: Promise,
}

impl Materials {
    /// Writes the rows of the form in use that have not changed, and then those that have.
    pub fn write(&self) -> Result<Merged, DataError> {
        let mut file = self.blobs.incoming()?;
        let mut lines = self.lines_by.as_ref().map(|_| self.blobs.incoming()).transpose()?;
        let Written { columns, rows, built } = self.write_to(&mut file.file, lines.as_mut().map(|lines| &mut lines.file))?;
        Ok(Merged { file, lines, columns: columns.names, rows, built, left_out: columns.left_out })
    }

    /// Writes all rows, and completes the form.
    fn write_to(&self, file: &mut File, lines: Option<&mut File>) -> Result<Written, DataError> {
        let mut output = Output {
            builder: Builder::new(file),
            lines: lines.map(BufWriter::new),
            lines_by: self.lines_by.as_deref().unwrap_or_default(),
            rows: 0,
            memory: &self.memory,
            refused: None,
        };
        let written = self.write_rows(&mut output);
        let Output { builder, lines, rows, refused, .. } = output;
        if let Some(refused) = refused {
            return Err(refused);
        }
        let columns = written?;
        lines.map_or(Ok(()), |mut lines| lines.flush())?;
        let built = preparation::finish(builder, &columns.names, &self.limits)?;
        Ok(Written { columns, rows, built })
    }

    fn write_rows(&self, output: &mut Output<'_>) -> io::Result<Columns> {
        let changed: HashSet<&str> = self.changes.iter().map(|change| change.item_id.as_str()).collect();
        let mut columns = Columns::default();
        if let Some(form) = &self.form {
            let kept = lookup::each_stored_row(&self.blobs.open_file(form)?, |columns, item, cells| {
                if changed.contains(item.as_str()) { Ok(()) } else { output.push(columns, &item, cells) }
            });
            columns = Columns::of(kept?);
        }
        for change in &self.changes {
            if let Some(Value::Object(values)) = &change.cells {
                let cells = columns.cells(values);
                output.push(&columns.names, &change.item_id, cells)?;
            }
        }
        Ok(columns)
    }
}

/// The rows that are being written.
struct Output<'a> {
    builder: Builder<'a>,
    lines: Option<BufWriter<&'a mut File>>,
    lines_by: &'a str,
    rows: u64,
    memory: &'a Promise,
    /// Why no more rows are accepted.
    refused: Option<DataError>,
}

impl Output<'_> {
    fn push(&mut self, columns: &[String], item: &str, cells: Vec<TableCell>) -> io::Result<()> {
        self.refused = preparation::reserve(self.memory, &self.builder, self.rows).err();
        if self.rows == MOST_ROWS {
            let message = format!("Item metadata may have at most {MOST_ROWS} rows. Remove some items, and change one again.");
            self.refused = Some(DataError::NotUsable(message));
        }
        if self.refused.is_some() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.rows += 1;
        if let Some(lines) = &mut self.lines {
            let mut line = Map::from_iter([(self.lines_by.to_owned(), Value::from(item))]);
            line.extend(cells.iter().map(|(column, value)| (columns[*column].clone(), value.clone())));
            serde_json::to_writer(&mut *lines, &line)?;
            lines.write_all(b"\n")?;
        }
        self.builder.push(item, cells)
    }
}

/// The columns so far, and their numbers.
#[derive(Default)]
struct Columns {
    names: Vec<String>,
    places: HashMap<String, usize>,
    left_out: LeftOut,
}

impl Columns {
    fn of(names: Vec<String>) -> Self {
        let places = names.iter().enumerate().map(|(place, name)| (name.clone(), place)).collect();
        Self { names, places, left_out: LeftOut::default() }
    }

    /// Returns the cells of a row; columns that are not known yet are added.
    fn cells(&mut self, values: &Map<String, Value>) -> Vec<TableCell> {
        let mut cells = Vec::with_capacity(values.len());
        for (name, value) in values {
            match self.place(name) {
                Some(place) => cells.push((place, value.clone())),
                None => self.left_out.add(name),
            }
        }
        cells
    }

    fn place(&mut self, name: &str) -> Option<usize> {
        if let Some(place) = self.places.get(name) {
            return Some(*place);
        }
        let place = self.names.len();
        if place >= MOST_COLUMNS {
            return None;
        }
        self.places.insert(name.to_owned(), place);
        self.names.push(name.to_owned());
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::features::item_metadata::preparation::report_of_changed;
    use crate::platform::memory::Memory;

    fn change(item: &str, cells: Option<Value>) -> Change {
        Change { item_id: item.to_owned(), cells, bytes: 0, sequence: 0 }
    }

    fn materials(blobs: &Blobs, form: Option<&str>, changes: Vec<Change>) -> Materials {
        Materials {
            blobs: blobs.clone(),
            form: form.map(str::to_owned),
            changes,
            lines_by: Some("item".to_owned()),
            limits: Limits { largest_expanded: 1 << 30, largest_table: 1 << 30 },
            memory: Memory::of_bytes(1 << 30).promise(),
        }
    }

    fn found(blobs: &Blobs, key: &str, item: &str) -> Option<Vec<Value>> {
        lookup::Rows::open(blobs.open_file(key).unwrap()).unwrap().find(item, 1_000).unwrap()
    }

    #[test]
    fn changed_rows_are_replaced_added_and_removed_and_the_others_stay_as_they_were_uploaded() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().to_owned()).unwrap();
        let first = [("a", json!({ "price": "9.50", "code": "007" })), ("b", json!({ "price": "1" })), ("c", json!({}))];
        let first = first.map(|(item, cells)| change(item, Some(cells)));
        let merged = materials(&blobs, None, first.to_vec()).write().unwrap();
        assert_eq!((merged.rows, merged.columns.as_slice()), (3, ["price".to_owned(), "code".to_owned()].as_slice()));
        blobs.keep(merged.file, "metadata/1.items").unwrap();
        assert_eq!(found(&blobs, "metadata/1.items", "a"), Some(vec![json!(9.5), json!("007")]));

        let second = vec![change("b", None), change("c", Some(json!({ "price": "on request", "new": [1] }))), change("z", None)];
        let merged = materials(&blobs, Some("metadata/1.items"), second).write().unwrap();
        assert_eq!((merged.rows, merged.columns.len(), merged.built.repeated), (2, 3, 0));
        blobs.keep(merged.file, "metadata/2.items").unwrap();
        blobs.keep(merged.lines.unwrap(), "metadata/2").unwrap();
        let lines = String::from_utf8(blobs.read("metadata/2").unwrap()).unwrap();
        let expected =
            "{\"item\":\"a\",\"price\":\"9.50\",\"code\":\"007\"}\n{\"item\":\"c\",\"price\":\"on request\",\"new\":[1]}\n";
        assert_eq!(lines, expected);
        assert_eq!(found(&blobs, "metadata/2.items", "b"), None);
        assert_eq!(found(&blobs, "metadata/2.items", "c").unwrap()[2], json!([1]));
    }

    #[test]
    fn a_column_too_many_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().to_owned()).unwrap();
        let wide: Map<String, Value> = (0..=MOST_COLUMNS).map(|column| (format!("c{column}"), json!(1))).collect();
        let merged = materials(&blobs, None, vec![change("a", Some(Value::Object(wide)))]).write().unwrap();
        assert_eq!((merged.columns.len(), merged.rows, merged.left_out.values), (MOST_COLUMNS, 1, 1));
        let report = report_of_changed(None, merged.rows, merged.built, merged.left_out.note());
        assert_eq!((&report["notes"][0]["kind"], &report["notes"][0]["count"]), (&json!("columns_full"), &json!(1)));
    }
}
