//! Files that programs write in their default settings are read to the same rows, or refused with the reason.

use super::*;
use crate::NoteKind;

/// Generates ids as they occur anywhere. The first and the last letter are visible, as in an id that is no mistake.
fn id() -> impl Strategy<Value = String> {
    "[a-z0-9é世,;|:'\\\\]([a-z0-9 \"\t,;|:'\\\\\né世/]{0,8}[a-z0-9é世])?"
}

type Rows = Vec<(String, String, i64)>;

/// Generates rows with times between 2001 and 2032; from there on, ten digits may be hours of 1980.
fn table() -> impl Strategy<Value = Rows> {
    prop::collection::vec((id(), id(), 1_000_000_000..1_980_000_000i64), 1..20)
}

/// Returns a field between quotation marks if one of these characters is in it.
fn quoted_if(field: &str, any: &[char]) -> String {
    if field.contains(any) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
}

/// Returns a table with a header; `field` writes a value.
fn written(rows: &Rows, delimiter: &str, end: &str, field: impl Fn(&str) -> String) -> String {
    let mut text = format!("user_id{delimiter}item_id{delimiter}timestamp{end}");
    for (user, item, time) in rows {
        text += &format!("{}{delimiter}{}{delimiter}{time}{end}", field(user), field(item));
    }
    text
}

fn assert_read(bytes: &[u8], name: &str, rows: &Rows) {
    let (kept, report) = read_with(bytes, name, &options(true)).unwrap();
    let expected: Kept = rows.iter().map(|(user, item, time)| (user.clone(), item.clone(), Some(time * 1_000_000))).collect();
    let shown = String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(kept, expected, "{:?}\n{shown:?}", report.notes);
    super::blocks::assert_same(bytes, name, &options(true));
}

fn utf16_with_mark(text: &str) -> Vec<u8> {
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// Escapes as MySQL and PostgreSQL do.
fn escaped(field: &str) -> String {
    field.replace('\\', "\\\\").replace('\t', "\\\t").replace('\n', "\\\n")
}

fn escaped_with_letters(field: &str) -> String {
    field.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n")
}

proptest! {
    #[test]
    fn csv_of_rfc_4180(rows in table()) {
        // pandas, polars, DuckDB and COPY … CSV of PostgreSQL write line feeds, others carriage returns before them.
        for end in ["\n", "\r\n"] {
            let text = written(&rows, ",", end, |field| quoted_if(field, &[',', '"', '\n', '\r']));
            assert_read(text.as_bytes(), "x.csv", &rows);
        }
    }

    #[test]
    fn csv_of_spreadsheets(rows in table()) {
        let text = written(&rows, ",", "\r\n", |field| quoted_if(field, &[',', '"', '\n']));
        assert_read(format!("\u{feff}{text}").as_bytes(), "x.csv", &rows);
        let text = written(&rows, ";", "\r\n", |field| quoted_if(field, &[';', '"', '\n']));
        assert_read(text.as_bytes(), "x.csv", &rows);
        assert_read(format!("sep=;\r\n{text}").as_bytes(), "x.csv", &rows);
        // Backslashes next to tabs are a dump's, as far as can be detected, and the report says so.
        let rows: Rows = rows.into_iter().map(|(user, item, time)| (user.replace('\\', "/"), item.replace('\\', "/"), time)).collect();
        let text = written(&rows, "\t", "\r\n", |field| quoted_if(field, &['\t', '"', '\n', ',']));
        assert_read(&utf16_with_mark(&text), "x.csv", &rows);
    }

    #[test]
    fn dumps_of_databases(rows in table()) {
        // A dump without any escape cannot be distinguished from a text with quotation marks around some fields.
        let rows: Rows = rows.into_iter().map(|(user, item, time)| (user.replace('"', "'"), item.replace('"', "'"), time)).collect();
        let with_missing = |text: String| format!("{text}\\N\tx\t1500000000\n");
        assert_read(with_missing(written(&rows, "\t", "\n", escaped)).as_bytes(), "x.tsv", &rows);
        assert_read(with_missing(written(&rows, "\t", "\n", escaped_with_letters)).as_bytes(), "x.tsv", &rows);
        let telling = rows.iter().any(|(user, item, _)| format!("{user}{item}").contains('\\'));
        if telling {
            assert_read(written(&rows, "\t", "\n", escaped).as_bytes(), "x.tsv", &rows);
            assert_read(written(&rows, "\t", "\n", escaped_with_letters).as_bytes(), "x.csv", &rows);
        }
    }

    #[test]
    fn tables_of_hive(rows in table()) {
        // Hive does not escape: a line end in a value ends the row there, and the halves are rejected.
        let rows: Rows = rows.into_iter().map(|(user, item, time)| (user.replace(['"', '\n'], "'"), item.replace(['"', '\n'], "'"), time)).collect();
        assert_read(written(&rows, "\x01", "\n", str::to_owned).as_bytes(), "x.csv", &rows);
    }

    #[test]
    fn csv_of_spark(rows in table()) {
        // A backslash before a quotation mark, as Spark writes it, cannot be distinguished from an escaped mark.
        let rows: Rows = rows.into_iter().map(|(user, item, time)| (user.replace(['\\', '\n'], "/"), item.replace(['\\', '\n'], "/"), time)).collect();
        let field = |field: &str| {
            if field.contains([',', '"']) { format!("\"{}\"", field.replace('"', "\\\"")) } else { field.to_owned() }
        };
        let text = written(&rows, ",", "\n", field);
        let (kept, report) = read_with(text.as_bytes(), "x.csv", &options(true)).unwrap();
        let expected: Kept = rows.iter().map(|(user, item, time)| (user.clone(), item.clone(), Some(time * 1_000_000))).collect();
        let told = report.rejected > 0 || report.notes.iter().any(|note| note.kind == NoteKind::QuotesAsText);
        prop_assert!(kept == expected || told, "{text:?}: {kept:?}");
        super::blocks::assert_same(text.as_bytes(), "x.csv", &options(true));
    }

    #[test]
    fn json_of_data_frames(rows in table()) {
        let records: Vec<_> = rows.iter().map(|(u, i, t)| json!({"user_id": u, "item_id": i, "timestamp": t})).collect();
        let lines: Vec<String> = records.iter().map(ToString::to_string).collect();
        assert_read(json!(records).to_string().as_bytes(), "x.json", &rows);
        // DuckDB and Spark write lines under the name of JSON.
        for name in ["x.json", "x.jsonl"] {
            assert_read(format!("{}\n", lines.join("\n")).as_bytes(), name, &rows);
        }
        let column = |value: &dyn Fn(&(String, String, i64)) -> serde_json::Value| {
            rows.iter().enumerate().map(|(at, row)| (at.to_string(), value(row))).collect::<serde_json::Map<_, _>>()
        };
        let columns = json!({
            "user_id": column(&|row| json!(row.0)),
            "item_id": column(&|row| json!(row.1)),
            "timestamp": column(&|row| json!(row.2 * 1000)),
        });
        assert_read(columns.to_string().as_bytes(), "x.json", &rows);
    }

    /// Checks rows with a stray quotation mark anywhere: each is kept or rejected, none is lost.
    #[test]
    fn no_row_is_lost(lines in prop::collection::vec("[ab]{0,2}\"?[ab]?,\"{0,3}[ab]{0,2}\"?,[ab]{1,2}", 1..30)) {
        let text = format!("user_id,item_id,x\n{}\n", lines.join("\n"));
        let (_, report) = read(&text, "x.csv").unwrap();
        // A mark that closes after a line end makes one row of several lines, as its line ends show.
        let over_lines = text.matches("\n").count() as u64 - 1 - report.rows_total;
        let closing = text.matches("\",").count() as u64 + text.matches("\"\n").count() as u64;
        prop_assert!(over_lines == 0 || closing > 0, "{text:?}: {report:?}");
        super::blocks::assert_same(text.as_bytes(), "x.csv", &options(false));
    }
}
