//! The records of a stream, one by one and with bounded memory.

use std::io::Read;

use memchr::{memchr, memchr_iter};

use super::super::error::TabularError;
use super::super::source::stream_error;
use super::dialect::Dialect;
use super::scanner::{Scan, Scanner};

const FIRST_BUFFER: usize = 256 << 10;

/// The result of [`Records::advance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Found {
    /// A record; its fields can be read until the next call.
    Record,
    /// A record larger than the limit, which was skipped.
    TooLarge,
    /// The end.
    End,
}

/// Reads records one by one.
pub(in super::super) struct Records<'r> {
    source: &'r mut dyn Read,
    scanner: Scanner,
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
    source_ended: bool,
    next_line: u64,
    /// Line where the current record starts, from 1.
    pub line: u64,
    record: (usize, usize),
}

impl<'r> Records<'r> {
    pub fn new(source: &'r mut dyn Read, dialect: Dialect, max_record: usize) -> Self {
        let scanner = Scanner::new(dialect, max_record);
        Records {
            source,
            buffer: vec![0; FIRST_BUFFER.min(scanner.limit())],
            scanner,
            start: 0,
            filled: 0,
            source_ended: false,
            next_line: 1,
            line: 1,
            record: (0, 0),
        }
    }

    /// Moves to the next record that is not a blank line.
    pub fn advance(&mut self) -> Result<Found, TabularError> {
        loop {
            let text = &self.buffer[self.start..self.filled];
            match self.scanner.scan(text, self.source_ended) {
                Scan::Record(bytes) => {
                    self.line = self.next_line;
                    self.next_line += memchr_iter(b'\n', &text[..bytes]).count() as u64;
                    self.record = (self.start, self.start + bytes);
                    self.start += bytes;
                    if !self.scanner.is_blank() {
                        return Ok(Found::Record);
                    }
                }
                Scan::TooLarge => return self.pass_over().map(|()| Found::TooLarge),
                Scan::Unknown if self.source_ended => return Ok(Found::End),
                Scan::Unknown => self.fill()?,
            }
        }
    }

    /// Sets how many fields a record should have.
    pub fn expect(&mut self, n_columns: usize) {
        self.scanner.expect(n_columns);
    }

    /// Returns the current record, split.
    pub fn scanner(&self) -> &Scanner {
        &self.scanner
    }

    /// Returns the current record as it was written.
    pub fn text(&self) -> &[u8] {
        &self.buffer[self.record.0..self.record.1]
    }

    /// Returns a field of the current record without its quotes.
    pub fn field(&self, at: usize) -> Option<&[u8]> {
        self.scanner.field(self.text(), at)
    }

    /// Returns the bytes that were read but are not part of a record so far, and the number of their first line.
    pub fn unread(&self) -> (&[u8], u64) {
        (&self.buffer[self.start..self.filled], self.next_line)
    }

    /// Makes room behind the unread bytes and reads more.
    fn fill(&mut self) -> Result<(), TabularError> {
        self.buffer.copy_within(self.start..self.filled, 0);
        self.filled -= self.start;
        self.start = 0;
        if self.filled == self.buffer.len() {
            let larger = (self.buffer.len() * 2).min(self.scanner.limit());
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

    /// Skips a record too large to keep: its first line.
    fn pass_over(&mut self) -> Result<(), TabularError> {
        self.line = self.next_line;
        self.next_line += 1;
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
