//! Parquet whose values take much memory and no room in the file.

use std::io::Write;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use arrow_array::builder::{Int8Builder, ListBuilder};
use arrow_array::{ArrayRef, FixedSizeBinaryArray, FixedSizeListArray, Int8Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field};
use serde_json::{Value, json};

use crate::{ReadOptions, Stop, TableOptions, preview_within, read_interactions, read_table};

/// Returns a file with a column of ids and another column.
fn written(name: &str, values: ArrayRef) -> tempfile::NamedTempFile {
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values((0..values.len()).map(|id| id.to_string())));
    let batch = RecordBatch::try_from_iter_with_nullable([("item_id", ids, true), (name, values, true)]).unwrap();
    let mut bytes = Vec::new();
    let properties = WriterProperties::builder().set_dictionary_enabled(false).build();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    assert!(bytes.len() < 200_000, "it is a small file");
    on_disk(&bytes)
}

fn on_disk(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn table_of(file: &tempfile::NamedTempFile) -> Result<Vec<Vec<(usize, Value)>>, crate::TabularError> {
    let options = TableOptions {
        key_column: "item_id".to_owned(),
        max_expanded_bytes: 1 << 30,
        max_cell_bytes: 1000,
        max_columns: 4,
        max_rows: 10_000,
        stop: Stop::default(),
    };
    let mut rows = Vec::new();
    read_table(file.path(), "x.parquet", &options, &mut |_, cells| {
        rows.push(cells);
        Ok(())
    })?;
    Ok(rows)
}

fn lists(lengths: impl IntoIterator<Item = usize>) -> ArrayRef {
    let mut lists = ListBuilder::new(Int8Builder::new());
    for length in lengths {
        lists.values().append_nulls(length);
        lists.append(true);
    }
    Arc::new(lists.finish())
}

#[test]
fn a_list_of_missing_values_takes_no_more_memory_than_allowed() {
    let file = written("tags", lists([20_000_000, 1]));
    let limit = "the values of the column \"tags\" take ";
    for error in
        [table_of(&file).unwrap_err(), preview_within(file.path(), "x.parquet", 2, 64 << 20, &Stop::default()).unwrap_err()]
    {
        let words = error.to_string();
        assert!(words.starts_with(limit) && words.contains("leave that column out, or write shorter lists"), "{words}");
    }
    // The same number of values in lists of usual length is read batch by batch.
    let file = written("tags", lists((0..10_000).map(|_| 20)));
    assert_eq!(table_of(&file).unwrap().len(), 10_000);
}

#[test]
fn missing_values_of_fixed_length_take_no_more_memory_than_allowed() {
    let file = written("v", Arc::new(FixedSizeBinaryArray::new_null(1 << 29, 2)));
    let words = preview_within(file.path(), "x.parquet", 2, 64 << 20, &Stop::default()).unwrap_err().to_string();
    assert!(words.starts_with("the values of the column \"v\" take 1.0 GiB"), "{words}");
    let file = written("user_id", Arc::new(FixedSizeBinaryArray::new_null(1 << 29, 2)));
    let options = ReadOptions::new("user_id", "item_id", None);
    let words = read_interactions(file.path(), "x.parquet", &options, &mut |_| ()).unwrap_err().to_string();
    assert!(words.starts_with("the values of the column \"user_id\" take 1.0 GiB"), "{words}");
}

#[test]
fn missing_lists_of_fixed_size_are_missing_values() {
    let field = Arc::new(Field::new("item", DataType::Int8, true));
    let full = FixedSizeListArray::new(Arc::clone(&field), 2, Arc::new(Int8Array::from(vec![1, 2, 3, 4])), None);
    let rows = table_of(&written("v", Arc::new(full))).unwrap();
    assert_eq!(rows[1].iter().find(|(_, value)| value.is_array()).unwrap().1, json!([3, 4]));
    let rows = table_of(&written("v", Arc::new(FixedSizeListArray::new_null(field, 1000, 3)))).unwrap();
    assert!(rows.iter().all(|cells| cells.iter().all(|(_, value)| !value.is_array())), "{rows:?}");
}

#[test]
fn a_dictionary_declares_no_more_values_than_it_has_bytes_for() {
    for codec in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
    ] {
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..200).map(|id| format!("{id:03}"))));
        let batch = RecordBatch::try_from_iter([("user_id", Arc::clone(&texts)), ("item_id", texts)]).unwrap();
        let properties = WriterProperties::builder().set_compression(codec).build();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        assert_eq!(rows_of(&bytes).unwrap(), 200, "{codec:?}");

        let footer = SerializedFileReader::new(::bytes::Bytes::from(bytes.clone())).unwrap();
        let page = usize::try_from(footer.metadata().row_group(0).column(0).dictionary_page_offset().unwrap()).unwrap();
        // The number of values, of two bytes, is the first field of the header of the dictionary.
        let place = page + bytes[page..].windows(4).position(|four| four == [0x4c, 0x15, 0x90, 0x03]).unwrap();
        bytes[place + 2..][..2].copy_from_slice(&[0xfe, 0x7f]);
        let words = rows_of(&bytes).unwrap_err().to_string();
        assert!(words.contains("a dictionary of 1400 bytes declares 8191 values"), "{codec:?}: {words}");
    }
}

fn rows_of(bytes: &[u8]) -> Result<u64, crate::TabularError> {
    let options = ReadOptions::new("user_id", "item_id", None);
    Ok(read_interactions(on_disk(bytes).path(), "x.parquet", &options, &mut |_| ())?.rows_kept)
}
