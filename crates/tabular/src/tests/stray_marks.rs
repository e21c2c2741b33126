//! Quotation marks that are text, and how much of a table they may take with them.

use super::*;
use crate::{ColumnNote, NoteKind, Stop, TableOptions, read_table};

fn note(report: &ReadReport, kind: NoteKind) -> Option<&ColumnNote> {
    report.notes.iter().find(|note| note.kind == kind)
}

/// Returns a table in which one field begins with a mark and a later one ends with a mark; `order` makes a row of user, item, other
/// and title.
fn inches(rows: usize, first: usize, last: usize, order: impl Fn([String; 4]) -> [String; 4]) -> String {
    let title = |row: usize| match row {
        row if row == first => "\"Heroes EP",
        row if row == last => "Heroes 12\"",
        _ => "x",
    };
    let rows =
        (0..rows).map(|row| order([format!("u{row}"), format!("i{row}"), row.to_string(), title(row).to_owned()]).join(","));
    std::iter::once(order(["user_id", "item_id", "other", "title"].map(str::to_owned)).join(","))
        .chain(rows)
        .map(|row| row + "\n")
        .collect()
}

#[test]
fn two_marks_rows_apart_take_no_rows_with_them() {
    let last = |row: [String; 4]| row;
    let between = |[user, item, other, title]: [String; 4]| [user, item, title, other];
    for text in [inches(200, 10, 100, last), inches(200, 10, 100, between), inches(200, 10, 13, last)] {
        for (text, name) in [(text.clone(), "x.csv"), (text.replace(',', "\t"), "x.tsv"), (text.replace('\n', "\r\n"), "x.csv")] {
            let (kept, report) = read(&text, name).unwrap();
            assert_eq!((kept.len(), report.rejected), (200, 0), "{name}");
            assert_eq!(note(&report, NoteKind::QuotesAsText).unwrap().count, 1);
            assert_eq!(note(&report, NoteKind::RowsOverLines), None);
            super::blocks::assert_same(text.as_bytes(), name, &options(false));
        }
    }
    // Some rows of another shape between them do not matter.
    let text = inches(200, 10, 100, last).replace("u50,", "u50,one more,");
    let (kept, report) = read(&text, "x.csv").unwrap();
    assert_eq!((kept.len(), report.rejected), (199, 1));
}

#[test]
fn item_metadata_keeps_them_too() {
    let text = inches(200, 10, 100, |row| row).replace("user_id", "user");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let limits = TableOptions {
        key_column: "item_id".to_owned(),
        max_expanded_bytes: 1 << 20,
        max_cell_bytes: 1000,
        max_columns: 4,
        max_rows: 1000,
        stop: Stop::default(),
    };
    let mut rows = 0;
    let report = read_table(file.path(), "x.csv", &limits, &mut |_, _| {
        rows += 1;
        Ok(())
    });
    assert_eq!((rows, report.unwrap().rejected), (200, 0));
}

#[test]
fn a_field_over_lines_that_could_be_rows_is_kept_and_told() {
    // Two lines with one comma each may be an address or two rows.
    let text = "item_id,user_id\n7,\"5 Main St\nSpringfield, IL\"\n8,b\n";
    let (kept, report) = read(text, "x.csv").unwrap();
    assert_eq!(pairs(&kept), [("5 Main St\nSpringfield, IL", "7"), ("b", "8")]);
    let told = note(&report, NoteKind::RowsOverLines).unwrap();
    assert_eq!((told.count, told.examples[0].as_str()), (1, "7,\"5 Main St\nSpringfield, IL\""));
    assert!(told.to_string().starts_with("1 row has quotation marks around several lines that could be rows;"), "{told}");
    super::blocks::assert_same(text.as_bytes(), "x.csv", &options(false));
    // Prose is not.
    for prose in ["one\ntwo\nthree", "one, two\n\nthree", "a, b, c, d\ne, f\ng"] {
        let text = format!("user_id,item_id,x\na,1,\"{prose}\"\n\"{prose}\",2,y\n");
        let (kept, report) = read(&text, "x.csv").unwrap();
        assert_eq!(pairs(&kept), [("a", "1"), (prose, "2")], "{prose}");
        assert!(report.notes.iter().all(|note| note.kind != NoteKind::RowsOverLines), "{prose}");
    }
}
