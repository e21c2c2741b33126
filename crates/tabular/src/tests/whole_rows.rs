//! Rows with all their columns.

use std::io::Write;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

use crate::{Stop, TableCell, TableOptions, TableReport, TabularError, preview, read_table};

fn options() -> TableOptions {
    TableOptions {
        key_column: "id".to_owned(),
        max_expanded_bytes: 1 << 20,
        max_cell_bytes: 1000,
        max_columns: 4,
        max_rows: 10,
        stop: Stop::default(),
    }
}

type Found = (Vec<(String, Vec<TableCell>)>, TableReport);

fn read(bytes: impl AsRef<[u8]>, name: &str) -> Result<Found, TabularError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes.as_ref()).unwrap();
    let mut rows = Vec::new();
    let report = read_table(file.path(), name, &options(), &mut |key, cells| {
        rows.push((key.to_owned(), cells));
        Ok(())
    })?;
    Ok((rows, report))
}

fn row(key: &str, cells: &[(usize, Value)]) -> (String, Vec<TableCell>) {
    (key.to_owned(), cells.to_vec())
}

#[test]
fn every_text_format_gives_the_same_rows() {
    let typed = [row("12345678901234567890123", &[(0, json!("a"))]), row("b", &[(0, json!("c")), (1, json!([1, null]))])];
    for (text, name) in [
        (r#"[{"id":12345678901234567890123,"x":"a"},{"x":"c","y":[1,null],"id":"b"}]"#, "x.json"),
        (r#"{"id":["12345678901234567890123","b"],"x":["a","c"],"y":[null,[1,null]]}"#, "x.json"),
        (r#"{"id":{"p":12345678901234567890123,"q":"b"},"x":{"q":"c","p":"a"},"y":{"q":[1,null]}}"#, "x.json"),
        ("{\"id\":12345678901234567890123,\"x\":\"a\"}\n\n{\"id\":\"b\",\"x\":\"c\",\"y\":[1,null]}", "x.jsonl"),
    ] {
        let (rows, report) = read(text, name).unwrap();
        assert_eq!(rows, typed, "{text}");
        assert_eq!((report.columns, report.untyped), (vec!["x".to_owned(), "y".to_owned()], false), "{text}");
    }
    let (rows, report) = read("\u{feff}x,id,y,x\na,007,,1\n,8,\"q\n\",\n", "x.csv").unwrap();
    assert_eq!(rows, [row("007", &[(0, json!("a")), (2, json!("1"))]), row("8", &[(1, json!("q\n"))])]);
    assert_eq!((report.columns, report.untyped), (["x", "y", "x.1"].map(str::to_owned).to_vec(), true));
}

#[test]
fn parquet_keeps_types_and_what_is_no_number_is_no_value() {
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![Some(i64::MAX), None, Some(7)]));
    let prices: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, 1.0, 2.5]));
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true, false, true]));
    let names: ArrayRef = Arc::new(StringArray::from(vec![Some("ä"), None, None]));
    let batch = RecordBatch::try_from_iter([("id", ids), ("price", prices), ("flag", flags), ("name", names)]).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let (rows, report) = read(&bytes, "x.parquet").unwrap();
    let expected =
        [row("9223372036854775807", &[(1, json!(true)), (2, json!("ä"))]), row("7", &[(0, json!(2.5)), (1, json!(true))])];
    assert_eq!(rows, expected);
    assert_eq!((report.rows_total, report.rejected), (3, 1));
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&bytes).unwrap();
    assert_eq!(preview(file.path(), "x.parquet", 1).unwrap().rows[0][1], Value::Null);
}

#[test]
fn single_bad_rows_are_left_out() {
    let large = "x".repeat(1001);
    let (rows, report) = read(format!("id,x\n,1\n \t,1\na,{large}\nb\nc,\nd,\"1\n"), "x.csv").unwrap();
    // A quotation mark without a partner is text.
    assert_eq!(rows, [row("c", &[]), row("d", &[(0, json!("\"1"))])]);
    assert_eq!((report.rows_total, report.rejected), (6, 4), "{report:?}");
    let (rows, report) = read(format!("{{\"id\":[1]}}\n{{\"id\":\"a\",\"x\":\"{large}\"}}\n5\n{{\"id\":3}}"), "x.jsonl").unwrap();
    assert_eq!((rows, report.rejected), (vec![row("3", &[])], 3));
    for text in [
        format!("[{{\"id\":\"a\",\"x\":\"{large}\"}},{{\"id\":\"{large}\"}},{{\"id\":3}}]"),
        format!("{{\"id\":[\"a\",\"{large}\",3],\"x\":[\"{large}\",null,null]}}"),
    ] {
        let (rows, report) = read(text, "x.json").unwrap();
        assert_eq!((rows, report.rejected), (vec![row("3", &[])], 2));
    }
}

#[test]
fn tables_have_their_limits() {
    let too_many = |text: &str, name: &str| matches!(read(text, name), Err(TabularError::TooMany { .. }));
    assert!(too_many("id,a,b,c,d,e\n", "x.csv"));
    assert!(too_many(&format!("id\n{}", "x\n".repeat(11)), "x.csv"));
    assert!(too_many(r#"[{"id":1,"a":1,"b":1,"c":1,"d":1,"e":1}]"#, "x.json"));
    let nested = format!("[{{\"id\":1,\"a\":[{}0]}}]", "0,".repeat(5000));
    assert!(matches!(read(nested, "x.json"), Err(TabularError::BadJson { .. })));
    assert!(matches!(read("a\n1\n", "x.csv"), Err(TabularError::MissingColumn { .. })));
    assert!(matches!(read("[{\"a\":1}]", "x.json"), Err(TabularError::MissingColumn { .. })));
    assert!(matches!(read("[]", "x.json"), Err(TabularError::Empty)));
}

#[test]
fn the_name_of_a_column_has_a_limit_and_errors_show_only_its_start() {
    let named = |length: usize, name: &str| {
        let column = "x".repeat(length);
        let text = if name == "x.csv" { format!("id,{column}\n1,2\n") } else { format!("[{{\"id\":1,\"{column}\":2}}]") };
        read(text, name).map(|(rows, _)| rows.len())
    };
    for name in ["x.csv", "x.json"] {
        assert_eq!(named(256, name).unwrap(), 1, "{name}");
        let refused = named(257, name).unwrap_err().to_string();
        assert!(refused.contains("more than 256 characters"), "{name}: {refused}");
    }
    let missing = read(format!("{}\n1\n", "x".repeat(900)), "x.csv").unwrap_err().to_string();
    assert!(missing.len() < 600, "{missing}");
}
