//! Files from programs that did not target this one.

use super::*;
use crate::{ColumnNote, Guess, NoteKind};

fn note(report: &ReadReport, kind: NoteKind) -> &ColumnNote {
    let found = report.notes.iter().find(|note| note.kind == kind);
    found.unwrap_or_else(|| panic!("no {kind:?} in {:?}", report.notes))
}

fn has(report: &ReadReport, kind: NoteKind) -> bool {
    report.notes.iter().any(|note| note.kind == kind)
}

const TWO_ROWS: [(&str, &str); 2] = [("a", "1"), ("b", "2")];

#[test]
fn a_quotation_mark_without_partner_swallows_no_rows() {
    for delimiter in [",", "\t"] {
        let name = if delimiter == "," { "x.csv" } else { "x.tsv" };
        let mut text = "user_id,item_id,title\n".to_owned();
        for row in 0..1000 {
            let title = if row % 400 == 100 { "\"half open" } else { "t" };
            text += &format!("u{row},i{row},{title}\n");
        }
        let text = text.replace(',', delimiter);
        let (kept, report) = read(&text, name).unwrap();
        assert_eq!((kept.len(), report.rejected), (1000, 0));
        assert_eq!(note(&report, NoteKind::QuotesAsText).count, 3);
        super::blocks::assert_same(text.as_bytes(), name, &options(false));
    }
    // The first row must not get values of the third.
    let text = "user_id,item_id,title,timestamp\na,x,\"Oops,1600000001\nb,y,fine,1600000002\nc,z,\"Hello\" he said,1600000003\n";
    let (kept, report) = read_with(text.as_bytes(), "x.csv", &options(true)).unwrap();
    let seconds: Vec<i64> = kept.iter().map(|row| row.2.unwrap() / 1_000_000).collect();
    assert_eq!((seconds, report.rejected), (vec![1_600_000_001, 1_600_000_002, 1_600_000_003], 0));
    assert_eq!(note(&report, NoteKind::QuotesAsText).count, 2);
}

#[test]
fn quotation_marks_at_the_end_of_a_file_and_inside_of_texts() {
    for (text, expected) in [
        ("user_id,item_id\na,\"", vec![("a", "\"")]),
        ("user_id,item_id\na,\"x\"", vec![("a", "x")]),
        ("user_id,item_id\na,\"x\"\r", vec![("a", "x")]),
        ("user_id,item_id\na,\"x\"\"", vec![("a", "\"x\"\"")]),
        ("user_id,item_id\na,5\" disk\nb,\"\"\"q\"\"\"\n", vec![("a", "5\" disk"), ("b", "\"q\"")]),
        ("user_id,item_id\na,\"x\" y\nb,z\n", vec![("a", "\"x\" y"), ("b", "z")]),
        ("user_id,item_id\na,\"b,\"c\nd,e\n", vec![("d", "e")]),
    ] {
        let (kept, report) = read(text, "x.csv").unwrap();
        assert_eq!(pairs(&kept), expected, "{text}");
        assert_eq!(report.rows_total, report.rows_kept + report.rejected);
        super::blocks::assert_same(text.as_bytes(), "x.csv", &options(false));
    }
}

#[test]
fn a_record_over_lines_that_does_not_fit_was_made_by_a_stray_mark() {
    let text = "user_id,item_id\na,\"1\nb,2\nc,3\",4,5\nd,6\n";
    let (kept, report) = read(text, "x.csv").unwrap();
    assert_eq!(pairs(&kept), [("a", "\"1"), ("b", "2"), ("d", "6")]);
    assert_eq!(reasons(&report), [(4, "too many fields: 4 instead of 2")]);
    super::blocks::assert_same(text.as_bytes(), "x.csv", &options(false));
}

#[test]
fn the_delimiter_is_found_and_told() {
    for (written, guess) in
        [(";", Guess::Semicolon), ("\t", Guess::Tab), ("|", Guess::Pipe), ("::", Guess::DoubleColon), ("\x01", Guess::ControlA)]
    {
        let text = "user_id,item_id,x\na,1,\"q\"\nb,2,\n".replace(',', written);
        let (kept, report) = read(&text, "x.csv").unwrap();
        assert_eq!(pairs(&kept), TWO_ROWS, "{written:?}");
        assert_eq!(note(&report, NoteKind::DelimiterFound).guess, Some(guess));
        assert_eq!(preview_of(&text, "x.csv", 1).columns, ["user_id", "item_id", "x"]);
    }
    let (kept, report) = read("sep=;\r\nuser_id;item_id\r\na;1\r\nb;2\r\n;3\r\n", "x.csv").unwrap();
    assert_eq!(pairs(&kept), TWO_ROWS);
    assert_eq!(reasons(&report), [(5, "\"user_id\" is blank")]);
    assert!(!has(&read("user_id,item_id\na,1\n", "x.csv").unwrap().1, NoteKind::DelimiterFound));
    let Err(error) = read("user;item\na;b\n", "x.csv") else { panic!() };
    assert_eq!(error.to_string(), "the file has no column \"user_id\"; its columns are \"user\", \"item\"");
    let Err(error) = read("1,2\n3,4\n", "x.csv") else { panic!() };
    assert!(error.to_string().contains("looks like data"), "{error}");
}

#[test]
fn lines_may_end_with_a_carriage_return_alone() {
    let text = "user_id,item_id\ra,1\rb,2\r";
    let (kept, report) = read(text, "x.csv").unwrap();
    assert_eq!(pairs(&kept), TWO_ROWS);
    assert!(has(&report, NoteKind::CarriageReturns));
    super::blocks::assert_same(text.as_bytes(), "x.csv", &options(false));
}

#[test]
fn lines_may_end_with_two_carriage_returns() {
    let text = "user_id,item_id\r\r\na,1\r\r\nb,\"2\"\r\r\n\r\r\nc\r\r\n";
    let (kept, report) = read(text, "x.csv").unwrap();
    assert_eq!(pairs(&kept), TWO_ROWS);
    assert_eq!(reasons(&report), [(5, "too few fields: 1 instead of 2")]);
    assert_eq!(note(&report, NoteKind::DoubledReturns).count, 3);
    super::blocks::assert_same(text.as_bytes(), "x.csv", &options(false));
    assert_eq!(preview_of(text, "x.csv", 1).columns, ["user_id", "item_id"]);
    assert!(!has(&read("user_id,item_id\r\na,1\r\n", "x.csv").unwrap().1, NoteKind::DoubledReturns));
}

fn utf16(text: &str, high_first: bool) -> Vec<u8> {
    text.encode_utf16().flat_map(|unit| if high_first { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

#[test]
fn utf16_is_read_with_and_without_its_mark() {
    let rows = [("世", "1"), ("b", "2\u{1f600}")];
    for (text, name) in [
        ("user_id\titem_id\r\n世\t1\r\nb\t2\u{1f600}\r\n", "x.csv"),
        ("[{\"user_id\":\"世\",\"item_id\":1},{\"user_id\":\"b\",\"item_id\":\"2\u{1f600}\"}]", "x.json"),
        ("{\"user_id\":\"世\",\"item_id\":1}\n{\"user_id\":\"b\",\"item_id\":\"2\u{1f600}\"}\n", "x.jsonl"),
    ] {
        for (high_first, guess) in [(false, Guess::Utf16Le), (true, Guess::Utf16Be)] {
            for mark in ["", "\u{feff}"] {
                let bytes = utf16(&format!("{mark}{text}"), high_first);
                let (kept, report) = read(&bytes, name).unwrap();
                assert_eq!(pairs(&kept), rows, "{name}");
                assert_eq!(note(&report, NoteKind::EncodingFound).guess, Some(guess));
                super::blocks::assert_same(&bytes, name, &options(false));
            }
        }
    }
}

#[test]
fn other_encodings_are_named() {
    let mut text = b"user_id,item_id,title\na,1,x\n\x93\xfa\x96\x7b,2,x\nb,2,\x93\xfa\n".to_vec();
    let (kept, report) = read(&text, "x.csv").unwrap();
    assert_eq!(pairs(&kept), TWO_ROWS);
    let found = note(&report, NoteKind::EncodingFound);
    assert_eq!((found.guess, found.count), (Some(Guess::ShiftJis), 1));
    super::blocks::assert_same(&text, "x.csv", &options(false));
    text.splice(0..7, *b"caf\xe9,user_id");
    let Err(error) = read(&text, "x.csv") else { panic!() };
    assert!(error.to_string().contains("at line 1 (it looks like Windows-1252)"), "{error}");
    // Columns that are not requested do no harm.
    let (_, report) = read(b"user_id,item_id,title\na,1,caf\xe9\n", "x.csv").unwrap();
    assert!(report.notes.is_empty(), "{:?}", report.notes);
}

#[test]
fn two_columns_of_one_name_are_refused_if_they_are_wanted() {
    let record = r#"{"user_id":1,"item_id":2,"item_id":3}"#;
    let columns = r#"{"user_id":[1],"item_id":[2],"item_id":[3]}"#;
    for (text, name) in [("item_id,user_id,item_id\n0,a,1\n", "x.csv"), (columns, "x.json")] {
        let Err(TabularError::RepeatedColumn { column }) = read(text, name) else { panic!("{name}") };
        assert_eq!(column, "item_id");
    }
    let (_, report) = read(record, "x.jsonl").unwrap();
    assert_eq!(reasons(&report), [(1, "\"item_id\" is given more than once")]);
    assert!(read("x,item_id,user_id,x\n0,1,a,2\n", "x.csv").is_ok());
}

#[test]
fn ids_that_look_missing_or_have_spaces_are_counted() {
    let text = "user_id,item_id\nNULL,1\n\\N,2\nnan,3\na ,4\na,5\nN/A,1.0\nNathan,6\n";
    let (kept, report) = read(text, "x.csv").unwrap();
    assert_eq!(kept.len(), 6);
    assert_eq!(reasons(&report), [(3, "\"user_id\" is \\N, which stands for a missing value")]);
    let found = note(&report, NoteKind::IdsLookMissing);
    assert_eq!((found.count, found.column.as_deref()), (3, Some("user_id")));
    assert_eq!(found.examples, ["NULL", "nan", "N/A"]);
    assert_eq!((note(&report, NoteKind::IdsMissing).count, report.blank_ids), (1, 1));
    assert_eq!(note(&report, NoteKind::IdsWithSpaces).examples, ["a "]);
    assert_eq!(note(&report, NoteKind::IdsWithFraction).column.as_deref(), Some("item_id"));
    super::blocks::assert_same(text.as_bytes(), "x.csv", &options(false));
}

#[test]
fn columns_that_are_not_wanted_cannot_hurt() {
    let huge = format!("\"{}\"", "x".repeat(3000));
    let options = ReadOptions { max_field_bytes: 2000, ..options(false) };
    for other in [
        "Infinity",
        "-Infinity",
        "NaN",
        "1e999",
        r#""cut \ud83d""#,
        r#""\ud83d\ud83d\u0041""#,
        r#"{"y":[1e999,"\udc00"]}"#,
        &huge,
    ] {
        let records = format!(r#"{{"x":{other},"user_id":"a","item_id":1}},{{"user_id":"b","item_id":2,"x":{other}}}"#);
        let lines = records.replace("},{\"user", "}\n{\"user");
        let columns = format!(r#"{{"user_id":["a","b"],"x":[{other},{other}],"item_id":[1,2]}}"#);
        for (text, name) in [(format!("[{records}]"), "x.json"), (lines, "x.jsonl"), (columns, "x.json")] {
            let (kept, report) = read_with(text.as_bytes(), name, &options).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((pairs(&kept), report.rejected), (TWO_ROWS.to_vec(), 0), "{text}");
        }
    }
    let text = r#"[{"user_id":"a\ud83d","item_id":1},{"user_id":Infinity,"item_id":2},{"user_id":"b","item_id":3}]"#;
    let (kept, report) = read(text, "x.json").unwrap();
    assert_eq!(pairs(&kept), [("b", "3")]);
    let expected = "\"user_id\" holds half of a surrogate pair, a character that was cut in two";
    assert_eq!(reasons(&report), [(1, expected), (2, "no value for \"user_id\"")]);
}

#[test]
fn json_is_read_whichever_way_it_is_named() {
    let lines = "{\"user_id\":\"a\",\"item_id\":1}\n{\"user_id\":\"b\",\"item_id\":2}\n";
    let array = "[{\"user_id\":\"a\",\"item_id\":1},\n{\"user_id\":\"b\",\"item_id\":2}]";
    for (text, name) in [(lines, "x.json"), (array, "x.jsonl"), (array, "x.json"), (lines, "x.jsonl")] {
        assert_eq!(pairs(&read(text, name).unwrap().0), TWO_ROWS, "{name}");
        assert_eq!(preview_of(text, name, 5).rows.len(), 2);
        super::blocks::assert_same(text.as_bytes(), name, &options(false));
    }
    assert_eq!(pairs(&read("{\"user_id\":\"a\",\"item_id\":1}", "x.json").unwrap().0), [("a", "1")]);
}

#[test]
fn zeros_and_line_ends_behind_packed_data_are_nothing() {
    let text = sample();
    let (plain, _) = read(&text, "x.csv").unwrap();
    for packing in ["gz", "bz2", "xz", "zst"] {
        let name = format!("x.csv.{packing}");
        let packed = pack(text.as_bytes(), packing);
        for padding in [&b"\0"[..], b"\n", b"\r\n", &[0; 100_000], b"\0\n"] {
            assert_eq!(read([&packed[..], padding].concat(), &name).unwrap().0, plain, "{packing} {}", padding.len());
        }
        let rubbish = read([&packed[..], b"\0rubbish"].concat(), &name);
        assert!(matches!(rubbish, Err(TabularError::Trailing { .. })), "{packing}: {rubbish:?}");
        let twice = [&packed[..], &[0; 8][..], &pack(b"z,9\n", packing)[..]].concat();
        let (kept, _) = read(twice, &name).unwrap();
        assert_eq!((kept.len(), kept.last()), (plain.len() + 1, Some(&("z".to_owned(), "9".to_owned(), None))), "{packing}");
    }
}

fn times_of(texts: &[&str], uploaded_at: Option<i64>) -> ReadReport {
    let rows: Vec<String> = texts.iter().map(|text| format!("a,1,{text}\n")).collect();
    let text = format!("user_id,item_id,timestamp\n{}", rows.concat());
    let options = ReadOptions { uploaded_at, ..options(true) };
    super::blocks::assert_same(text.as_bytes(), "x.csv", &options);
    read_with(text.as_bytes(), "x.csv", &options).unwrap().1
}

const SECONDS_OF_2021: i64 = 1_609_459_200;

#[test]
fn what_times_were_read_as_is_told() {
    let report = times_of(&["20200102", "20200103"], None);
    let found = note(&report, NoteKind::TimesRead);
    assert_eq!((found.guess, found.count, &found.examples[..]), (Some(Guess::YearMonthDay), 2, &["20200102".to_owned()][..]));
    assert_eq!(report.notes.len(), 1);
    let mixed = times_of(&["1577923200", "20200105", "1577930400", "20200106"], None);
    assert_eq!(note(&mixed, NoteKind::TimesRead).guess, Some(Guess::UnixSeconds));
    let early = note(&mixed, NoteKind::TimesBefore1980);
    assert_eq!((early.guess, early.count, early.examples.len()), (Some(Guess::YearMonthDay), 2, 2));
    let start = times_of(&["0", "60", "86400"], None);
    assert_eq!(note(&start, NoteKind::TimesBefore1980).guess, Some(Guess::SinceStart));
    let days = times_of(&["18262", "18263"], None);
    assert_eq!(note(&days, NoteKind::TimesBefore1980).guess, Some(Guess::UnixDays));
    let late = times_of(&["1577923200", "9999-12-31", "2021-01-01"], Some(SECONDS_OF_2021 * 1_000_000));
    assert_eq!((note(&late, NoteKind::TimesAfterUpload).count, late.rows_kept), (1, 3));
}

#[test]
fn a_day_that_does_not_exist_costs_its_row() {
    let mut days = vec!["20200102"; 30];
    days.push("20200230");
    let report = times_of(&days, None);
    assert_eq!(reasons(&report), [(32, "\"timestamp\" is not a time: \"20200230\"")]);
}

#[test]
fn times_in_json_are_decided_for_the_column_too() {
    let options = options(true);
    let day = 1_577_923_200_000_000;
    for (text, name) in [
        (r#"[{"user_id":1,"item_id":2,"timestamp":20200102}]"#, "x.json"),
        (r#"{"user_id":[1],"item_id":[2],"timestamp":[20200102]}"#, "x.json"),
        (r#"{"user_id":1,"item_id":2,"timestamp":"20200102"}"#, "x.jsonl"),
    ] {
        let (kept, report) = read_with(text.as_bytes(), name, &options).unwrap();
        assert_eq!(kept[0].2, Some(day), "{name}");
        assert_eq!(note(&report, NoteKind::TimesRead).guess, Some(Guess::YearMonthDay));
        super::blocks::assert_same(text.as_bytes(), name, &options);
    }
}

#[test]
fn a_record_with_very_many_keys_is_read_and_its_columns_are_counted_once() {
    // A search through all columns for each key would take ten seconds.
    let keys: String = (0..300_000).map(|key| format!("\"k{key}\":1,")).collect();
    let record = format!("{{{keys}\"k1\": 2, \"user_id\": \"u\", \"item_id\": \"i\"}}\n");
    let first = "{\"user_id\": \"a\", \"item_id\": \"b\"}\n";
    let (kept, report) = read(format!("{first}{record}"), "x.jsonl").unwrap();
    assert_eq!(pairs(&kept), [("a", "b"), ("u", "i")]);
    assert_eq!(report.columns.len(), crate::collector::MAX_COLUMNS);
    assert_eq!(report.columns[..4], ["user_id", "item_id", "k0", "k1"]);
    let once = report.columns.iter().collect::<std::collections::HashSet<_>>();
    assert_eq!(once.len(), report.columns.len());
}

#[test]
fn the_start_of_a_file_is_enough_for_its_first_rows() {
    let text: String =
        std::iter::once("user_id,x\n".to_owned()).chain((0..999).map(|row| format!("u{row},value of {row}\n"))).collect();
    let start = |bytes: &[u8], name: &str, most: u64| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        crate::preview_of_start(file.path(), name, 10_000, most, 1 << 20, &crate::Stop::default())
    };
    let whole = start(text.as_bytes(), "x.csv", 1 << 20).unwrap();
    assert_eq!((whole.rows.len(), whole.more), (999, false));
    let limited = start(text.as_bytes(), "x.csv", 1_000).unwrap();
    assert!(limited.more && limited.rows == whole.rows[..limited.rows.len()] && limited.rows.len() > 30);
    for packing in ["gz", "bz2", "xz", "zst"] {
        let packed = pack(text.as_bytes(), packing);
        let cut = start(&packed[..packed.len() - packed.len() / 8], &format!("x.csv.{packing}"), 1 << 20);
        // Some packings have a single block, of which nothing can be read before its end.
        let Ok(cut) = cut else { continue };
        assert!(cut.more && cut.rows == whole.rows[..cut.rows.len()], "{packing}");
    }
    assert!(matches!(start(b"\x1f\x8b nothing", "x.csv.gz", 1 << 20), Err(TabularError::Corrupt { .. } | TabularError::Empty)));
}
