//! The rules of reading, format by format.

mod blocks;
mod bounded_work;
mod delta_texts;
mod forged_pages;
mod missing_values;
mod odd_files;
mod parquet_files;
mod stray_marks;
mod whole_rows;
mod writers;

use std::io::Write;

use proptest::prelude::*;
use serde_json::json;

use super::*;

type Kept = Vec<(String, String, Option<i64>)>;

fn options(time: bool) -> ReadOptions {
    ReadOptions::new("user_id", "item_id", time.then(|| "timestamp".to_owned()))
}

fn read_with(bytes: &[u8], name: &str, options: &ReadOptions) -> Result<(Kept, ReadReport), TabularError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let mut kept = Vec::new();
    let report = read_interactions(file.path(), name, options, &mut |row| {
        kept.push((row.user.to_owned(), row.item.to_owned(), row.time));
    })?;
    Ok((kept, report))
}

fn read(bytes: impl AsRef<[u8]>, name: &str) -> Result<(Kept, ReadReport), TabularError> {
    read_with(bytes.as_ref(), name, &options(false))
}

fn pairs(kept: &Kept) -> Vec<(&str, &str)> {
    kept.iter().map(|(user, item, _)| (user.as_str(), item.as_str())).collect()
}

fn reasons(report: &ReadReport) -> Vec<(u64, &str)> {
    report.rejected_examples.iter().map(|r| (r.line, r.reason.as_str())).collect()
}

#[test]
fn ids_stay_exact_strings() {
    let text = "\u{feff}item_id,extra,user_id\r\n007,x,Sigur Rós\r\n\"a/b, \"\"c\"\"\",,\"two\nlines\"\r\n 7 ,, u \n";
    let (kept, report) = read(text, "x.csv").unwrap();
    assert_eq!(pairs(&kept), [("Sigur Rós", "007"), ("two\nlines", "a/b, \"c\""), (" u ", " 7 ")]);
    assert_eq!(report.columns, ["item_id", "extra", "user_id"]);
    assert_eq!((report.rows_total, report.rows_kept, report.rejected), (3, 3, 0));
    let (kept, _) = read("user_id\titem_id\na,b\t1.0\n", "x.TSV").unwrap();
    assert_eq!(pairs(&kept), [("a,b", "1.0")]);
}

#[test]
fn bad_rows_are_left_out_one_by_one() {
    let mut text = b"user_id,item_id,note\na,1,\nb\nc,,\n  ,2,\n".to_vec();
    text.extend_from_slice(b"\xff\xfe,3,\n\nd,4,too,many\ne,5,,\nf,6,\"never closed\ng,7,x\n");
    let (kept, report) = read(&text, "x.csv").unwrap();
    assert_eq!(pairs(&kept), [("a", "1"), ("e", "5"), ("f", "6"), ("g", "7")]);
    assert_eq!(
        reasons(&report),
        [
            (3, "too few fields: 1 instead of 3"),
            (4, "\"item_id\" is blank"),
            (5, "\"user_id\" is blank"),
            (6, "\"user_id\" is not valid UTF-8"),
            (8, "too many fields: 4 instead of 3"),
        ]
    );
    assert_eq!(report.rejected_examples[0].raw, "b");
    assert_eq!((report.rows_total, report.rejected), (9, 5));
}

#[test]
fn examples_are_capped_but_counts_are_not() {
    let text = format!("user_id,item_id\n{}a,1\n", ",\n".repeat(MAX_EXAMPLES + 5));
    let (kept, report) = read(text, "x.csv").unwrap();
    assert_eq!((kept.len(), report.rejected_examples.len(), report.rejected), (1, MAX_EXAMPLES, MAX_EXAMPLES as u64 + 5));
}

#[test]
fn a_huge_field_costs_its_row_only() {
    let mut options = options(false);
    options.max_field_bytes = 2000;
    for size in [3000, 100_000, 3_000_000] {
        let text = format!("user_id,item_id\na,1\n{},2\nb,3\n\"{}\",4\nc,5\n", "x".repeat(size), "y".repeat(size));
        let (kept, report) = read_with(text.as_bytes(), "x.csv", &options).unwrap();
        assert_eq!(pairs(&kept), [("a", "1"), ("b", "3"), ("c", "5")], "{size}");
        assert_eq!(report.rejected_examples.iter().map(|r| r.line).collect::<Vec<_>>(), [3, 5]);
        let lines = format!(
            "{{\"user_id\":\"a\",\"item_id\":1}}\n{{\"user_id\":\"{}\",\"item_id\":2}}\n{{\"user_id\":\"b\",\"item_id\":3}}",
            "x".repeat(size)
        );
        let (kept, report) = read_with(lines.as_bytes(), "x.jsonl", &options).unwrap();
        assert_eq!((pairs(&kept), report.rejected), (vec![("a", "1"), ("b", "3")], 1));
    }
}

#[test]
fn files_that_are_wrong_as_a_whole() {
    assert!(matches!(read("", "x.csv"), Err(TabularError::Empty)));
    assert!(matches!(read("\n\n", "x.csv"), Err(TabularError::Empty)));
    assert!(matches!(read(" \n", "x.json"), Err(TabularError::Empty)));
    assert!(matches!(read("[]", "x.json"), Err(TabularError::Empty)));
    assert!(matches!(read("\n", "x.jsonl"), Err(TabularError::Empty)));
    let Err(TabularError::MissingColumn { column, available }) = read("user,item_id\n1,2\n", "x.csv") else { panic!() };
    assert_eq!((column.as_str(), available), ("user_id", vec!["user".to_owned(), "item_id".to_owned()]));
    assert!(matches!(read(r#"[{"user":1,"item_id":2}]"#, "x.json"), Err(TabularError::MissingColumn { .. })));
    assert!(matches!(read(r#"{"user":1,"item_id":2}"#, "x.jsonl"), Err(TabularError::MissingColumn { .. })));
    assert!(matches!(read(r#"{"user":[1],"item_id":[2]}"#, "x.json"), Err(TabularError::MissingColumn { .. })));
    assert!(matches!(read("a,b\n", "x.xlsx"), Err(TabularError::UnknownFormat { .. })));
    assert!(matches!(read(b"user_id,\xe9\n", "x.csv"), Err(TabularError::BadEncoding { .. })));
    assert!(matches!(read("PAR1xxxx", "x.csv"), Err(TabularError::WrongExtension { .. })));
    assert!(matches!(read("user_id,item_id\n", "x.csv.gz"), Err(TabularError::WrongExtension { .. })));
    assert!(matches!(read("user_id,item_id\n", "x.parquet"), Err(TabularError::WrongExtension { .. })));
    assert!(matches!(read("PAR1 but not really", "x.parquet"), Err(TabularError::Corrupt { .. })));
    assert!(matches!(read("user_id,item_id\n1,2\n", "x.json"), Err(TabularError::BadJson { .. })));
    assert!(matches!(read(r#"[{"user_id":1"#, "x.json"), Err(TabularError::Truncated)));
    assert!(matches!(read("[{\"user_id\":1,\"item_id\":2}]\n{}", "x.json"), Err(TabularError::BadJson { .. })));
    let (kept, report) = read("user_id,item_id\n", "x.csv").unwrap();
    assert_eq!((kept.len(), report.rows_total), (0, 0));
    let (kept, _) = read(r#"{"user_id":{},"item_id":{}}"#, "x.json").unwrap();
    assert!(kept.is_empty());
}

#[test]
fn times_in_every_notation() {
    let text = "user_id,item_id,timestamp\na,1,881250949\nb,2,1997-12-04 15:55:49\nc,3,never\nd,4,\ne,5,1997-12-04T15:55:49.5Z\n";
    let (kept, report) = read_with(text.as_bytes(), "x.csv", &options(true)).unwrap();
    let at = 881_250_949_000_000;
    assert_eq!(kept.iter().map(|k| k.2).collect::<Vec<_>>(), [Some(at), Some(at), Some(at + 500_000)]);
    assert_eq!(reasons(&report), [(4, "\"timestamp\" is not a time: \"never\""), (5, "\"timestamp\" is blank")]);
    let text = "user_id,item_id,timestamp\na,1,soon\nb,2,later\n";
    let Err(TabularError::TimeUnparsable { column, example }) = read_with(text.as_bytes(), "x.csv", &options(true)) else {
        panic!()
    };
    assert_eq!((column.as_str(), example.as_str()), ("timestamp", "soon"));
    let text = r#"[{"user_id":1,"item_id":2,"timestamp":881250949},{"user_id":1,"item_id":2,"timestamp":"1997-12-04 15:55:49"}]"#;
    let (kept, _) = read_with(text.as_bytes(), "x.json", &options(true)).unwrap();
    assert_eq!(kept.iter().map(|k| k.2).collect::<Vec<_>>(), [Some(at), Some(at)]);
}

fn events(bytes: impl AsRef<[u8]>, name: &str) -> (Vec<(String, String)>, ReadReport) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes.as_ref()).unwrap();
    let options = ReadOptions { event_column: Some("event".to_owned()), max_field_bytes: 100, ..options(false) };
    let mut kept = Vec::new();
    let report = read_interactions(file.path(), name, &options, &mut |row| {
        kept.push((row.user.to_owned(), row.event.unwrap().to_owned()));
    });
    (kept, report.unwrap())
}

fn events_of(kept: &[(String, String)]) -> Vec<(&str, &str)> {
    kept.iter().map(|(user, event)| (user.as_str(), event.as_str())).collect()
}

#[test]
fn event_types_are_read_wherever_the_column_is() {
    let expected = [("a", " View"), ("b", ""), ("c", ""), ("d", "3")];
    let mut csv = b"event,user_id,item_id\n View,a,1\n,b,1\n  ,c,1\n3,d,1\n\xff,e,1\n".to_vec();
    csv.extend_from_slice(format!("{},f,1\n", "x".repeat(101)).as_bytes());
    let (kept, report) = events(&csv, "x.csv");
    assert_eq!(events_of(&kept), expected);
    assert_eq!(reasons(&report), [(6, "\"event\" is not valid UTF-8"), (7, "\"event\" is larger than 100 bytes")]);
    assert_eq!(report.blank_ids, 0);
    let records = r#"[{"event":" View","user_id":"a","item_id":1},{"user_id":"b","item_id":1,"event":null},
        {"item_id":1,"user_id":"c"},{"user_id":"d","event":3,"item_id":1},{"user_id":"e","event":[],"item_id":1}]"#;
    let (kept, report) = events(records, "x.json");
    assert_eq!(events_of(&kept), expected);
    assert_eq!(reasons(&report), [(5, "\"event\" is neither text nor a number")]);
    let columns = r#"{"user_id":["a","b","c","d"],"event":[" View",null,"",3],"item_id":[1,1,1,1]}"#;
    assert_eq!(events_of(&events(columns, "x.json").0), expected);
    let lines = "{\"event\":\" View\",\"user_id\":\"a\",\"item_id\":1}\n{\"user_id\":\"b\",\"item_id\":1}\n{\"user_id\":\"c\",\"item_id\":1}\n{\"user_id\":\"d\",\"item_id\":1,\"event\":3}\n";
    assert_eq!(events_of(&events(lines, "x.jsonl").0), expected);
}

#[test]
fn a_column_may_be_asked_for_twice() {
    let options = ReadOptions { event_column: Some("item_id".to_owned()), ..options(false) };
    for (text, name) in [("user_id,item_id\na,1\n", "x.csv"), (r#"[{"user_id":"a","item_id":1}]"#, "x.json")] {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let mut kept = 0;
        let sink = &mut |row: Row<'_>| {
            assert_eq!(row, Row { user: "a", item: "1", time: None, event: Some("1") });
            kept += 1;
        };
        read_interactions(file.path(), name, &options, sink).unwrap();
        assert_eq!(kept, 1, "{name}");
    }
}

#[test]
fn json_in_its_shapes() {
    let expected = vec![("98765432109876543210", "Sigur Rós"), ("a", "1"), ("é\u{1f600}", "true")];
    let records = r#"[{"user_id":98765432109876543210,"item_id":"Sigur Rós","x":{"y":[1,{"z":null}]}},
        {"item_id":1.0,"user_id":"a"}, {"user_id":"\u00e9\ud83d\ude00","item_id":true}]"#;
    let (kept, report) = read(records, "x.json").unwrap();
    assert_eq!(pairs(&kept), expected);
    assert_eq!(report.columns, ["user_id", "item_id", "x"]);
    let columns =
        r#"{"user_id":{"0":98765432109876543210,"1":"a","2":"é😀"},"x":{"0":1},"item_id":{"2":true,"0":"Sigur Rós","1":1.0}}"#;
    assert_eq!(pairs(&read(columns, "x.json").unwrap().0), expected);
    let arrays = r#"{"user_id":[98765432109876543210,"a","é😀"],"item_id":["Sigur Rós",1.0,true]}"#;
    assert_eq!(pairs(&read(arrays, "x.json").unwrap().0), expected);
    let lines = "\u{feff}{\"user_id\":98765432109876543210,\"item_id\":\"Sigur Rós\"}\r\n\n{\"user_id\":\"a\",\"item_id\":1.0}\n{\"user_id\":\"é😀\",\"item_id\":true}";
    assert_eq!(pairs(&read(lines, "x.ndjson").unwrap().0), expected);
}

#[test]
fn bad_json_rows_are_left_out_one_by_one() {
    let lines = "{\"user_id\":1,\"item_id\":2}\n{\"user_id\":1\nnot json\n[1]\n{\"user_id\":null,\"item_id\":2}\n{\"user_id\":[],\"item_id\":2}\n{\"user_id\":3,\"item_id\":4} x\n{\"user_id\":5,\"item_id\":6}\n";
    let (kept, report) = read(lines, "x.jsonl").unwrap();
    assert_eq!(pairs(&kept), [("1", "2"), ("5", "6")]);
    assert_eq!(report.rejected_examples.iter().map(|r| r.line).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 7]);
    let (kept, report) = read(r#"[{"user_id":1,"item_id":2},7,{"user_id":"","item_id":2},{"item_id":2}]"#, "x.json").unwrap();
    assert_eq!((kept.len(), report.rejected), (1, 3));
}

fn pack(bytes: &[u8], extension: &str) -> Vec<u8> {
    match extension {
        "gz" | "gzip" => {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            out.write_all(bytes).unwrap();
            out.finish().unwrap()
        }
        "bz2" => {
            let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
            out.write_all(bytes).unwrap();
            out.finish().unwrap()
        }
        "xz" => {
            let mut out = liblzma::write::XzEncoder::new(Vec::new(), 3);
            out.write_all(bytes).unwrap();
            out.finish().unwrap()
        }
        "zst" => zstd::stream::encode_all(bytes, 3).unwrap(),
        _ => zip_of(&[("inside.csv", bytes)]),
    }
}

fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        out.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        out.write_all(bytes).unwrap();
    }
    out.finish().unwrap().into_inner()
}

const PACKINGS: [&str; 6] = ["gz", "gzip", "bz2", "xz", "zst", "zip"];

/// Returns text that does not compress well, so that a cut falls into its data.
fn sample() -> String {
    let rows: Vec<String> =
        (0..5000u64).map(|i| format!("u{},i{}\n", i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20, i * i)).collect();
    format!("user_id,item_id\n{}", rows.concat())
}

#[test]
fn packed_files_read_the_same_and_cut_ones_are_refused() {
    let text = sample();
    let (plain, _) = read(&text, "x.csv").unwrap();
    for packing in PACKINGS {
        let packed = pack(text.as_bytes(), packing);
        let name = format!("x.csv.{packing}");
        assert_eq!(read(&packed, &name).unwrap().0, plain, "{packing}");
        for part in [2, 3, 10] {
            let cut = read(&packed[..packed.len() - packed.len() / part], &name);
            assert!(matches!(cut, Err(TabularError::Truncated | TabularError::Corrupt { .. })), "{packing} {part}: {cut:?}");
        }
        let mut damaged = packed.clone();
        damaged[packed.len() / 2] ^= 0x55;
        assert!(packing == "zst" || read(&damaged, &name).is_err(), "{packing}");
    }
    let gz = pack(text.as_bytes(), "gz");
    assert!(matches!(read(&gz[..gz.len() / 2], "x.csv.gz"), Err(TabularError::Truncated)));
    assert_eq!(read(pack(text.as_bytes(), "zip"), "x.zip").unwrap().0, plain);
    let two = zip_of(&[("a.csv", b"user_id,item_id\n"), ("b.csv", b"")]);
    assert!(matches!(read(two, "x.zip"), Err(TabularError::BadArchive { count: 2 })));
    let mac = zip_of(&[("a.csv", b"user_id,item_id\n1,2\n"), ("__MACOSX/._a.csv", b"x")]);
    assert_eq!(pairs(&read(mac, "x.zip").unwrap().0), [("1", "2")]);
}

#[test]
fn bombs_stop_at_the_limit() {
    let mut options = options(false);
    options.max_expanded_bytes = 100_000;
    let mut text = b"user_id,item_id\n".to_vec();
    text.resize(4_000_000, b'\n');
    let mut one_line = b"user_id,item_id\na,".to_vec();
    one_line.resize(4_000_000, b'x');
    for bomb in [text, one_line] {
        for packing in PACKINGS {
            let outcome = read_with(&pack(&bomb, packing), &format!("x.csv.{packing}"), &options);
            assert!(matches!(outcome, Err(TabularError::TooLarge { limit: 100_000 })), "{packing}: {outcome:?}");
        }
    }
    let exact = sample();
    options.max_expanded_bytes = exact.len() as u64;
    assert!(read_with(exact.as_bytes(), "x.csv", &options).is_ok());
    options.max_expanded_bytes -= 1;
    assert!(matches!(read_with(exact.as_bytes(), "x.csv", &options), Err(TabularError::TooLarge { .. })));
}

fn preview_of(bytes: impl AsRef<[u8]>, name: &str, n: usize) -> Preview {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes.as_ref()).unwrap();
    preview(file.path(), name, n).unwrap()
}

#[test]
fn previews() {
    let csv = preview_of("user_id,x\n007,1\nbad\n8,\"a\nb\"\n", "x.csv", 5);
    assert_eq!(csv.columns, ["user_id", "x"]);
    assert_eq!(csv.rows, [[json!("007"), json!("1")], [json!("8"), json!("a\nb")]]);
    assert!(!csv.more);
    assert!(preview_of("user_id\n1\n2\n", "x.csv", 1).more);
    let expected = [[json!(7), json!(null)], [json!(null), json!({"y": [1]})]];
    for (text, name) in [
        (r#"[{"user_id":7},{"x":{"y":[1]}}]"#, "x.json"),
        (r#"{"user_id":{"0":7,"1":null},"x":{"0":null,"1":{"y":[1]}}}"#, "x.json"),
        ("{\"user_id\":7}\n{\"x\":{\"y\":[1]}}\n", "x.jsonl"),
    ] {
        let found = preview_of(text, name, 5);
        assert_eq!((found.columns.len(), found.more), (2, false), "{text}");
        assert_eq!(found.rows, expected, "{text}");
        assert!(preview_of(text, name, 1).more, "{text}");
    }
}

/// Quotes a field where it has to be, and sometimes where it does not.
fn quoted(field: &str, always: bool) -> String {
    let must = always || field.contains(['"', ',', '\n', '\r']);
    if must { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
}

fn id() -> impl Strategy<Value = String> {
    "[a-z0-9 \",\n\r'é世\t/]{0,12}[a-z0-9\"é世]"
}

proptest! {
    #[test]
    fn any_ids_survive_csv(rows in prop::collection::vec((id(), id(), any::<bool>()), 0..40), crlf in any::<bool>()) {
        let end = if crlf { "\r\n" } else { "\n" };
        let mut text = format!("item_id,user_id{end}");
        for (user, item, always) in &rows {
            text += &format!("{},{}{end}", quoted(item, *always), quoted(user, !*always));
        }
        let (kept, report) = read(&text, "x.csv").unwrap();
        prop_assert_eq!(report.rejected, 0);
        let expected: Vec<(&str, &str)> = rows.iter().map(|(u, i, _)| (u.as_str(), i.as_str())).collect();
        prop_assert_eq!(pairs(&kept), expected);
    }

    #[test]
    fn any_ids_survive_json(rows in prop::collection::vec((id(), id()), 1..20)) {
        let records: Vec<_> = rows.iter().map(|(u, i)| json!({"user_id": u, "item_id": i})).collect();
        let expected: Vec<(&str, &str)> = rows.iter().map(|(u, i)| (u.as_str(), i.as_str())).collect();
        let (kept, _) = read(json!(records).to_string(), "x.json").unwrap();
        prop_assert_eq!(pairs(&kept), expected.clone());
        let lines: Vec<String> = records.iter().map(ToString::to_string).collect();
        let (kept, _) = read(lines.join("\n"), "x.jsonl").unwrap();
        prop_assert_eq!(pairs(&kept), expected);
    }

    #[test]
    fn any_bytes_give_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0usize..8) {
        let names = ["x.csv", "x.tsv", "x.json", "x.jsonl", "x.csv.gz", "x.parquet", "x.zip", "x.csv.xz"];
        let _ = read(&bytes, names[at]);
        let mut text = b"user_id,item_id\n".to_vec();
        text.extend_from_slice(&bytes);
        let (kept, report) = read(&text, "x.csv").unwrap();
        prop_assert_eq!(kept.len() as u64, report.rows_kept);
        prop_assert_eq!(report.rows_total, report.rows_kept + report.rejected);
    }
}
