//! Reading interactions from CSV on one thread, compared with the `csv` crate, which only splits records: `make bench-reading`.
//! Prints the best of several rounds of each, taken in turns, and their ratio.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may end by a panic")]

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use recotem_tabular::{ReadOptions, read_interactions};

const ROWS: u64 = 1_000_000;
const ROUNDS: usize = 7;

/// Returns ids and times of one kind, by the number of the row.
type Line = fn(u64) -> String;

const KINDS: [(&str, Line); 3] = [
    ("numbers", |row| format!("{},{},{}\n", mix(row) % 50_000, mix(row + 1) % 8_000, 1_600_000_000 + row)),
    ("prefixed", |row| format!("u{},item_{},{}\n", mix(row) % 50_000, mix(row + 1) % 8_000, 1_600_000_000 + row)),
    ("dates", |row| {
        format!(
            "{},{},2026-{:02}-{:02} 12:{:02}:07\n",
            mix(row) % 50_000,
            mix(row + 1) % 8_000,
            1 + row % 12,
            1 + row % 28,
            row % 60
        )
    }),
];

/// Spreads numbers (the finaliser of SplitMix64).
fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

fn write(line: Line) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    let text: String = std::iter::once("user,item,time\n".to_owned()).chain((0..ROWS).map(line)).collect();
    file.write_all(text.as_bytes()).expect("room on the disk");
    file
}

fn ours(path: &Path) -> u64 {
    let options = ReadOptions::new("user", "item", Some("time".to_owned()));
    let mut kept = 0;
    let mut sink = |row: recotem_tabular::Row<'_>| kept += u64::from(!row.user.is_empty());
    read_interactions(path, "x.csv", &options, &mut sink).expect("a table");
    kept
}

fn theirs(path: &Path) -> u64 {
    let mut reader = csv::Reader::from_path(path).expect("a file");
    let mut record = csv::StringRecord::new();
    let mut kept = 0;
    while reader.read_record(&mut record).expect("a record") {
        kept += u64::from(!record[0].is_empty());
    }
    kept
}

#[expect(clippy::disallowed_methods, reason = "only a duration is measured")]
fn timed(read: fn(&Path) -> u64, path: &Path) -> Duration {
    let start = Instant::now();
    assert_eq!(read(path), ROWS);
    start.elapsed()
}

fn main() {
    for (name, line) in KINDS {
        let file = write(line);
        let mut best = [Duration::MAX; 2];
        for _ in 0..ROUNDS {
            best = [best[0].min(timed(ours, file.path())), best[1].min(timed(theirs, file.path()))];
        }
        let [ours, theirs] = best.map(|time| time.as_secs_f64());
        println!("{name}: 1 M rows in {:.0} ms, csv crate {:.0} ms: {:.2}x as fast", ours * 1e3, theirs * 1e3, theirs / ours);
    }
}
