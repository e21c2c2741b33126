//! Splitting delimited text into records: quotes, line ends, and rows too large to keep.

use std::io::Read;

use memchr::{memchr, memchr_iter, memchr2};

use super::error::TabularError;
use super::source::stream_error;

const FIRST_BUFFER: usize = 256 << 10;

/// What [`Records::advance`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A record; its fields can be read until the next call.
    Record,
    /// A record larger than the limit; it was passed over.
    TooLarge,
    /// The end.
    End,
}

/// A field of the current record.
#[derive(Debug, Clone, Copy)]
enum Field {
    /// As it stands in the buffer, relative to the record.
    Plain(usize, usize),
    /// Freed of its quotes, in the scratch buffer.
    Unquoted(usize, usize),
}

/// Reads records one by one with bounded memory.
pub(super) struct Records<'r> {
    source: &'r mut dyn Read,
    delimiter: u8,
    max_record: usize,
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
    source_ended: bool,
    next_line: u64,
    /// Line where the current record starts, from 1.
    pub line: u64,
    record: (usize, usize),
    fields: Vec<Field>,
    scratch: Vec<u8>,
    open_quote: bool,
}

impl<'r> Records<'r> {
    pub fn new(source: &'r mut dyn Read, delimiter: u8, max_record: usize) -> Self {
        Records {
            source,
            delimiter,
            max_record: max_record.max(1024),
            buffer: vec![0; FIRST_BUFFER.min(max_record.max(1024))],
            start: 0,
            filled: 0,
            source_ended: false,
            next_line: 1,
            line: 1,
            record: (0, 0),
            fields: Vec::new(),
            scratch: Vec::new(),
            open_quote: false,
        }
    }

    /// Moves to the next record that is not a blank line.
    pub fn advance(&mut self) -> Result<Found, TabularError> {
        loop {
            if let Some(end) = self.scan() {
                let begin = self.start;
                self.line = self.next_line;
                self.next_line += memchr_iter(b'\n', &self.buffer[begin..begin + end]).count() as u64;
                self.start = begin + end;
                self.record = (begin, begin + end);
                if !self.is_blank() {
                    return Ok(Found::Record);
                }
            } else if self.source_ended {
                return Ok(Found::End);
            } else if self.filled - self.start >= self.max_record {
                return self.pass_over().map(|()| Found::TooLarge);
            } else {
                self.fill()?;
            }
        }
    }

    /// Most bytes of a record.
    pub fn limit(&self) -> u64 {
        self.max_record as u64
    }

    /// Fields in the current record.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// A field without its quotes.
    pub fn field(&self, at: usize) -> Option<&[u8]> {
        Some(match *self.fields.get(at)? {
            Field::Plain(from, to) => &self.buffer[self.record.0 + from..self.record.0 + to],
            Field::Unquoted(from, to) => &self.scratch[from..to],
        })
    }

    /// Whether the current record ends inside of quotes, at the end of the text.
    pub fn has_open_quote(&self) -> bool {
        self.open_quote
    }

    /// The current record as it was written.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(self.buffer[self.record.0..self.record.1].trim_ascii_end()).into_owned()
    }

    fn is_blank(&self) -> bool {
        matches!(self.fields[..], [Field::Plain(from, to)] if from == to)
    }

    /// Takes the next record apart; the number of bytes it takes, or `None` when its end is not in the buffer.
    fn scan(&mut self) -> Option<usize> {
        let text = &self.buffer[self.start..self.filled];
        if text.is_empty() {
            return None;
        }
        self.fields.clear();
        self.scratch.clear();
        self.open_quote = false;
        let line_end = match memchr2(b'\n', b'"', text) {
            Some(at) if text[at] == b'"' => return self.scan_quoted(),
            Some(at) => at,
            None if self.source_ended => text.len(),
            None => return None,
        };
        let line = without_return(&text[..line_end]);
        let mut from = 0;
        for at in memchr_iter(self.delimiter, line) {
            self.fields.push(Field::Plain(from, at));
            from = at + 1;
        }
        self.fields.push(Field::Plain(from, line.len()));
        Some((line_end + 1).min(text.len()))
    }

    /// As [`Self::scan`], field by field, since there is a quotation mark somewhere.
    fn scan_quoted(&mut self) -> Option<usize> {
        let text = &self.buffer[self.start..self.filled];
        let mut at = 0;
        loop {
            let quoted = text.get(at) == Some(&b'"');
            let kept = self.scratch.len();
            let tail =
                if quoted { unquote(text, at + 1, self.source_ended, &mut self.scratch)? } else { Tail { at, open: false } };
            self.open_quote |= tail.open;
            let end = match memchr2(self.delimiter, b'\n', &text[tail.at..]) {
                Some(n) => tail.at + n,
                None if self.source_ended => text.len(),
                None => return None,
            };
            let last = text.get(end) != Some(&self.delimiter);
            let rest = if last { without_return(&text[tail.at..end]) } else { &text[tail.at..end] };
            self.fields.push(if quoted {
                self.scratch.extend_from_slice(rest);
                Field::Unquoted(kept, self.scratch.len())
            } else {
                Field::Plain(at, at + rest.len())
            });
            at = end + 1;
            if last {
                return Some(at.min(text.len()));
            }
        }
    }

    /// Makes room behind the unread bytes and reads more.
    fn fill(&mut self) -> Result<(), TabularError> {
        self.buffer.copy_within(self.start..self.filled, 0);
        self.filled -= self.start;
        self.start = 0;
        if self.filled == self.buffer.len() {
            let larger = (self.buffer.len() * 2).min(self.max_record.max(FIRST_BUFFER));
            self.buffer.resize(larger.max(self.filled + 1), 0);
        }
        while self.filled < self.buffer.len() {
            match self.source.read(&mut self.buffer[self.filled..]) {
                Ok(0) => {
                    self.source_ended = true;
                    break;
                }
                Ok(n) => self.filled += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(stream_error(e)),
            }
        }
        Ok(())
    }

    /// Gives back all but the first line of the current record, to be read anew.
    ///
    /// A record over several lines that does not fit the table usually begins with a quotation mark that somebody
    /// forgot to close; only its first line is wrong then, and the lines it swallowed are not lost.
    pub fn keep_first_line(&mut self) {
        let (begin, end) = self.record;
        if let Some(at) = memchr(b'\n', &self.buffer[begin..end]) {
            self.record.1 = begin + at + 1;
            self.start = self.record.1;
            self.next_line = self.line + 1;
        }
    }

    /// Skips a record too large to keep: its first line.
    fn pass_over(&mut self) -> Result<(), TabularError> {
        self.line = self.next_line;
        self.next_line += 1;
        self.fields.clear();
        loop {
            let line_end = memchr(b'\n', &self.buffer[self.start..self.filled]);
            self.record = (self.start, self.start);
            self.start = line_end.map_or(self.filled, |n| self.start + n + 1);
            if line_end.is_some() || self.source_ended {
                return Ok(());
            }
            self.fill()?;
        }
    }
}

/// Where the text after a closing quote begins, and whether that quote was missing.
struct Tail {
    at: usize,
    open: bool,
}

/// Copies a quoted field up to its closing mark. `None` when that cannot be decided yet.
fn unquote(text: &[u8], mut from: usize, ended: bool, out: &mut Vec<u8>) -> Option<Tail> {
    loop {
        let Some(n) = memchr(b'"', &text[from..]) else {
            out.extend_from_slice(&text[from..]);
            return ended.then_some(Tail { at: text.len(), open: true });
        };
        let mark = from + n;
        match text.get(mark + 1) {
            None if !ended => return None,
            Some(b'"') => {
                out.extend_from_slice(&text[from..=mark]);
                from = mark + 2;
            }
            _ => {
                out.extend_from_slice(&text[from..mark]);
                return Some(Tail { at: mark + 1, open: false });
            }
        }
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}
