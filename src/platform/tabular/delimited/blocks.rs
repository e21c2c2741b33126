//! Delimited text in blocks that are read on several threads.

use std::io::Read;

use memchr::{memchr, memchr2, memrchr};

use super::super::blocks::{Cutter, RowBlocks};
use super::super::collector::{Collector, Row, Tally, Wanted};
use super::super::error::TabularError;
use super::marks::{self, Mark};
use super::records::Records;
use super::scanner::{Scan, Scanner, first_line};
use super::{Table, Used, max_record, reject_large};

/// As [`super::read`], with the rows going to blocks.
pub(in super::super) fn read_in_blocks<B: Clone + Send, P: Fn(&mut B, Row<'_>) + Sync>(
    source: &mut (dyn Read + Send),
    delimiter: u8,
    rows: &mut RowBlocks<'_, B, P>,
) -> Result<Tally, TabularError> {
    let options = rows.options;
    let max_record = max_record(options);
    let mut records = Records::new(source, delimiter, max_record);
    let (table, columns) = Table::open(&mut records, options)?;
    let (unread, next_line) = records.unread();
    let mut tally = Tally::default();
    tally.lines = next_line - 1;
    tally.report.columns = columns;
    let mut boundaries = Boundaries { table, scanner: Scanner::new(delimiter, max_record) };
    let parser = Parser { table, delimiter, max_record };
    let mut cutter = Cutter::new(unread.to_vec(), source, options.block_bytes, max_record);
    rows.read_pieces(
        &mut tally,
        |text: &mut Vec<u8>| cutter.fill(text, |text| boundaries.whole_records(text)),
        |text, rows| {
            parser.read(text, rows);
            Ok(())
        },
    )?;
    if let Some(mut rest) = cutter.rest() {
        rows.read_here(&mut tally, |rows| table.read(&mut Records::new(&mut rest, delimiter, max_record), rows))?;
    }
    Ok(tally)
}

/// Text that is taken apart at once, so that its marks stay in the cache until they are used.
const LINES_BYTES: usize = 16 << 10;

fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// Finds places where a text can be cut so that its parts, read on their own, give the same rows as the whole.
struct Boundaries {
    table: Table,
    scanner: Scanner,
}

impl Boundaries {
    /// How many bytes at the beginning of a text are whole records, whatever comes after the text.
    fn whole_records(&mut self, text: &[u8]) -> usize {
        let lines = |text: &[u8]| memrchr(b'\n', text).map_or(0, |at| at + 1);
        let (mut at, mut seen, mut safe) = (0, 0, 0);
        // The decision about a record may depend on text behind its end: `seen` is how far that was looked at.
        loop {
            let mark = memchr(b'"', &text[at..]);
            at += lines(&text[at..mark.map_or(text.len(), |mark| at + mark)]);
            if at >= seen {
                safe = at;
            }
            if mark.is_none() {
                return safe;
            }
            let record = &text[at..];
            let used = match self.scanner.scan(record, false) {
                Scan::Unknown => return safe,
                Scan::TooLarge if memchr(b'\n', record).is_none() => return safe,
                Scan::TooLarge => {
                    seen = seen.max(at + self.scanner.limit());
                    first_line(record)
                }
                Scan::Record(bytes) => {
                    seen = seen.max(at + bytes);
                    let fits = self.scanner.shape_problem(self.table.n_columns).is_none();
                    if fits { bytes } else { first_line(&record[..bytes]) }
                }
            };
            at += used;
        }
    }
}

/// Reads blocks of whole records.
struct Parser {
    table: Table,
    delimiter: u8,
    max_record: usize,
}

impl Parser {
    fn read(&self, text: &[u8], rows: &mut Collector<'_>) {
        match std::str::from_utf8(text) {
            Ok(plain) if plain.len() <= marks::MAX_TEXT && memchr2(b'"', 0, plain.as_bytes()).is_none() => {
                self.read_plain(plain, rows);
            }
            _ => self.read_any(text, rows),
        }
    }

    /// Reads records of any kind.
    fn read_any(&self, mut text: &[u8], rows: &mut Collector<'_>) {
        let mut scanner = Scanner::new(self.delimiter, self.max_record);
        while !text.is_empty() {
            let line = rows.tally.lines + 1;
            let used = match scanner.scan(text, true) {
                Scan::Unknown => return,
                Scan::TooLarge => {
                    reject_large(line, rows);
                    first_line(text)
                }
                Scan::Record(bytes) if scanner.is_blank() => bytes,
                Scan::Record(bytes) => match self.table.offer(&scanner, &text[..bytes], line, rows) {
                    Used::All => bytes,
                    Used::FirstLine => first_line(&text[..bytes]),
                },
            };
            rows.tally.lines += memchr::memchr_iter(b'\n', &text[..used]).count() as u64;
            text = &text[used..];
        }
    }

    /// Reads UTF-8 without quotation marks and NUL: many lines at once are taken apart, and those of the right shape need
    /// no further look at most of their bytes.
    fn read_plain(&self, mut text: &str, rows: &mut Collector<'_>) {
        let mut marks = Vec::new();
        while !text.is_empty() {
            let ahead = text.len().min(LINES_BYTES);
            let (lines, rest) = text.split_at(ahead + first_line(&text.as_bytes()[ahead..]));
            marks::find(lines.as_bytes(), self.delimiter, &mut marks);
            self.read_lines(lines, &marks, rows);
            text = rest;
        }
    }

    fn read_lines(&self, text: &str, mut marks: &[Mark], rows: &mut Collector<'_>) {
        let mut start = 0;
        while start < text.len() {
            let n = marks.iter().position(|mark| mark.ends_line()).unwrap_or(marks.len());
            let end = marks.get(n).map_or(text.len(), |mark| mark.at() + 1);
            if self.offer_plain(text, start, &marks[..n], end, rows) {
                rows.tally.lines += 1;
            } else {
                self.read_any(&text.as_bytes()[start..end], rows);
            }
            marks = marks.get(n + 1..).unwrap_or_default();
            start = end;
        }
    }

    /// Hands on the row between `start` and `end`, with `delimiters` in it, if there is plainly nothing wrong with it.
    fn offer_plain(&self, text: &str, start: usize, delimiters: &[Mark], end: usize, rows: &mut Collector<'_>) -> bool {
        if delimiters.len() + 1 != self.table.n_columns || end - start > rows.options.max_field_bytes {
            return false;
        }
        let field = |at: usize| {
            let from = if at == 0 { start } else { delimiters[at - 1].at() + 1 };
            match delimiters.get(at) {
                Some(next) => &text[from..next.at()],
                None => without_line_end(&text[from..end]),
            }
        };
        let Wanted { user, item, time, event } = self.table.places;
        rows.offer_plain(field(user), field(item), time.map(field), event.map(field))
    }
}
