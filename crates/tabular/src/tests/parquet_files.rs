//! The rules of reading Parquet.

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use arrow_array::builder::{FixedSizeBinaryBuilder, ListBuilder, StringBuilder};
use arrow_array::{
    Array, ArrayRef, BinaryArray, Date32Array, Decimal128Array, Float64Array, Int64Array, LargeStringArray, RecordBatch,
    StringArray, StructArray, TimestampMillisecondArray,
};

use super::*;
use crate::{Guess, NoteKind, TableOptions, TableReport, read_table};

fn file(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// Returns a file of two interactions.
pub fn of_two_rows() -> Vec<u8> {
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    file(vec![("user_id", Arc::clone(&ids)), ("item_id", ids)])
}

fn users() -> ArrayRef {
    Arc::new(StringArray::from(vec![Some("007"), None, Some("Sigur Rós")]))
}

#[test]
fn types_become_exact_text() {
    let items: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX, 2, -3]));
    let bytes = file(vec![("item_id", items), ("user_id", users())]);
    let expected = vec![("007", "9223372036854775807"), ("Sigur Rós", "-3")];
    for (bytes, name) in
        [(bytes.clone(), "x.parquet"), (pack(&bytes, "gz"), "x.parquet.gz"), (pack(&bytes, "zip"), "x.parquet.zip")]
    {
        super::blocks::assert_same(&bytes, name, &options(false));
        let (kept, report) = read(bytes, name).unwrap();
        assert_eq!(pairs(&kept), expected);
        assert_eq!(reasons(&report), [(2, "no value for \"user_id\"")]);
    }
    assert!(matches!(read(&bytes[..bytes.len() / 2], "x.parquet"), Err(TabularError::Corrupt { .. })));
    let found = preview_of(&bytes, "x.parquet", 2);
    assert_eq!(found.columns, ["item_id", "user_id"]);
    assert_eq!(found.rows, [[json!(i64::MAX), json!("007")], [json!(2), json!(null)]]);
    assert!(found.more);
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.5, 3.0]));
    let wide: ArrayRef = Arc::new(LargeStringArray::from(vec!["a", "b", "c"]));
    let (kept, _) = read(file(vec![("user_id", wide), ("item_id", floats)]), "x.parquet").unwrap();
    assert_eq!(pairs(&kept), [("a", "1"), ("b", "2.5"), ("c", "3")]);
}

#[test]
fn many_groups_read_the_same_in_blocks() {
    let n = 2 * crate::blocks::BLOCK_ROWS as i64 + 9;
    let ids: ArrayRef = Arc::new(Int64Array::from_iter((0..n).map(|i| (i % 1000 != 7).then_some(i % 777))));
    let batch = RecordBatch::try_from_iter([("user_id", Arc::clone(&ids)), ("item_id", ids)]).unwrap();
    for group_rows in [n as usize, 100_000] {
        let properties = ::parquet::file::properties::WriterProperties::builder();
        let properties = properties.set_max_row_group_row_count(Some(group_rows)).build();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        super::blocks::assert_same(&bytes, "x.parquet", &options(false));
    }
}

#[test]
fn event_types_as_text_or_numbers() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("view"), Some("buy"), None]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), Some(8), None]));
    for (column, first) in [(texts, "view"), (numbers, "7")] {
        let (kept, _) = events(file(vec![("event", column), ("user_id", users()), ("item_id", users())]), "x.parquet");
        assert_eq!(events_of(&kept), [("007", first), ("Sigur Rós", "")]);
    }
}

#[test]
fn times_of_every_type() {
    let at = 881_250_949_000_000;
    let columns: [(ArrayRef, i64); 5] = [
        (Arc::new(TimestampMillisecondArray::from(vec![881_250_949_000; 3])), at),
        (Arc::new(TimestampMillisecondArray::from(vec![881_250_949_000; 3]).with_timezone("+09:00")), at),
        (Arc::new(Int64Array::from(vec![881_250_949; 3])), at),
        (Arc::new(StringArray::from(vec!["1997-12-04T15:55:49Z"; 3])), at),
        (Arc::new(Date32Array::from(vec![1; 3])), 86_400_000_000),
    ];
    for (times, expected) in columns {
        let bytes = file(vec![("user_id", users()), ("item_id", users()), ("timestamp", times.clone())]);
        let (kept, _) = read_with(&bytes, "x.parquet", &options(true)).unwrap();
        assert_eq!(kept[0].2, Some(expected), "{times:?}");
    }
}

fn kinds(report: &ReadReport) -> Vec<(NoteKind, u64)> {
    report.notes.iter().map(|note| (note.kind, note.count)).collect()
}

fn three() -> ArrayRef {
    Arc::new(StringArray::from(vec!["a", "b", "c"]))
}

#[test]
fn whole_numbers_of_any_type_are_the_same_ids_and_nan_is_missing() {
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.0), Some(f64::NAN), None]));
    let decimals = Decimal128Array::from(vec![1200, 99, -300]).with_precision_and_scale(10, 2).unwrap();
    let bytes = file(vec![("user_id", floats), ("item_id", Arc::new(decimals))]);
    let (kept, report) = read(&bytes, "x.parquet").unwrap();
    assert_eq!(pairs(&kept), [("1", "12")]);
    assert_eq!(reasons(&report), [(2, "no value for \"user_id\""), (3, "no value for \"user_id\"")]);
    let expected = [
        (NoteKind::IdsMissing, 2),
        (NoteKind::IdsReadAsWholeNumbers, 1),
        (NoteKind::IdsReadAsWholeNumbers, 2),
        (NoteKind::IdsWithFraction, 1),
    ];
    assert_eq!(kinds(&report), expected);
    super::blocks::assert_same(&bytes, "x.parquet", &options(false));
}

#[test]
fn uuids_and_bytes_are_texts() {
    let mut ids = FixedSizeBinaryBuilder::new(16);
    (0..3u8).for_each(|n| ids.append_value([n; 16]).unwrap());
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec!["é".as_bytes(), b"b", b"c"]));
    let bytes = file(vec![("user_id", Arc::new(ids.finish())), ("item_id", bytes)]);
    let (kept, _) = read(&bytes, "x.parquet").unwrap();
    assert_eq!(pairs(&kept)[..2], [("00000000-0000-0000-0000-000000000000", "é"), ("01010101-0101-0101-0101-010101010101", "b")]);
    let broken: ArrayRef = Arc::new(BinaryArray::from(vec![&b"\xff"[..], b"b", b"c"]));
    let Err(error) = read(file(vec![("user_id", broken), ("item_id", three())]), "x.parquet") else { panic!() };
    assert!(error.to_string().starts_with("the column \"user_id\" holds bytes that are no text"), "{error}");
}

fn small_table() -> TableOptions {
    TableOptions {
        key_column: "item_id".to_owned(),
        max_expanded_bytes: 1 << 20,
        max_cell_bytes: 1000,
        max_columns: 4,
        max_rows: 10,
        stop: Stop::default(),
    }
}

fn read_items(bytes: &[u8]) -> Result<(Vec<serde_json::Value>, TableReport), TabularError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let mut values = Vec::new();
    let mut sink = |_: &str, cells: Vec<crate::TableCell>| {
        values.extend(cells.into_iter().map(|(_, value)| value));
        Ok(())
    };
    let report = read_table(file.path(), "x.parquet", &small_table(), &mut sink)?;
    Ok((values, report))
}

#[test]
fn bytes_that_are_no_text_are_told() {
    let codes: ArrayRef = Arc::new(BinaryArray::from(vec!["é".as_bytes(), b"\xff\x01", b"\xfe"]));
    let (values, report) = read_items(&file(vec![("item_id", three()), ("code", codes)])).unwrap();
    assert_eq!(values, [json!("é"), json!("ff01"), json!("fe")]);
    let found: Vec<_> = report.notes.iter().map(|note| (note.kind, note.column.as_deref(), note.count)).collect();
    assert_eq!(found, [(NoteKind::BytesAsHex, Some("code"), 2)]);
    assert_eq!(report.notes[0].examples, ["ff01", "fe"]);
}

#[test]
fn lists_are_lists_and_what_cannot_be_read_is_named() {
    let mut tags = ListBuilder::new(StringBuilder::new());
    tags.append_value([Some("War"), None]);
    tags.append_null();
    tags.append_value([Some("Warfare")]);
    let read_items = |bytes: &[u8]| read_items(bytes).map(|(values, _)| values);
    let tags: ArrayRef = Arc::new(tags.finish());
    let bytes = file(vec![("item_id", three()), ("tags", Arc::clone(&tags))]);
    assert_eq!(read_items(&bytes).unwrap(), [json!(["War", null]), json!(["Warfare"])]);
    let fields = vec![(Arc::new(arrow_schema::Field::new("x", tags.data_type().clone(), true)), tags)];
    let structs: ArrayRef = Arc::new(StructArray::from(fields));
    let bytes = file(vec![("item_id", three()), ("user_id", three()), ("made", structs)]);
    let Err(error) = read_items(&bytes) else { panic!() };
    assert!(error.to_string().starts_with("the column \"made\" holds structs (of x), which cannot be read here"), "{error}");
    // It does not matter in a column that is not requested.
    assert_eq!(read(&bytes, "x.parquet").unwrap().0.len(), 3);
}

#[test]
fn every_codec_is_read() {
    use ::parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
    let batch = RecordBatch::try_from_iter([("user_id", three()), ("item_id", three())]).unwrap();
    for codec in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ] {
        let properties = ::parquet::file::properties::WriterProperties::builder().set_compression(codec).build();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        assert_eq!(pairs(&read(&bytes, "x.parquet").unwrap().0), [("a", "a"), ("b", "b"), ("c", "c")], "{codec:?}");
    }
}

#[test]
fn numbers_of_a_time_column_are_decided_for_the_column() {
    let columns: [(ArrayRef, Guess); 3] = [
        (Arc::new(Int64Array::from(vec![20_200_102; 3])), Guess::YearMonthDay),
        (Arc::new(Float64Array::from(vec![43_832.0; 3])), Guess::ExcelDays),
        (Arc::new(TimestampMillisecondArray::from(vec![1_577_923_200_000; 3])), Guess::Typed),
    ];
    for (times, guess) in columns {
        let bytes = file(vec![("user_id", three()), ("item_id", three()), ("timestamp", times)]);
        let (kept, report) = read_with(&bytes, "x.parquet", &options(true)).unwrap();
        assert_eq!(kept[0].2, Some(1_577_923_200_000_000), "{guess:?}");
        assert_eq!((report.notes[0].kind, report.notes[0].guess), (NoteKind::TimesRead, Some(guess)));
        super::blocks::assert_same(&bytes, "x.parquet", &options(true));
    }
}

/// Compresses columns very much, as a file made to fill memory does.
fn packed(columns: Vec<(&str, ArrayRef)>, dictionary: bool) -> tempfile::NamedTempFile {
    use ::parquet::basic::{Compression, ZstdLevel};
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = ::parquet::file::properties::WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_enabled(dictionary)
        .build();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file
}

fn texts(n: usize, length: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values((0..n).map(|_| "x".repeat(length))))
}

#[test]
fn a_preview_expands_no_page_beyond_its_limit_and_names_the_column() {
    const LIMIT: u64 = 1 << 20;
    for dictionary in [true, false] {
        let file = packed(vec![("user_id", texts(3, 1)), ("item_id", texts(3, 1)), ("blob", texts(3, 1 << 20))], dictionary);
        assert!(file.as_file().metadata().unwrap().len() < 100_000);
        let Err(error) = crate::preview_within(file.path(), "x.parquet", 2, LIMIT, &Stop::default()) else { panic!() };
        let words = "the first rows cannot be shown: values of the column \"blob\" expand to ";
        assert!(error.to_string().starts_with(words), "{error}");
        assert!(error.to_string().contains("MiB or more"), "{error}");
        assert_eq!(crate::column_names(file.path(), "x.parquet", &Stop::default()).unwrap(), ["user_id", "item_id", "blob"]);
        let found = crate::preview_within(file.path(), "x.parquet", 2, 16 * LIMIT, &Stop::default()).unwrap();
        assert_eq!((found.rows.len(), found.more), (2, true));
        assert_eq!(found.rows[1][2], json!("x".repeat(1 << 20)));
        // Nothing depends on a column that is not wanted.
        let bytes = std::fs::read(file.path()).unwrap();
        assert_eq!(read(&bytes, "x.parquet").unwrap().0.len(), 3);
    }
}

#[test]
fn a_preview_repeats_no_text_beyond_its_limit() {
    let file = packed(vec![("blob", texts(200, 20_000))], true);
    let Err(error) = crate::preview_within(file.path(), "x.parquet", 200, 1 << 20, &Stop::default()) else { panic!() };
    assert!(matches!(&error, TabularError::PreviewTooLarge { column, .. } if column == "blob"), "{error}");
    assert_eq!(crate::preview_within(file.path(), "x.parquet", 5, 1 << 20, &Stop::default()).unwrap().rows.len(), 5);
}

#[test]
fn a_list_that_repeats_a_text_is_left_out_unbuilt() {
    let mut tags = ListBuilder::new(StringBuilder::new());
    let long = "x".repeat(500);
    tags.append_value((0..1000).map(|_| Some(long.as_str())));
    tags.append_value([Some("War")]);
    let file = packed(vec![("item_id", Arc::new(StringArray::from(vec!["a", "b"]))), ("tags", Arc::new(tags.finish()))], true);
    let mut keys = Vec::new();
    let mut sink = |key: &str, _: Vec<crate::TableCell>| {
        keys.push(key.to_owned());
        Ok(())
    };
    let report = read_table(file.path(), "x.parquet", &small_table(), &mut sink).unwrap();
    assert_eq!(report.rejected_examples[0].reason, "\"tags\" is larger than 1000 bytes");
    assert_eq!(keys, ["b"]);
}
