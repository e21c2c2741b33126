//! One file from the parts of a delivery.

use std::fs::File;
use std::io;
use std::sync::Arc;

use parquet::column::writer::ColumnCloseResult;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;

use super::{ListFormat, WriteError};

/// Writes the parts, in order, as one file. What is in them is copied as it is. Returns the bytes.
pub fn join(format: ListFormat, parts: impl Iterator<Item = io::Result<File>>, out: &mut File) -> Result<u64, WriteError> {
    match format {
        ListFormat::Parquet => join_columns(parts, out),
        ListFormat::Jsonl | ListFormat::Csv => {
            let mut bytes = 0;
            for part in parts {
                bytes += io::copy(&mut part?, out)?;
            }
            Ok(bytes)
        }
    }
}

fn join_columns(parts: impl Iterator<Item = io::Result<File>>, out: &mut File) -> Result<u64, WriteError> {
    let mut writer: Option<SerializedFileWriter<&mut File>> = None;
    let mut out = Some(out);
    for part in parts {
        let part = part?;
        let reader = SerializedFileReader::new(part.try_clone()?)?;
        let schema = reader.metadata().file_metadata().schema_descr().root_schema_ptr();
        if let Some(out) = out.take() {
            writer = Some(SerializedFileWriter::new(out, schema, Arc::default())?);
        }
        let Some(writer) = &mut writer else { continue };
        for group in reader.metadata().row_groups() {
            let mut to = writer.next_row_group()?;
            for column in group.columns() {
                let close = ColumnCloseResult {
                    bytes_written: column.compressed_size().unsigned_abs(),
                    rows_written: group.num_rows().unsigned_abs(),
                    metadata: column.clone(),
                    bloom_filter: None,
                    column_index: None,
                    offset_index: None,
                };
                to.append_column(&part, close)?;
            }
            to.close()?;
        }
    }
    let Some(mut writer) = writer else { return Ok(0) };
    writer.finish()?;
    Ok(writer.bytes_written() as u64)
}
