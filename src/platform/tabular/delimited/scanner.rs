//! Taking one record off the beginning of a delimited text: quotes, line ends, and the limit of size.

use memchr::{memchr, memchr_iter, memchr2};

/// What a text begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Scan {
    /// A record of this many bytes, its line end included.
    Record(usize),
    /// A record larger than the limit.
    TooLarge,
    /// That cannot be told without more of the text, or there is none.
    Unknown,
}

/// A field of a record.
#[derive(Debug, Clone, Copy)]
enum Field {
    /// As it stands in the text, relative to the record.
    Plain(usize, usize),
    /// Freed of its quotes, in the scratch buffer.
    Unquoted(usize, usize),
}

/// Takes records apart; remembers the fields of the last.
pub(in super::super) struct Scanner {
    delimiter: u8,
    max_record: usize,
    fields: Vec<Field>,
    scratch: Vec<u8>,
    /// Whether the record ends inside of quotes, at the end of the text.
    open_quote: bool,
}

impl Scanner {
    /// A record whose end is not among its first `max_record` bytes is too large.
    pub fn new(delimiter: u8, max_record: usize) -> Self {
        let max_record = max_record.max(1024);
        Scanner { delimiter, max_record, fields: Vec::new(), scratch: Vec::new(), open_quote: false }
    }

    /// Most bytes of a record.
    pub fn limit(&self) -> usize {
        self.max_record
    }

    /// Takes the first record of a text apart. `ended` says that nothing follows the text.
    pub fn scan(&mut self, text: &[u8], ended: bool) -> Scan {
        self.fields.clear();
        self.scratch.clear();
        self.open_quote = false;
        let window = &text[..text.len().min(self.max_record)];
        match self.take_apart(window, ended && window.len() < self.max_record) {
            Some(bytes) => Scan::Record(bytes),
            None if window.len() == self.max_record => Scan::TooLarge,
            None => Scan::Unknown,
        }
    }

    /// Fields in the record.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// A field without its quotes; `record` is the text that was scanned.
    pub fn field<'a>(&'a self, record: &'a [u8], at: usize) -> Option<&'a [u8]> {
        Some(match *self.fields.get(at)? {
            Field::Plain(from, to) => &record[from..to],
            Field::Unquoted(from, to) => &self.scratch[from..to],
        })
    }

    /// Whether the record is an empty line.
    pub fn is_blank(&self) -> bool {
        matches!(self.fields[..], [Field::Plain(from, to)] if from == to)
    }

    /// Why the record cannot belong to a table of so many columns, if so. Empty fields at the end are a habit of some
    /// programs and do no harm.
    pub fn shape_problem(&self, n_columns: usize) -> Option<String> {
        let n = self.len();
        if self.open_quote {
            return Some("a quotation mark is opened and never closed".to_owned());
        }
        if n < n_columns {
            return Some(format!("too few fields: {n} instead of {n_columns}"));
        }
        let is_empty = |field: &Field| matches!(field, Field::Plain(from, to) | Field::Unquoted(from, to) if from == to);
        let surplus = self.fields[n_columns..].iter().any(|field| !is_empty(field));
        surplus.then(|| format!("too many fields: {n} instead of {n_columns}"))
    }

    fn take_apart(&mut self, text: &[u8], ended: bool) -> Option<usize> {
        if text.is_empty() {
            return None;
        }
        let line_end = match memchr2(b'\n', b'"', text) {
            Some(at) if text[at] == b'"' => return self.take_apart_quoted(text, ended),
            Some(at) => at,
            None if ended => text.len(),
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

    /// As [`Self::take_apart`], field by field, since there is a quotation mark somewhere.
    fn take_apart_quoted(&mut self, text: &[u8], ended: bool) -> Option<usize> {
        let mut at = 0;
        loop {
            let quoted = text.get(at) == Some(&b'"');
            let kept = self.scratch.len();
            let tail = if quoted { unquote(text, at + 1, ended, &mut self.scratch)? } else { Tail { at, open: false } };
            self.open_quote |= tail.open;
            let end = match memchr2(self.delimiter, b'\n', &text[tail.at..]) {
                Some(n) => tail.at + n,
                None if ended => text.len(),
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

/// How many bytes the first line of a text takes, its end included.
pub(super) fn first_line(text: &[u8]) -> usize {
    memchr(b'\n', text).map_or(text.len(), |at| at + 1)
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}
