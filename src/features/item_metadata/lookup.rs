//! The prepared form of item metadata: the rows one after another, then an index of their positions by a hash of the item id. The
//! rows of a few items are found with a few short reads, regardless of the size of the file.
//!
//! ```text
//! row…        length (u32), JSON array: id, then column and value in turn
//! index…      hash of the id (u64), place of the row (u64); in this order
//! footer      JSON: columns, what each of them holds, how many rows, where the index is
//! end         length of the footer (u32), mark (8 bytes)
//! ```

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::columns::{ColumnKind, ColumnReport, Columns};
use super::size::TableSize;
use crate::platform::tabular::TableCell;

const MARK: &[u8; 8] = b"recoITM1";
const ENTRY_BYTES: u64 = 16;

/// The largest length of a row or footer that is accepted.
const LONGEST_PART: u64 = 256 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct Footer {
    columns: Vec<String>,
    /// The kind of each column.
    #[serde(default)]
    kinds: Vec<ColumnKind>,
    /// Instead of `kinds` in older files: by column, whether all its texts are numbers.
    #[serde(default, skip_serializing)]
    numeric: Vec<bool>,
    rows: u64,
    index_at: u64,
    /// The largest memory of the table; unknown for older files.
    #[serde(default)]
    table_bytes: Option<u64>,
}

impl Footer {
    fn kind(&self, column: u32) -> ColumnKind {
        let is_numeric = self.numeric.get(column as usize) == Some(&true);
        let older = if is_numeric { ColumnKind::Number } else { ColumnKind::Text };
        self.kinds.get(column as usize).copied().unwrap_or(older)
    }
}

/// A prepared form in which rows are looked up one at a time.
#[derive(Debug)]
pub struct Rows {
    file: File,
    footer: Footer,
}

/// Returns the first bytes of a digest, so that clients cannot create many ids with the same hash.
fn hash(id: &str) -> u64 {
    let digest = ring::digest::digest(&ring::digest::SHA256, id.as_bytes());
    digest.as_ref().iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

/// Writes rows as they arrive; only the index is in memory.
pub struct Builder<'f> {
    file: BufWriter<&'f mut File>,
    at: u64,
    index: Vec<(u64, u64)>,
    columns: Columns,
    size: TableSize,
}

impl<'f> Builder<'f> {
    pub fn new(file: &'f mut File) -> Self {
        Self {
            file: BufWriter::with_capacity(1 << 20, file),
            at: 0,
            index: Vec::new(),
            columns: Columns::default(),
            size: TableSize::default(),
        }
    }

    /// Adds the row of an item.
    pub fn push(&mut self, id: &str, cells: Vec<TableCell>) -> io::Result<()> {
        cells.iter().for_each(|(column, value)| self.columns.add(*column, value));
        self.size.add(id, &cells);
        let row: Vec<Value> = std::iter::once(Value::from(id))
            .chain(cells.into_iter().flat_map(|(column, value)| [column.into(), value]))
            .collect();
        let text = serde_json::to_vec(&row)?;
        let length = u32::try_from(text.len()).map_err(io::Error::other)?;
        self.index.push((hash(id), self.at));
        self.file.write_all(&length.to_le_bytes())?;
        self.file.write_all(&text)?;
        self.at += 4 + u64::from(length);
        Ok(())
    }

    /// Returns the bytes of memory that grow with the rows.
    pub fn heap_bytes(&self) -> u64 {
        self.index.capacity() as u64 * ENTRY_BYTES + self.size.heap_bytes()
    }

    /// Completes the file.
    pub fn finish(mut self, columns: &[String]) -> io::Result<Built> {
        self.index.sort_unstable();
        for (hash, at) in &self.index {
            self.file.write_all(&hash.to_le_bytes())?;
            self.file.write_all(&at.to_le_bytes())?;
        }
        let (kinds, reports) = self.columns.finish(columns);
        let rows = self.index.len() as u64;
        let footer = Footer {
            columns: columns.to_vec(),
            kinds,
            numeric: Vec::new(),
            rows,
            index_at: self.at,
            table_bytes: Some(self.size.bytes()),
        };
        let footer = serde_json::to_vec(&footer)?;
        let length = u32::try_from(footer.len()).map_err(io::Error::other)?;
        self.file.write_all(&footer)?;
        self.file.write_all(&length.to_le_bytes())?;
        self.file.write_all(MARK)?;
        self.file.flush()?;
        let repeated = self.index.windows(2).filter(|pair| pair[0].0 == pair[1].0).count();
        Ok(Built { repeated: repeated as u64, columns: reports, table_bytes: self.size.bytes() })
    }
}

/// The content of a completed file.
#[derive(Debug)]
pub struct Built {
    /// Rows of items that have another row.
    pub repeated: u64,
    /// The interpretation of the columns.
    pub columns: Vec<ColumnReport>,
    /// The largest memory of the table.
    pub table_bytes: u64,
}

/// Returns the largest memory of the table of a prepared form.
pub fn table_bytes(file: &File) -> io::Result<u64> {
    /// Bytes in memory per byte of a file that does not state the size.
    const OF_OLDER_FILES: u64 = 10;
    let size = file.metadata()?.len();
    Ok(footer_of(file)?.table_bytes.unwrap_or(size.saturating_mul(OF_OLDER_FILES)))
}

impl Rows {
    /// Opens a prepared form.
    pub fn open(file: File) -> io::Result<Self> {
        Ok(Self { footer: footer_of(&file)?, file })
    }

    /// Returns all columns except the item ids.
    pub fn columns(&self) -> &[String] {
        &self.footer.columns
    }

    /// Reads the row of an item, with a value for each column; of several rows, the last is used. Returns `None` if there is none.
    /// Fails with `FileTooLarge` before it reads a row of more than `longest` bytes.
    pub fn find(&self, item: &str, longest: usize) -> io::Result<Option<Vec<Value>>> {
        let wanted = hash(item);
        // Binary search for the end of the entries with this hash.
        let (mut low, mut high) = (0, self.footer.rows);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry(middle)?.0 <= wanted { low = middle + 1 } else { high = middle }
        }
        while low > 0 {
            low -= 1;
            let (hash, place) = self.entry(low)?;
            if hash != wanted {
                break;
            }
            let mut length = [0; 4];
            self.file.read_exact_at(&mut length, place)?;
            let length = u32::from_le_bytes(length);
            // An entry always lies before the index, so a longer row is a damaged one.
            if u64::from(length) > self.footer.index_at {
                return Err(damaged());
            }
            if length as usize > longest {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            let row: Vec<Value> = serde_json::from_slice(&read_part(&self.file, place + 4, length.into())?)?;
            if row.first().and_then(Value::as_str) == Some(item) {
                return Ok(Some(widen(row, &self.footer)));
            }
        }
        Ok(None)
    }

    /// Returns the hash and the place of an entry of the index.
    fn entry(&self, number: u64) -> io::Result<(u64, u64)> {
        let mut bytes = [0; 2 * size_of::<u64>()];
        self.file.read_exact_at(&mut bytes, self.footer.index_at + number * ENTRY_BYTES)?;
        let both = u128::from_le_bytes(bytes);
        Ok((both as u64, (both >> 64) as u64))
    }
}

/// Returns all columns except the item ids, with their kinds.
pub fn columns_of(file: &File) -> io::Result<(Vec<String>, Vec<ColumnKind>)> {
    let footer = footer_of(file)?;
    let kinds = (0u32..).zip(&footer.columns).map(|(column, _)| footer.kind(column)).collect();
    Ok((footer.columns, kinds))
}

/// Passes all rows to a function in the order of the upload, each with its item and cells (column, value).
pub fn each_row(file: &File, mut take: impl FnMut(&str, Vec<(u32, Value)>) -> io::Result<()>) -> io::Result<()> {
    walk(file, |item, row, footer| take(&item, cells_of(row, footer).collect())).map(drop)
}

/// Passes all rows to a function in the order of the upload, each with all columns, its item, and its cells as they were uploaded,
/// from which another prepared form can be built. Returns all columns except the item ids.
pub fn each_stored_row(
    file: &File,
    mut take: impl FnMut(&[String], String, Vec<TableCell>) -> io::Result<()>,
) -> io::Result<Vec<String>> {
    let footer = walk(file, |item, row, footer| {
        let cells = stored_cells(row, footer).map(|(column, value)| (column as usize, value));
        take(&footer.columns, item, cells.collect())
    })?;
    Ok(footer.columns)
}

fn walk(mut file: &File, mut take: impl FnMut(String, Vec<Value>, &Footer) -> io::Result<()>) -> io::Result<Footer> {
    let footer = footer_of(file)?;
    file.rewind()?;
    let mut rows = BufReader::with_capacity(1 << 20, file).take(footer.index_at);
    let mut text = Vec::new();
    for _ in 0..footer.rows {
        let mut length = [0; 4];
        rows.read_exact(&mut length)?;
        let length = u64::from(u32::from_le_bytes(length));
        text.clear();
        if length > rows.limit() || (&mut rows).take(length).read_to_end(&mut text)? as u64 != length {
            return Err(damaged());
        }
        let mut row: Vec<Value> = serde_json::from_slice(&text)?;
        let Some(Value::String(item)) = row.first_mut().map(Value::take) else { return Err(damaged()) };
        take(item, row, &footer)?;
    }
    Ok(footer)
}

/// Returns a value for each column.
fn widen(row: Vec<Value>, footer: &Footer) -> Vec<Value> {
    let mut wide = vec![Value::Null; footer.columns.len()];
    cells_of(row, footer).for_each(|(column, value)| wide[column as usize] = value);
    wide
}

/// Returns the cells of a row that have a value: column and value.
fn cells_of(row: Vec<Value>, footer: &Footer) -> impl Iterator<Item = (u32, Value)> {
    stored_cells(row, footer).filter_map(|(column, value)| Some((column, footer.kind(column).typed(value)?)))
}

/// Returns the cells of a row as they were uploaded: column and value.
fn stored_cells(row: Vec<Value>, footer: &Footer) -> impl Iterator<Item = (u32, Value)> {
    let mut cells = row.into_iter().skip(1);
    let pairs = std::iter::from_fn(move || Some((cells.next()?, cells.next()?)));
    pairs.filter_map(|(column, value)| {
        let column = u32::try_from(column.as_u64()?).ok().filter(|column| (*column as usize) < footer.columns.len())?;
        Some((column, value))
    })
}

fn footer_of(file: &File) -> io::Result<Footer> {
    let size = file.metadata()?.len();
    let mut end = [0; 12];
    file.read_exact_at(&mut end, size.checked_sub(12).ok_or_else(damaged)?)?;
    let (length, mark) = end.split_at(4);
    if mark != MARK {
        return Err(damaged());
    }
    let length = u64::from(u32::from_le_bytes(length.try_into().map_err(io::Error::other)?));
    let footer = read_part(file, (size - 12).checked_sub(length).ok_or_else(damaged)?, length)?;
    let footer: Footer = serde_json::from_slice(&footer)?;
    // The footer's numbers must fit the size of the file.
    let index_end = footer.rows.checked_mul(ENTRY_BYTES).and_then(|bytes| bytes.checked_add(footer.index_at));
    if index_end == Some(size - 12 - length) { Ok(footer) } else { Err(damaged()) }
}

fn read_part(file: &File, at: u64, length: u64) -> io::Result<Vec<u8>> {
    if length > LONGEST_PART {
        return Err(damaged());
    }
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the prepared form of this item metadata is damaged")
}

#[cfg(test)]
pub mod tests {
    use serde_json::json;

    use super::*;

    /// Returns the prepared form of given rows.
    pub fn prepared_rows(columns: &[&str], rows: Vec<(&str, Vec<TableCell>)>) -> Rows {
        opened(&built(&rows, columns).0).unwrap()
    }

    /// Returns the file of the prepared form of given rows.
    pub fn prepared_bytes(columns: &[&str], rows: &[(&str, Vec<TableCell>)]) -> Vec<u8> {
        std::fs::read(built(rows, columns).0.path()).unwrap()
    }

    /// Longer than any row of these tests.
    const LONG: usize = 1 << 20;

    fn opened(file: &tempfile::NamedTempFile) -> io::Result<Rows> {
        Rows::open(file.reopen()?)
    }

    fn built(rows: &[(&str, Vec<TableCell>)], columns: &[&str]) -> (tempfile::NamedTempFile, Built) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut builder = Builder::new(file.as_file_mut());
        rows.iter().for_each(|(id, cells)| builder.push(id, cells.clone()).unwrap());
        let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
        let end = builder.finish(&columns).unwrap();
        (file, end)
    }

    #[test]
    fn ids_are_exact_and_the_last_row_counts() {
        let rows = [
            ("007", vec![(0, json!("Bond")), (1, json!("9.90"))]),
            ("7", vec![(0, json!("seven"))]),
            ("a/b c", vec![(1, json!("3"))]),
            ("7", vec![(0, json!("Seven")), (1, json!("-2"))]),
        ];
        let (file, end) = built(&rows, &["title", "price"]);
        assert_eq!(end.repeated, 1);
        let rows = opened(&file).unwrap();
        assert_eq!(rows.columns(), ["title", "price"]);
        let found = |item| rows.find(item, LONG).unwrap();
        assert_eq!(found("007").unwrap(), [json!("Bond"), json!(9.9)]);
        assert_eq!(found("7").unwrap(), [json!("Seven"), json!(-2)]);
        assert_eq!(found("a/b c").unwrap(), [Value::Null, json!(3)]);
        assert_eq!((found("7.0"), found("")), (None, None));
    }

    #[test]
    fn a_row_longer_than_allowed_is_not_read() {
        let (file, _) = built(&[("a", vec![(0, json!("x".repeat(1_000)))]), ("b", vec![])], &["text"]);
        let rows = opened(&file).unwrap();
        assert_eq!(rows.find("a", 1_000).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert!(rows.find("a", 1_100).unwrap().is_some() && rows.find("b", 1_000).unwrap().is_some());
    }

    #[test]
    fn each_of_many_is_found() {
        let ids: Vec<String> = (0..2_000).map(|id| format!("item {id}")).collect();
        let rows: Vec<(&str, Vec<TableCell>)> =
            ids.iter().enumerate().map(|(at, id)| (id.as_str(), vec![(0, json!(at))])).collect();
        let (file, _) = built(&rows, &["n"]);
        let rows = opened(&file).unwrap();
        assert!(ids.iter().enumerate().all(|(at, id)| rows.find(id, LONG).unwrap().unwrap() == [json!(at)]));
    }

    #[test]
    fn a_file_of_an_older_version_keeps_its_decisions() {
        let footer = |more: &str| -> Footer {
            serde_json::from_str(&format!(r#"{{"columns":["a","b"],{more},"rows":0,"index_at":0}}"#)).unwrap()
        };
        let older = footer(r#""numeric":[true,false]"#);
        assert_eq!((older.kind(0), older.kind(1), older.kind(2)), (ColumnKind::Number, ColumnKind::Text, ColumnKind::Text));
        assert_eq!(footer(r#""kinds":["boolean","list"]"#).kind(1), ColumnKind::List);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_nothing_worse() {
        let (file, _) = built(&[("a", vec![(0, json!("x"))]), ("b", vec![])], &["n"]);
        let bytes = std::fs::read(file.path()).unwrap();
        let both = |rows: Rows| -> io::Result<_> { Ok((rows.find("a", LONG)?, rows.find("b", LONG)?)) };
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 0x41;
            std::fs::write(file.path(), &altered).unwrap();
            let _ = opened(&file).and_then(both);
            std::fs::write(file.path(), &bytes[..at]).unwrap();
            assert!(opened(&file).and_then(both).is_err());
        }
    }
}
