//! The one place where the library decodes bytes of a file.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

use super::super::error::TabularError;
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
pub(super) struct Batches(Option<ParquetRecordBatchReader>);

impl Batches {
    pub fn of(reader: ParquetRecordBatchReader) -> Self {
        Batches(Some(reader))
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, TabularError>;

    fn next(&mut self) -> Option<Self::Item> {
        let reader = self.0.as_mut()?;
        let batch = decode(|| reader.next().transpose()).transpose();
        if !matches!(batch, Some(Ok(_))) {
            self.0 = None;
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
