//! Reading costs as much as the file is long, ends when it is told to, and refuses what no table is.

use std::io::Read;

use super::*;
use crate::delimited::{Found, Records, plain_dialect};
use crate::{Stop, column_names, preview_within};

/// Returns what the scanner looked at in a text of `n_columns` columns, in bytes and fields, for each byte of it.
fn work_per_byte(text: &str, n_columns: usize) -> f64 {
    let mut source = text.as_bytes();
    let mut records = Records::new(&mut source, plain_dialect(b','), 4 << 20);
    records.expect(n_columns);
    while records.advance().unwrap() != Found::End {}
    records.scanner().work as f64 / text.len() as f64
}

#[test]
fn the_number_of_columns_does_not_multiply_the_work() {
    // Each line seems to begin a record over lines, which turns out not to be one at the last column.
    let lines = "x\",\"\n".repeat(50_000);
    for n_columns in [1_000, 2_000, 10_000, 100_000] {
        let work = work_per_byte(&lines, n_columns);
        assert!(work < 10.0, "{n_columns} columns: {work} per byte");
    }
    // Records over lines that end with too few fields.
    let short = format!("{}x\n", "x\",\"\n".repeat(500)).repeat(100);
    assert!(work_per_byte(&short, 1_000) < 10.0);
    // Lookahead of a few lines stays as it was.
    assert!(work_per_byte(&lines, 10) < 40.0);
}

#[test]
fn empty_fields_beyond_the_last_column_are_looked_at_once() {
    let text = format!("\"a\nb\",c{}\n", ",".repeat(300_000));
    let (kept, _) = read(format!("user_id,item_id\n{text}"), "x.csv").unwrap();
    assert_eq!(pairs(&kept), [("a\nb", "c")]);
}

#[test]
fn a_table_has_a_largest_number_of_columns() {
    let header = |n: usize| format!("user_id,item_id{}\n", ",".repeat(n - 2));
    let file = |n: usize| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{}a,1{}", header(n), ",".repeat(n - 2)).unwrap();
        file
    };
    let most = crate::collector::MAX_COLUMNS;
    let (fits, too_wide) = (file(most), file(most + 1));
    let columns = |file: &tempfile::NamedTempFile| column_names(file.path(), "x.csv", &Stop::default());
    let rows = |file: &tempfile::NamedTempFile| read_interactions(file.path(), "x.csv", &options(false), &mut |_| {});
    assert_eq!((columns(&fits).unwrap().len(), rows(&fits).unwrap().rows_kept), (most, 1));
    for refused in [columns(&too_wide).map(drop), rows(&too_wide).map(drop), preview(too_wide.path(), "x.csv", 1).map(drop)] {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.starts_with("the table has more than 10000 columns, which is the limit; leave out"), "{refused}");
    }
}

#[test]
fn a_stopped_reader_ends_in_every_format() {
    let stop = Stop::default();
    drop(stop.on_drop());
    let stopped = ReadOptions { stop, ..options(false) };
    let parquet = super::parquet_files::of_two_rows();
    let texts: [(&[u8], &str); 4] = [
        (b"user_id,item_id\na,1\n", "x.csv"),
        (br#"[{"user_id":1,"item_id":2}]"#, "x.json"),
        (br#"{"user_id":1,"item_id":2}"#, "x.jsonl"),
        (&parquet, "x.parquet"),
    ];
    for (bytes, name) in texts {
        assert!(read(bytes, name).is_ok(), "{name}");
        assert!(matches!(read_with(bytes, name, &stopped), Err(TabularError::Stopped)), "{name}");
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        for outcome in [
            column_names(file.path(), name, &stopped.stop).map(drop),
            preview_within(file.path(), name, 1, 1 << 20, &stopped.stop).map(drop),
        ] {
            assert!(matches!(outcome, Err(TabularError::Stopped)), "{name}");
        }
        super::blocks::assert_same(bytes, name, &stopped);
    }
    let packed = pack(b"PAR1", "gz");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&packed).unwrap();
    let mut into = tempfile::tempfile().unwrap();
    let outcome = crate::unpack_parquet(file.path(), "x.parquet.gz", 1 << 20, &mut into, &stopped.stop);
    assert!(matches!(outcome, Err(TabularError::Stopped)), "{outcome:?}");
}

/// A stream that stops its own reader after its first bytes.
struct Stopping<'a>(&'a Stop, &'static [u8]);

impl Read for Stopping<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        self.0.stop();
        self.1.read(out)
    }
}

#[test]
fn a_reader_ends_at_the_next_bytes_it_reads() {
    let stop = Stop::default();
    let outcome = crate::source::limited(Stopping(&stop, b"abc"), (100, &stop), |source| {
        let mut bytes = [0; 2];
        source.read_exact(&mut bytes).unwrap();
        source.read_exact(&mut bytes[..1]).map_err(crate::source::stream_error)
    });
    assert!(matches!(outcome, Err(TabularError::Stopped)), "{outcome:?}");
}
