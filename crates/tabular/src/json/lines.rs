//! A record in each line.

use std::io::{BufRead, BufReader, Read};

use memchr::memrchr;

use super::super::blocks::{Cutter, RowBlocks};
use super::super::collector::{Collector, Row, Tally};
use super::super::error::TabularError;
use super::super::options::{ReadOptions, locate};
use super::super::source::stream_error;
use super::super::times::TimeSample;
use super::{BUFFER, Record};

/// A line holds several values; beyond this many times the limit of one, it is skipped unread.
const VALUES_PER_LINE: usize = 4;

/// Reads all rows into the collector.
pub(super) fn read(source: &mut dyn Read, rows: &mut Collector<'_>) -> Result<(), TabularError> {
    read_some(source, rows)?;
    check(&rows.tally, rows.options)
}

/// Reads as [`read`] does, with the rows going to blocks.
pub(super) fn read_in_blocks<B: Clone + Send, P: Fn(&mut B, Row<'_>) + Sync>(
    source: &mut (dyn Read + Send),
    rows: &mut RowBlocks<'_, B, P>,
    mut tally: Tally,
) -> Result<Tally, TabularError> {
    let options = rows.options;
    let mut cutter = Cutter::new(Vec::new(), source, options.block_bytes, max_line(options));
    let whole_lines = |text: &[u8]| memrchr(b'\n', text).map_or(0, |at| at + 1);
    let fill = |text: &mut Vec<u8>| cutter.fill(text, whole_lines);
    rows.read_pieces(&mut tally, fill, |text, rows| read_some(&mut text.as_slice(), rows))?;
    if let Some(mut rest) = cutter.rest() {
        rows.read_here(&mut tally, |rows| read_some(&mut rest, rows))?;
    }
    check(&tally, options)?;
    Ok(tally)
}

fn max_line(options: &ReadOptions) -> usize {
    options.max_field_bytes.saturating_mul(VALUES_PER_LINE)
}

/// Fails unless the file as a whole was one of records with the wanted columns.
fn check(tally: &Tally, options: &ReadOptions) -> Result<(), TabularError> {
    if tally.report.rows_total == 0 {
        return Err(TabularError::Empty);
    }
    locate(&tally.report.columns, options.wanted()).map(|_| ())
}

fn read_some(source: &mut dyn Read, rows: &mut Collector<'_>) -> Result<(), TabularError> {
    let max_text = rows.options.max_field_bytes;
    let mut lines = Lines::new(source, max_line(rows.options));
    let mut record = Record::new(rows.options);
    while let Some(complete) = lines.advance()? {
        let text = || String::from_utf8_lossy(lines.text()).into_owned();
        if !complete {
            rows.reject(lines.number, format!("larger than {max_text} bytes"), text);
            continue;
        }
        match record.read_line(lines.text(), max_text) {
            Ok(()) => record.offer_with(lines.number, rows, text),
            Err(reason) => rows.reject(lines.number, reason, text),
        }
    }
    rows.tally.lines = lines.number;
    rows.tally.report.columns = record.columns;
    Ok(())
}

/// Samples the times of the first records.
pub(super) fn sample(head: &[u8], options: &ReadOptions) -> TimeSample {
    let mut sample = TimeSample::default();
    let mut record = Record::new(options);
    for line in head.split(|byte| *byte == b'\n') {
        if record.read_line(line.trim_ascii(), options.max_field_bytes).is_ok() {
            record.time().into_iter().for_each(|time| sample.add(time));
        }
    }
    sample
}

/// Lines that are not blank, with bounded memory.
pub(super) struct Lines<'r> {
    source: BufReader<&'r mut dyn Read>,
    max: usize,
    line: Vec<u8>,
    /// Number of the current line, from 1.
    pub number: u64,
}

impl<'r> Lines<'r> {
    pub fn new(source: &'r mut dyn Read, max: usize) -> Self {
        Lines { source: BufReader::with_capacity(BUFFER, source), max, line: Vec::new(), number: 0 }
    }

    /// Moves to the next line and returns whether it was small enough to be kept whole, or `None` at the end.
    pub fn advance(&mut self) -> Result<Option<bool>, TabularError> {
        loop {
            self.line.clear();
            let limit = self.max as u64 + 1;
            let n = self.source.by_ref().take(limit).read_until(b'\n', &mut self.line).map_err(stream_error)?;
            if n == 0 {
                return Ok(None);
            }
            self.number += 1;
            if n > self.max && self.line.last() != Some(&b'\n') {
                self.source.skip_until(b'\n').map_err(stream_error)?;
                return Ok(Some(false));
            }
            if !self.text().is_empty() {
                return Ok(Some(true));
            }
        }
    }

    pub fn text(&self) -> &[u8] {
        self.line.trim_ascii()
    }
}
