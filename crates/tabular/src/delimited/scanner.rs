//! Reading one record from the beginning of a delimited text: quotes, line ends, and the limit of size.
//!
//! A quotation mark that begins a field opens it if another closes it: one that is followed by the delimiter, a line end
//! or the end of the text. Otherwise the mark is text like any other, and the field ends where it would without it.
//! Where the number of columns is known, a record over several lines that does not fit it was made by a mark that is text, and so
//! was one whose lines are [rows themselves](super::lines). Its first line is then a record alone. If more than a few lines were
//! looked at until then, they all are, except the last: looking ahead from each of them would cost as much again.

use memchr::{memchr, memchr_iter, memchr2, memrchr};

use super::dialect::Dialect;
use super::line_ends::{first_line, returns, without_return};
use super::lines::Lines;

/// The beginning of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Scan {
    /// A record of this many bytes, its line end included.
    Record(usize),
    /// A line larger than the limit.
    TooLarge,
    /// Undecided without more of the text, or there is none.
    Unknown,
}

/// A field of a record.
#[derive(Debug, Clone, Copy)]
enum Field {
    /// As in the text, relative to the record.
    Plain(usize, usize),
    /// Without its quotes, in the scratch buffer.
    Unquoted(usize, usize),
}

impl Field {
    fn is_empty(&self) -> bool {
        matches!(self, Field::Plain(from, to) | Field::Unquoted(from, to) if from == to)
    }
}

/// Knowledge about the bytes after a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    /// There are none.
    Nothing,
    /// There may be some, and they can be read.
    More,
    /// They are beyond the limit.
    TooFar,
}

/// Splits records; keeps the fields of the last.
pub(in super::super) struct Scanner {
    dialect: Dialect,
    max_record: usize,
    /// Fields that a record should have, if known.
    n_columns: Option<usize>,
    fields: Vec<Field>,
    scratch: Vec<u8>,
    /// Whether a field starts with a quotation mark that is text.
    stray_quote: bool,
    /// Whether the record is one line because of the text after it.
    alone: bool,
    /// Whether the record has several lines that could be rows, too few to be sure.
    doubtful: bool,
    /// Bytes at the beginning of the next text whose lines are records alone.
    lines_alone: usize,
    /// Bytes and fields that were looked at, repeats included.
    #[cfg(test)]
    pub work: u64,
}

impl Scanner {
    /// Creates a scanner; a record whose end is not among its first `max_record` bytes is too large.
    pub fn new(dialect: Dialect, max_record: usize) -> Self {
        let max_record = max_record.max(1024);
        Scanner {
            dialect,
            max_record,
            n_columns: None,
            fields: Vec::new(),
            scratch: Vec::new(),
            stray_quote: false,
            alone: false,
            doubtful: false,
            lines_alone: 0,
            #[cfg(test)]
            work: 0,
        }
    }

    /// Creates a scanner of records of `n_columns` fields: a record over several lines with another number was made by a
    /// quotation mark that is text.
    pub fn of_columns(dialect: Dialect, max_record: usize, n_columns: usize) -> Self {
        Scanner { n_columns: Some(n_columns), ..Scanner::new(dialect, max_record) }
    }

    /// Sets how many fields the records from here on should have.
    pub fn expect(&mut self, n_columns: usize) {
        self.n_columns = Some(n_columns);
        self.lines_alone = 0;
    }

    /// Returns the limit of a record, in bytes.
    pub fn limit(&self) -> usize {
        self.max_record
    }

    /// Splits the first record of a text. `ended` says that nothing follows the text. Each text has to begin where the record before
    /// it ended; [`Self::pass`] tells of bytes that were not scanned.
    ///
    /// The result does not depend on how much of the text is given, as long as it ends after a record that is not
    /// [alone](Self::is_alone), or after all text that decides this: a text can be split between records and its parts read on
    /// their own if the caller remembers which records are alone, and reads those with [`Self::scan_line`].
    pub fn scan(&mut self, text: &[u8], ended: bool) -> Scan {
        if self.lines_alone > 0 {
            return self.scan_line(text);
        }
        (self.alone, self.doubtful) = (false, false);
        let window = &text[..text.len().min(self.max_record)];
        let behind = match (window.len() == self.max_record, ended) {
            (true, _) => Behind::TooFar,
            (false, true) => Behind::Nothing,
            (false, false) => Behind::More,
        };
        let found = self.take_apart(window, behind);
        if found == Taken::Undecided && behind != Behind::TooFar {
            return Scan::Unknown;
        }
        let line = first_line(window);
        let whole_line = window[..line].ends_with(b"\n");
        let reached = match found {
            Taken::Record(bytes) if bytes <= line || !whole_line || self.is_one_record(&window[..bytes]) => {
                return Scan::Record(bytes);
            }
            Taken::Record(bytes) | Taken::Misfit(bytes) => bytes,
            Taken::Undecided => window.len(),
        };
        if !whole_line {
            return Scan::TooLarge;
        }
        self.lines_alone = lines_not_looked_at_again(&window[..reached]);
        self.scan_line(window)
    }

    /// Splits the first line of a text as a record, for any text after it.
    pub fn scan_line(&mut self, text: &[u8]) -> Scan {
        (self.alone, self.doubtful) = (true, false);
        let line = first_line(text);
        self.pass(line);
        match self.take_apart(&text[..line], Behind::Nothing) {
            Taken::Record(bytes) => Scan::Record(bytes),
            Taken::Misfit(_) | Taken::Undecided => Scan::Unknown,
        }
    }

    /// Passes over bytes that are not scanned.
    pub fn pass(&mut self, bytes: usize) {
        self.lines_alone = self.lines_alone.saturating_sub(bytes);
    }

    /// Returns how many bytes at the beginning of the next text are lines that are records alone.
    pub fn lines_alone(&self) -> usize {
        self.lines_alone
    }

    /// Sets what [`Self::lines_alone`] of another scanner returned at the same place.
    pub fn continue_alone(&mut self, bytes: usize) {
        self.lines_alone = bytes;
    }

    /// Returns whether what was split as a record over several lines is one.
    fn is_one_record(&mut self, record: &[u8]) -> bool {
        let Some(n_columns) = self.n_columns else { return true };
        if self.shape_problem(n_columns).is_some() {
            return false;
        }
        self.look_at(record.len());
        let lines = Lines::of(record, self.dialect.delimiter, n_columns);
        self.doubtful = lines.may_be_rows();
        !lines.are_rows()
    }

    /// Returns whether the record has several lines that could be rows themselves.
    pub fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// Counts work.
    #[cfg(test)]
    fn look_at(&mut self, n: usize) {
        self.work += n as u64;
    }

    #[cfg(not(test))]
    fn look_at(&mut self, _: usize) {}

    /// Returns whether the record is the first line of one that did not fit, which only the text after the line can decide.
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    /// Returns the number of fields in the record.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Returns a field without its quotes; `record` is the text that was scanned.
    pub fn field<'a>(&'a self, record: &'a [u8], at: usize) -> Option<&'a [u8]> {
        Some(match *self.fields.get(at)? {
            Field::Plain(from, to) => &record[from..to],
            Field::Unquoted(from, to) => &self.scratch[from..to],
        })
    }

    /// Returns whether the record is an empty line.
    pub fn is_blank(&self) -> bool {
        matches!(self.fields[..], [Field::Plain(from, to)] if from == to)
    }

    /// Returns whether a field of the record starts with a quotation mark that is text.
    pub fn has_stray_quote(&self) -> bool {
        self.stray_quote
    }

    /// Returns why the record cannot belong to a table of `n_columns` columns, if so. Empty fields at the end are common in some
    /// programs and do no harm.
    pub fn shape_problem(&self, n_columns: usize) -> Option<String> {
        let n = self.len();
        let hint = if self.stray_quote { "; a quotation mark opens a field and does not close it" } else { "" };
        if n < n_columns {
            return Some(format!("too few fields: {n} instead of {n_columns}{hint}"));
        }
        self.has_surplus(n_columns).then(|| format!("too many fields: {n} instead of {n_columns}{hint}"))
    }

    /// Returns whether a field beyond the first `n_columns` has content.
    fn has_surplus(&self, n_columns: usize) -> bool {
        self.fields.iter().skip(n_columns).any(|field| !field.is_empty())
    }

    fn take_apart(&mut self, text: &[u8], behind: Behind) -> Taken {
        self.fields.clear();
        self.scratch.clear();
        self.stray_quote = false;
        if text.is_empty() {
            return Taken::Undecided;
        }
        let line_end = match memchr2(b'\n', b'"', text) {
            Some(at) if text[at] == b'"' => return self.take_apart_quoted(text, behind),
            Some(at) => at,
            None if behind == Behind::Nothing => text.len(),
            None => return Taken::Undecided,
        };
        self.look_at(line_end);
        let line = without_return(&text[..line_end]);
        let mut from = 0;
        for at in memchr_iter(self.dialect.delimiter, line) {
            self.fields.push(Field::Plain(from, at));
            from = at + 1;
        }
        self.fields.push(Field::Plain(from, line.len()));
        Taken::Record((line_end + 1).min(text.len()))
    }

    /// Splits as [`Self::take_apart`] does, field by field, since there is a quotation mark somewhere.
    fn take_apart_quoted(&mut self, text: &[u8], behind: Behind) -> Taken {
        let mut at = 0;
        let line = first_line(text);
        let mut has_surplus = false;
        loop {
            let kept = self.scratch.len();
            let quoted = text.get(at) == Some(&b'"');
            let closed = if quoted { self.unquote(text, at + 1, behind) } else { Quotes::Text };
            let end = match closed {
                Quotes::Undecided => return Taken::Undecided,
                Quotes::Closed(end) => {
                    self.fields.push(Field::Unquoted(kept, self.scratch.len()));
                    end + returns(&text[end..])
                }
                Quotes::Text => {
                    self.stray_quote |= quoted;
                    self.scratch.truncate(kept);
                    let end = match memchr2(self.dialect.delimiter, b'\n', &text[at..]) {
                        Some(n) => at + n,
                        None if behind == Behind::Nothing => text.len(),
                        None => return Taken::Undecided,
                    };
                    let last = text.get(end) != Some(&self.dialect.delimiter);
                    let field = if last { without_return(&text[at..end]) } else { &text[at..end] };
                    self.fields.push(Field::Plain(at, at + field.len()));
                    end
                }
            };
            self.look_at(end + 1 - at);
            at = end + 1;
            if text.get(end) != Some(&self.dialect.delimiter) {
                return Taken::Record(at.min(text.len()));
            }
            let is_surplus = self.n_columns.is_some_and(|n_columns| self.fields.len() > n_columns);
            has_surplus |= is_surplus && self.fields.last().is_some_and(|field| !field.is_empty());
            if at > line && has_surplus {
                return Taken::Misfit(at);
            }
        }
    }

    /// Copies a quoted field up to its closing mark.
    fn unquote(&mut self, text: &[u8], mut from: usize, behind: Behind) -> Quotes {
        let unknown = |closed| match behind {
            Behind::Nothing => closed,
            Behind::More => Quotes::Undecided,
            Behind::TooFar => Quotes::Text,
        };
        loop {
            let Some(n) = memchr(b'"', &text[from..]) else { return unknown(Quotes::Text) };
            self.look_at(n);
            let mark = from + n;
            let backslashes = if self.dialect.backslash { backslashes_before(&text[from..mark]) } else { 0 };
            self.scratch.extend_from_slice(&text[from..mark - backslashes.div_ceil(2)]);
            if backslashes % 2 == 1 {
                self.scratch.push(b'"');
                from = mark + 1;
                continue;
            }
            match text.get(mark + 1) {
                Some(b'"') => {
                    self.scratch.push(b'"');
                    from = mark + 2;
                }
                Some(next) if *next == self.dialect.delimiter => return Quotes::Closed(mark + 1),
                _ => {
                    let after = &text[mark + 1..];
                    return match after.get(returns(after)) {
                        Some(b'\n') => Quotes::Closed(mark + 1),
                        None => unknown(Quotes::Closed(mark + 1)),
                        Some(_) => Quotes::Text,
                    };
                }
            }
        }
    }
}

/// The result for the beginning of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// A record of this many bytes.
    Record(usize),
    /// A record over several lines with more fields than it ought to have, which its first bytes show: this many.
    Misfit(usize),
    /// Undecided without the text that follows.
    Undecided,
}

/// The result for a quotation mark that starts a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    /// It opens the field, which ends here.
    Closed(usize),
    /// It is text.
    Text,
    /// Undecided without the text that follows.
    Undecided,
}

fn backslashes_before(text: &[u8]) -> usize {
    text.iter().rev().take_while(|byte| **byte == b'\\').count()
}

/// Lines from each of which the text may be looked at as far as from the line before.
const LOOKED_AT_AGAIN: usize = 16;

/// Returns how many bytes the lines of a text take if they are too many to be looked at again; its last line, which may end with a
/// line end, is none of them.
fn lines_not_looked_at_again(text: &[u8]) -> usize {
    let before_end = text.split_last().map_or(text, |(_, before)| before);
    if memchr_iter(b'\n', before_end).nth(LOOKED_AT_AGAIN).is_none() {
        return 0;
    }
    memrchr(b'\n', before_end).map_or(0, |at| at + 1)
}
