//! Writes a prepared form with changes merged in. Blocks.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};

use serde_json::{Map, Value};

use super::model::Change;
use crate::features::datasets::DataError;
use crate::features::item_metadata::lookup::{self, Builder, Built};
use crate::features::item_metadata::preparation::{self, LONGEST_COLUMN_NAME, Limits, MOST_COLUMNS, MOST_ROWS};
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
    /// The changes that are in it. The others do not fit, and the former rows of their items are in it.
    pub sequences: Vec<i64>,
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
        self.show(column);
    }

    fn show(&mut self, column: &str) {
        if self.columns.len() < EXAMPLES_OF_NOTE && !self.columns.iter().any(|known| known == column) {
            self.columns.push(column.to_owned());
        }
    }

    /// Adds others.
    pub fn append(&mut self, others: &Self) {
        self.values += others.values;
        others.columns.iter().for_each(|column| self.show(column));
    }

    /// Returns the note about them; `None` if there are none.
    pub fn note(self) -> Option<ColumnNote> {
        let Self { values: count, columns: examples } = self;
        (count > 0).then_some(ColumnNote { column: None, kind: NoteKind::ColumnsFull, count, examples, guess: None })
    }
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
    /// Writes the rows of the form in use that have not changed, and then those that have. A change whose columns do not fit is left
    /// out as a whole.
    pub fn write(&self) -> Result<Merged, DataError> {
        let mut file = self.blobs.incoming()?;
        let mut lines = self.lines_by.as_ref().map(|_| self.blobs.incoming()).transpose()?;
        let form = self.form.as_ref().map(|form| self.blobs.open_file(form)).transpose()?;
        let mut columns = Columns::of(form.as_ref().map(lookup::columns_of).transpose()?.unwrap_or_default().0);
        let changes: Vec<&Change> = self.changes.iter().filter(|change| columns.fit(change)).collect();
        let sequences = changes.iter().map(|change| change.sequence).collect();
        let into = (&mut file.file, lines.as_mut().map(|lines| &mut lines.file));
        let (rows, built) = self.write_to(into, form.as_ref(), &columns, &changes)?;
        Ok(Merged { file, lines, columns: columns.names, rows, built, sequences, left_out: columns.left_out })
    }

    /// Writes all rows, and completes the form. Returns their number, and what the form holds.
    fn write_to(
        &self,
        (file, lines): (&mut File, Option<&mut File>),
        form: Option<&File>,
        columns: &Columns,
        changes: &[&Change],
    ) -> Result<(u64, Built), DataError> {
        let lines_by = self.lines_by.as_deref().unwrap_or_default();
        let mut output = Output {
            builder: Builder::new(file),
            lines: lines.map(BufWriter::new),
            keys: columns.keys(lines_by),
            lines_by,
            rows: 0,
            memory: &self.memory,
            refused: None,
        };
        let written = output.write_rows(form, columns, changes);
        let Output { builder, lines, rows, refused, .. } = output;
        if let Some(refused) = refused {
            return Err(refused);
        }
        written?;
        lines.map_or(Ok(()), |mut lines| lines.flush())?;
        Ok((rows, preparation::finish(builder, &columns.names, &self.limits)?))
    }
}

/// The rows that are being written.
struct Output<'a> {
    builder: Builder<'a>,
    lines: Option<BufWriter<&'a mut File>>,
    lines_by: &'a str,
    /// The name of each column in the lines.
    keys: Vec<String>,
    rows: u64,
    memory: &'a Promise,
    /// Why no more rows are accepted.
    refused: Option<DataError>,
}

impl Output<'_> {
    fn write_rows(&mut self, form: Option<&File>, columns: &Columns, changes: &[&Change]) -> io::Result<()> {
        let changed: HashSet<&str> = changes.iter().map(|change| change.item_id.as_str()).collect();
        if let Some(form) = form {
            let keep = |_: &[String], item: String, cells: Vec<TableCell>| {
                if changed.contains(item.as_str()) { Ok(()) } else { self.push(&item, cells) }
            };
            lookup::each_stored_row(form, keep)?;
        }
        for change in changes {
            if let Some(Value::Object(values)) = &change.cells {
                self.push(&change.item_id, columns.cells(values))?;
            }
        }
        Ok(())
    }

    fn push(&mut self, item: &str, cells: Vec<TableCell>) -> io::Result<()> {
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
            line.extend(cells.iter().map(|(column, value)| (self.keys[*column].clone(), value.clone())));
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

    /// Adds the columns of a change, if there is room for all of them; returns whether there is.
    fn fit(&mut self, change: &Change) -> bool {
        let Some(Value::Object(values)) = &change.cells else { return true };
        let new: Vec<&String> = values.keys().filter(|name| !self.places.contains_key(*name)).collect();
        if self.names.len() + new.len() > MOST_COLUMNS && !new.is_empty() {
            new.into_iter().for_each(|name| self.left_out.add(name));
            return false;
        }
        for name in new {
            self.places.insert(name.clone(), self.names.len());
            self.names.push(name.clone());
        }
        true
    }

    /// Returns the cells of a row of these columns.
    fn cells(&self, values: &Map<String, Value>) -> Vec<TableCell> {
        values.iter().filter_map(|(name, value)| Some((*self.places.get(name)?, value.clone()))).collect()
    }

    /// Returns the names of the columns in a file whose column of ids has this name: one that has it, too, gets another.
    fn keys(&self, ids: &str) -> Vec<String> {
        let others = || (2..).map(|number| numbered(ids, number)).find(|other| !self.places.contains_key(other));
        let key = |name: &String| if name == ids { others() } else { None }.unwrap_or_else(|| name.clone());
        self.names.iter().map(key).collect()
    }
}

/// Returns a name with a number, such as `sku_2`, that is not longer than a name may be.
fn numbered(name: &str, number: usize) -> String {
    let end = format!("_{number}");
    name.chars().take(LONGEST_COLUMN_NAME - end.len()).collect::<String>() + &end
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
        lookup::Rows::open(blobs.open_file(key).unwrap()).unwrap().find(item, 1 << 20).unwrap()
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
    fn a_row_with_a_column_too_many_waits_and_the_former_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().to_owned()).unwrap();
        let wide = |from: usize| -> Value {
            (from..from + MOST_COLUMNS).map(|column| (format!("c{column}"), json!(1))).collect::<Map<_, _>>().into()
        };
        let first = materials(&blobs, None, vec![change("a", Some(wide(0)))]).write().unwrap();
        assert_eq!((first.columns.len(), first.left_out.clone().note()), (MOST_COLUMNS, None));
        blobs.keep(first.file, "metadata/1.items").unwrap();

        let changes = [("a", wide(2), 7), ("b", json!({ "c0": 5 }), 8), ("c", json!({ "c1": 1, "one more": 1 }), 9)];
        let changes = changes.map(|(item, cells, sequence)| Change { sequence, ..change(item, Some(cells)) });
        let merged = materials(&blobs, Some("metadata/1.items"), changes.to_vec()).write().unwrap();
        assert_eq!((merged.columns.len(), merged.rows, merged.sequences.as_slice()), (MOST_COLUMNS, 2, [8].as_slice()));
        assert_eq!(
            (merged.left_out.values, merged.left_out.columns.as_slice()),
            (3, ["c1000", "c1001", "one more"].map(String::from).as_slice())
        );
        let report = report_of_changed(None, merged.rows, merged.built, merged.left_out.note());
        assert_eq!((&report["notes"][0]["kind"], &report["notes"][0]["count"]), (&json!("columns_full"), &json!(3)));
        blobs.keep(merged.file, "metadata/2.items").unwrap();
        assert_eq!(found(&blobs, "metadata/2.items", "a").unwrap()[0], json!(1), "the former row");
        assert_eq!(found(&blobs, "metadata/2.items", "c"), None);

        let narrower = materials(&blobs, Some("metadata/2.items"), Vec::new()).write().unwrap();
        let after = report_of_changed(Some(&report), narrower.rows, narrower.built, narrower.left_out.note());
        assert_eq!(after["notes"], json!([]), "nothing waits any more");
    }

    #[test]
    fn a_column_named_like_that_of_the_ids_has_another_name_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().to_owned()).unwrap();
        let rows = vec![change("a", Some(json!({ "item": "X", "item_2": "Y" }))), change("b", Some(json!({ "title": "B" })))];
        let merged = materials(&blobs, None, rows).write().unwrap();
        assert_eq!(merged.columns, ["item", "item_2", "title"]);
        blobs.keep(merged.lines.unwrap(), "metadata/1").unwrap();
        let lines = String::from_utf8(blobs.read("metadata/1").unwrap()).unwrap();
        assert_eq!(lines, "{\"item\":\"a\",\"item_3\":\"X\",\"item_2\":\"Y\"}\n{\"item\":\"b\",\"title\":\"B\"}\n");
        assert_eq!(numbered(&"é".repeat(256), 12).chars().count(), LONGEST_COLUMN_NAME);
    }
}
