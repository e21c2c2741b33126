//! The files of a delivery: one for each part that is complete, and one of all parts at the end.

use std::fs::File;
use std::io;

use super::files::ListFormat;
use crate::platform::blobs::{Blobs, Incoming};

/// The folder of the file store.
const FOLDER: &str = "deliveries";

/// A complete part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub number: u64,
    pub rows: u64,
    key: String,
}

impl Part {
    /// Reads a key such as `deliveries/7.part-2-1000`.
    fn parse(delivery: i64, key: &str) -> Option<Self> {
        let rest = key.strip_prefix(&prefix(delivery))?;
        let (number, rows) = rest.split_once('-')?;
        Some(Self { number: number.parse().ok()?, rows: rows.parse().ok()?, key: key.to_owned() })
    }

    pub fn open(&self, blobs: &Blobs) -> io::Result<File> {
        blobs.open_file(&self.key)
    }
}

fn prefix(delivery: i64) -> String {
    format!("{FOLDER}/{delivery}.part-")
}

/// Returns the key of the whole file.
pub fn key_of(delivery: i64, format: ListFormat) -> String {
    format!("{FOLDER}/{delivery}.{format}")
}

/// Stores a part that is written.
pub fn keep(blobs: &Blobs, delivery: i64, number: u64, rows: u64, file: Incoming) -> io::Result<Part> {
    let key = format!("{}{number}-{rows}", prefix(delivery));
    blobs.keep(file, &key)?;
    Ok(Part { number, rows, key })
}

/// Returns the first parts of a delivery without a gap.
pub fn complete(blobs: &Blobs, delivery: i64) -> io::Result<Vec<Part>> {
    let mut parts = all(blobs, delivery)?;
    parts.sort_by_key(|part| part.number);
    let gap = parts.iter().zip(0..).position(|(part, number)| part.number != number);
    parts.truncate(gap.unwrap_or(parts.len()));
    Ok(parts)
}

/// Removes all parts of a delivery.
pub fn remove(blobs: &Blobs, delivery: i64) -> io::Result<()> {
    all(blobs, delivery)?.into_iter().try_for_each(|part| blobs.remove(&part.key))
}

fn all(blobs: &Blobs, delivery: i64) -> io::Result<Vec<Part>> {
    let files = blobs.list(FOLDER)?;
    Ok(files.iter().filter_map(|file| Part::parse(delivery, &file.key)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_count_up_to_the_first_gap_and_are_those_of_their_delivery() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().to_owned()).unwrap();
        for (delivery, number) in [(7, 0), (7, 1), (7, 3), (77, 2), (77, 0)] {
            keep(&blobs, delivery, number, 10 + number, blobs.incoming().unwrap()).unwrap();
        }
        blobs.write(&key_of(7, ListFormat::Csv), b"whole").unwrap();
        let rows = |delivery| complete(&blobs, delivery).unwrap().iter().map(|part| part.rows).collect::<Vec<_>>();
        assert_eq!((rows(7), rows(77), rows(1)), (vec![10, 11], vec![10], vec![]));
        remove(&blobs, 7).unwrap();
        assert_eq!((rows(7), rows(77)), (vec![], vec![10]));
        assert_eq!(blobs.read("deliveries/7.csv").unwrap(), b"whole");
    }
}
