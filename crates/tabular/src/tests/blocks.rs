//! Reading in blocks on several threads gives exactly what reading row by row gives.

use super::*;

type Owned = (String, String, Option<i64>, Option<String>);

fn owned(row: Row<'_>) -> Owned {
    (row.user.to_owned(), row.item.to_owned(), row.time, row.event.map(str::to_owned))
}

fn outcome(result: Result<ReadReport, TabularError>, rows: Vec<Owned>) -> Result<(Vec<Owned>, ReadReport), String> {
    result.map(|report| (rows, report)).map_err(|error| format!("{error:?}"))
}

/// Returns what both ways of reading give, with errors as text.
fn both(path: &Path, name: &str, options: &ReadOptions, threads: usize) -> [Result<(Vec<Owned>, ReadReport), String>; 2] {
    let mut rows = Vec::new();
    let result = read_interactions(path, name, options, &mut |row| rows.push(owned(row)));
    let one_by_one = outcome(result, rows);
    let mut rows = Vec::new();
    let push = |block: &mut Vec<Owned>, row: Row<'_>| block.push(owned(row));
    let take = &mut |block: &mut Vec<Owned>| rows.append(block);
    let result = read_interactions_in_blocks(path, name, options, threads, Vec::new(), push, take);
    [one_by_one, outcome(result, rows)]
}

pub fn assert_same(bytes: &[u8], name: &str, options: &ReadOptions) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    for (threads, block_bytes) in [(1, 1), (2, 7), (3, 40), (2, 1 << 20)] {
        let options = ReadOptions { block_bytes, ..options.clone() };
        let [expected, found] = both(file.path(), name, &options, threads);
        assert_eq!(
            found,
            expected,
            "{threads} threads, blocks of {block_bytes}: {:?}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(10_000)])
        );
    }
}

fn all_columns() -> ReadOptions {
    ReadOptions { event_column: Some("e".to_owned()), ..ReadOptions::new("u", "i", Some("t".to_owned())) }
}

fn small_fields() -> ReadOptions {
    // The smallest limit of a record is 1024 bytes.
    ReadOptions { max_field_bytes: 256, ..ReadOptions::new("u", "i", None) }
}

#[test]
fn awkward_files_read_the_same() {
    let long = "x".repeat(300);
    let endless = "y".repeat(5000);
    let many = "a,b\n".repeat(500);
    let lone_marks = format!("{many}\"c,d\n{many}e,\"f\n{many}");
    let texts = [
        "u,i\n".to_owned(),
        "u,i".to_owned(),
        "".to_owned(),
        "\n\n\r\nu,i\na,b\n\n\r\n\nc,d".to_owned(),
        "u,i\r\na,b\r\nc,d\r".to_owned(),
        "\"u\nv\",u,i\n1,2,3\n".to_owned(),
        "\u{feff}u,i\na,\"b\nc\"\n\"d\"\"\n\",e\n".to_owned(),
        format!("u,i\na,{long}\nb,c\n{endless},d\ne,f\n{endless}"),
        format!("u,i\na,b\n\"{endless}\",d\ne,f\n\"{endless}\ng,h\n"),
        format!("u,i\n{lone_marks}"),
        format!("u,i\n{many}\"{many}"),
        format!("u,i\na,\"b\n{}\n{endless}", "\n".repeat(40)),
        "u,i\n\"a,b\nc,d\ne,\"f\"\n\"\"\"\ng,h\n".to_owned(),
        "u,i\n\"\n\"\"c,\",\"d\n\",1997-12-04,\"\"\n".to_owned(),
        "u,i\n\"h\ni\",j\n\"h\ni\",j,k\n\"h\n\"\",\"j\nk\",l\n".to_owned(),
        format!("u,i\n{}", "z\",a,\"\n".repeat(300)),
        format!("u,i\n{}\"", "\"\"c,\",\"d\n".repeat(300)),
        "u,i\na,\0\nb,c\n".to_owned(),
        "u,i\n é,b\n\u{3000},b\nc,d\n".to_owned(),
    ];
    for text in texts {
        assert_same(text.as_bytes(), "x.csv", &small_fields());
        assert_same(text.replace(',', "\t").as_bytes(), "x.tsv", &small_fields());
    }
    assert_same(b"u,i\na,b\n\xff,c\nd,e\n", "x.csv", &small_fields());
    assert_same(b"\xff\xfeu", "x.csv", &small_fields());
}

#[test]
fn many_rejected_rows_keep_their_order_and_lines() {
    let rows: Vec<String> = (0..3000).map(|i| if i % 2 == 0 { format!("u{i},\n") } else { format!("u{i},{i}\n") }).collect();
    assert_same(format!("u,i\n{}", rows.concat()).as_bytes(), "x.csv", &small_fields());
}

#[test]
fn limits_and_cut_files_end_both_ways() {
    let text = format!("u,i\n{}", "a,b\n".repeat(1000));
    assert_same(text.as_bytes(), "x.csv", &ReadOptions { max_expanded_bytes: 100, ..small_fields() });
    assert_same(text.as_bytes(), "x.csv", &ReadOptions { max_expanded_bytes: 4004, ..small_fields() });
    let packed = pack(text.as_bytes(), "gz");
    assert_same(&packed, "x.csv.gz", &small_fields());
    assert_same(&packed[..packed.len() - 20], "x.csv.gz", &small_fields());
    for name in ["x.zip", "x.csv.zip"] {
        assert_same(&zip_of(&[("x.csv", text.as_bytes())]), name, &small_fields());
    }
}

#[test]
fn awkward_json_reads_the_same() {
    let line = "{\"u\":1,\"i\":\"b\"}";
    let long = format!("{{\"u\":\"{}\",\"i\":1}}", "x".repeat(3000));
    let texts = [
        "".to_owned(),
        "\n\n".to_owned(),
        format!("\u{feff}{line}\n\n{line}"),
        format!("\n{line}\r\n[1]\n{{\"u\":\n{line}\n"),
        format!("{line}\n{long}\n{line}\n{long}"),
        format!("{long}\n{line}\n"),
        "{\"u\":1}\n{\"x\":2}\n".to_owned(),
        format!("{{\"a\":1}}\n{line}\n{{\"b\":1,\"i\":2,\"a\":3}}\n"),
    ];
    for text in texts {
        assert_same(text.as_bytes(), "x.jsonl", &small_fields());
        assert_same(format!("[{}]", text.trim().replace('\n', ",")).as_bytes(), "x.json", &small_fields());
    }
    assert_same(br#"{"u":[1,2],"x":[],"i":[3,null],"x":[]}"#, "x.json", &small_fields());
    assert_same(b"\xff\xfe{\0", "x.jsonl", &small_fields());
}

/// Generates text of the characters that matter to a reader of tables.
fn table_text(delimiter: char) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => Just("a".to_owned()),
        4 => Just(delimiter.to_string()),
        3 => Just("\n".to_owned()),
        1 => Just("\r\n".to_owned()),
        1 => Just("\r".to_owned()),
        2 => Just("\"".to_owned()),
        1 => Just("\"\"".to_owned()),
        1 => Just(" ".to_owned()),
        1 => Just("é世".to_owned()),
        1 => Just("\0".to_owned()),
        2 => (0..2_000_000_000u32).prop_map(|n| n.to_string()),
        3 => Just(format!("b{delimiter}7{delimiter}881250949{delimiter}view\n")),
        2 => Just(format!("\"c{delimiter}\"{delimiter}\"d\n\"{delimiter}1997-12-04{delimiter}\"\"\n")),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_table_reads_the_same(text in table_text(','), broken in prop::option::of((any::<prop::sample::Index>(), any::<u8>()))) {
        let mut bytes = format!("u,i,t,e\n{text}").into_bytes();
        if let Some((at, byte)) = broken {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        assert_same(&bytes, "x.csv", &all_columns());
    }

    #[test]
    fn any_narrow_table_reads_the_same(text in table_text('\t')) {
        assert_same(format!("i\tu\n{text}").as_bytes(), "x.tsv", &small_fields());
    }

    #[test]
    fn any_json_lines_read_the_same(lines in prop::collection::vec(
        "(\\{\"u\":(1|null|\"é\"),\"(i|x)\":(2|\\[\\]|\"b\")\\})?[ ,x]{0,1}(\n|\r\n)?", 0..30))
    {
        assert_same(lines.concat().as_bytes(), "x.jsonl", &small_fields());
    }
}
