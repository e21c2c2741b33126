//! The one place where the library decodes bytes of a file.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

use super::super::error::TabularError;
use super::super::stop::Stop;
use super::at_once::AtOnce;
use super::corrupt;

/// Runs `work`, in which the library decodes something.
///
/// The library trusts some of the file's metadata and panics if it is wrong, for example for a page that refers to a missing
/// dictionary. A damaged upload is a fault of the upload, not of this program, so such a panic becomes an error of the file. Data
/// that `work` was changing are not used after it.
pub(super) fn decode<R, E: Display>(work: impl FnOnce() -> Result<R, E>) -> Result<R, TabularError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(decoded) => decoded.map_err(|error| corrupt(&error)),
        Err(_) => Err(corrupt(&"its data is damaged")),
    }
}

/// Decodes the rows of a file; stops at the first error.
pub(super) struct Batches {
    reader: Option<ParquetRecordBatchReader>,
    at_once: AtOnce,
    stop: Stop,
}

impl Batches {
    /// Returns the batches of a reader until `stop`; `at_once` counts the pages of the reader.
    pub fn of(reader: ParquetRecordBatchReader, at_once: AtOnce, stop: &Stop) -> Self {
        Batches { reader: Some(reader), at_once, stop: stop.clone() }
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, TabularError>;

    fn next(&mut self) -> Option<Self::Item> {
        let reader = self.reader.as_mut()?;
        if let Err(stopped) = self.stop.check() {
            self.reader = None;
            return Some(Err(stopped));
        }
        self.at_once.begin();
        let batch = decode(|| reader.next().transpose()).map_err(|error| self.at_once.refusal().unwrap_or(error)).transpose();
        if !matches!(batch, Some(Ok(_))) {
            self.reader = None;
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::{TabularError, decode};

    #[test]
    fn a_panic_of_the_library_is_an_error_in_words() {
        let Err(error) = decode(|| -> Result<(), TabularError> { panic!("no dictionary") }) else { panic!() };
        assert!(error.to_string().starts_with("the file cannot be read as Parquet: its data is damaged; check"), "{error}");
    }
}
