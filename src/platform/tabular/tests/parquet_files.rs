//! The rules of reading Parquet.

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use arrow_array::{
    ArrayRef, Date32Array, Float64Array, Int64Array, LargeStringArray, RecordBatch, StringArray, TimestampMillisecondArray,
};

use super::*;

fn file(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
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
    assert_eq!(pairs(&kept), [("a", "1.0"), ("b", "2.5"), ("c", "3.0")]);
}

#[test]
fn many_groups_read_the_same_in_blocks() {
    let n = 2 * crate::platform::tabular::blocks::BLOCK_ROWS as i64 + 9;
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
