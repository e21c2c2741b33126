//! Delimited text in blocks that several threads read.

use std::io::Read;

use memchr::{memchr, memchr2, memrchr};

use super::super::blocks::{Cutter, RowBlocks};
use super::super::collector::{Collector, Row, Tally};
use super::super::error::TabularError;
use super::super::options::Wanted;
use super::dialect::Dialect;
use super::line_ends::{DOUBLED_END, first_line};
use super::marks::{self, Mark};
use super::opening::{Opened, open};
use super::records::Records;
use super::scanner::{Scan, Scanner};
use super::{Table, max_record, reject_large, sample};

/// Reads as [`super::read`] does, with the rows going to blocks.
pub(in super::super) fn read_in_blocks<B: Clone + Send, P: Fn(&mut B, Row<'_>) + Sync>(
    source: &mut (dyn Read + Send),
    delimiter: u8,
    rows: &mut RowBlocks<'_, B, P>,
) -> Result<Tally, TabularError> {
    let options = rows.options;
    let max_record = max_record(options);
    let Opened { mut reader, head, dialect, notes } = open(source, delimiter, &options.wanted().iter().collect::<Vec<_>>())?;
    rows.times = sample(&head, dialect, options)?;
    let mut records = Records::new(&mut reader, dialect, max_record);
    let (table, columns) = Table::open(&mut records, options)?;
    let (unread, next_line) = records.unread();
    let unread = unread.to_vec();
    let mut tally = Tally::default();
    tally.lines = next_line - 1;
    tally.report.columns = columns;
    tally.report.notes = notes;
    let mut boundaries = Boundaries { scanner: Scanner::of_columns(dialect, max_record, table.n_columns) };
    let parser = Parser { table, dialect, max_record };
    let mut cutter = Cutter::new(unread, &mut reader, options.block_bytes, max_record);
    rows.read_pieces(
        &mut tally,
        |Piece { text, lines_alone, alone }: &mut Piece| {
            alone.clear();
            *lines_alone = boundaries.scanner.lines_alone();
            cutter.fill(text, |text| boundaries.whole_records(text, alone))
        },
        |piece, rows| {
            parser.read(piece, rows);
            Ok(())
        },
    )?;
    if let Some(mut rest) = cutter.rest() {
        rows.read_here(&mut tally, |rows| table.read(&mut Records::new(&mut rest, dialect, max_record), rows))?;
    }
    Ok(tally)
}

/// Text that is split at once, so that its marks stay in the cache until they are used.
const LINES_BYTES: usize = 16 << 10;

fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// A part of a text that is read on its own.
#[derive(Default)]
struct Piece {
    text: Vec<u8>,
    /// Bytes at its beginning whose lines are one record each because of the text before the piece.
    lines_alone: usize,
    /// Where records start that are one line each because of the text after them, possibly after the piece.
    alone: Vec<usize>,
}

/// Finds places where a text can be split so that its parts, read on their own, give the same rows as the whole.
struct Boundaries {
    scanner: Scanner,
}

impl Boundaries {
    /// Returns how many bytes at the beginning of a text are whole records, for any text after it; adds where those of them start
    /// that are [alone](Piece::alone).
    fn whole_records(&mut self, text: &[u8], alone: &mut Vec<usize>) -> usize {
        let lines = |text: &[u8]| memrchr(b'\n', text).map_or(0, |at| at + 1);
        let mut at = 0;
        loop {
            let mark = memchr(b'"', &text[at..]);
            let unmarked = lines(&text[at..mark.map_or(text.len(), |mark| at + mark)]);
            self.scanner.pass(unmarked);
            at += unmarked;
            if mark.is_none() {
                return at;
            }
            let record = &text[at..];
            let scan = self.scanner.scan(record, false);
            if self.scanner.is_alone() {
                alone.push(at);
            }
            at += match scan {
                Scan::Unknown => return at,
                Scan::TooLarge if memchr(b'\n', record).is_none() => return at,
                Scan::TooLarge => first_line(record),
                Scan::Record(bytes) => bytes,
            };
        }
    }
}

/// Reads blocks of whole records.
struct Parser {
    table: Table,
    dialect: Dialect,
    max_record: usize,
}

impl Parser {
    fn read(&self, piece: &Piece, rows: &mut Collector<'_>) {
        let text = piece.text.as_slice();
        match std::str::from_utf8(text) {
            Ok(plain) if plain.len() <= marks::MAX_TEXT && memchr2(b'"', 0, plain.as_bytes()).is_none() => {
                self.read_plain(plain, rows);
            }
            _ => self.read_any(text, piece.lines_alone, &piece.alone, rows),
        }
    }

    /// Reads records of any kind; those in the first `lines_alone` bytes, and those that start at `alone`, are one line each.
    fn read_any(&self, whole: &[u8], lines_alone: usize, mut alone: &[usize], rows: &mut Collector<'_>) {
        let mut scanner = Scanner::of_columns(self.dialect, self.max_record, self.table.n_columns);
        scanner.continue_alone(lines_alone);
        let mut at = 0;
        while at < whole.len() {
            let text = &whole[at..];
            let line = rows.tally.lines + 1;
            let scan = match alone.split_first() {
                Some((first, others)) if *first == at => {
                    alone = others;
                    scanner.scan_line(text)
                }
                _ => scanner.scan(text, true),
            };
            let used = match scan {
                Scan::Unknown => return,
                Scan::TooLarge => {
                    reject_large(line, rows);
                    first_line(text)
                }
                Scan::Record(bytes) if scanner.is_blank() => bytes,
                Scan::Record(bytes) => {
                    self.table.offer(&scanner, &text[..bytes], line, rows);
                    bytes
                }
            };
            rows.tally.lines += memchr::memchr_iter(b'\n', &text[..used]).count() as u64;
            at += used;
        }
    }

    /// Reads UTF-8 without quotation marks and NUL: many lines are split at once, and most bytes of those with the right shape
    /// are not read again.
    fn read_plain(&self, mut text: &str, rows: &mut Collector<'_>) {
        let mut marks = Vec::new();
        while !text.is_empty() {
            let ahead = text.len().min(LINES_BYTES);
            let (lines, rest) = text.split_at(ahead + first_line(&text.as_bytes()[ahead..]));
            marks::find(lines.as_bytes(), self.dialect.delimiter, &mut marks);
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
                self.read_any(&text.as_bytes()[start..end], 0, &[], rows);
            }
            marks = marks.get(n + 1..).unwrap_or_default();
            start = end;
        }
    }

    /// Passes on the row between `start` and `end`, with `delimiters` in it, if a quick check finds nothing wrong with it.
    fn offer_plain(&self, text: &str, start: usize, delimiters: &[Mark], end: usize, rows: &mut Collector<'_>) -> bool {
        let has_other_end = text.as_bytes()[start..end].ends_with(DOUBLED_END);
        if has_other_end || delimiters.len() + 1 != self.table.n_columns || end - start > rows.options.max_field_bytes {
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
