//! Rows in blocks: how several threads read a file and still return its rows in order.

use std::io::{self, Read};
use std::mem::take;

use super::collector::{Collector, Row, Tally};
use super::error::TabularError;
use super::in_order::in_order;
use super::options::ReadOptions;
use super::source::stream_error;
use super::times::TimeReading;

/// Rows in a block, for formats in which rows can be counted.
pub(super) const BLOCK_ROWS: usize = 1 << 17;

/// Blocks in memory for each thread, beyond those being filled and taken.
const WAITING: usize = 0;

/// Destination of the rows of a file.
pub(super) struct RowBlocks<'t, B, P> {
    pub options: &'t ReadOptions,
    /// Notation of the times; the reader of the format sets it.
    pub times: TimeReading,
    /// Threads that parse rows.
    pub threads: usize,
    pub empty: B,
    pub push: &'t P,
    pub take: &'t mut dyn FnMut(&mut B),
}

/// A piece of a file and its rows.
struct Block<T, B> {
    piece: T,
    rows: B,
    outcome: Result<Tally, TabularError>,
}

impl<B: Clone + Send, P: Fn(&mut B, Row<'_>) + Sync> RowBlocks<'_, B, P> {
    /// Reads the pieces that `fill` produces on several threads.
    pub fn read_pieces<T: Send + Default>(
        &mut self,
        tally: &mut Tally,
        mut fill: impl FnMut(&mut T) -> Result<bool, TabularError> + Send,
        read: impl Fn(&T, &mut Collector<'_>) -> Result<(), TabularError> + Sync,
    ) -> Result<(), TabularError> {
        let threads = self.threads.max(1);
        let new_block = |_| Block { piece: T::default(), rows: self.empty.clone(), outcome: Ok(Tally::default()) };
        let slots = (0..threads * (1 + WAITING) + 2).map(new_block).collect();
        let (options, push, times) = (self.options, self.push, self.times);
        in_order(
            slots,
            threads,
            |block: &mut Block<T, B>| fill(&mut block.piece),
            |Block { piece, rows, outcome }| {
                let mut sink = |row: Row<'_>| push(rows, row);
                let mut collector = Collector::new(options, times, &mut sink);
                *outcome = read(piece, &mut collector).map(|()| collector.tally);
            },
            |block| {
                tally.add(std::mem::replace(&mut block.outcome, Ok(Tally::default()))?);
                (self.take)(&mut block.rows);
                Ok(())
            },
        )
    }

    /// Reads on the calling thread input that cannot be read in pieces.
    pub fn read_here(
        &mut self,
        tally: &mut Tally,
        read: impl FnOnce(&mut Collector<'_>) -> Result<(), TabularError>,
    ) -> Result<(), TabularError> {
        let mut block = self.empty.clone();
        let mut n_rows = 0;
        let mut sink = |row: Row<'_>| {
            (self.push)(&mut block, row);
            n_rows += 1;
            if n_rows % BLOCK_ROWS == 0 {
                (self.take)(&mut block);
            }
        };
        let mut collector = Collector::new(self.options, self.times, &mut sink);
        read(&mut collector)?;
        self.times = collector.times;
        tally.add(collector.tally);
        (self.take)(&mut block);
        Ok(())
    }
}

/// Splits a stream of text into blocks of whole records.
pub(super) struct Cutter<'s> {
    source: &'s mut (dyn Read + Send),
    block_bytes: usize,
    max_record: usize,
    /// Bytes that were read but belong to the next block.
    carry: Vec<u8>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Going,
    /// The source has ended.
    Ended,
    /// A record has no end within the limit; the rest has to be read as a stream.
    Stuck,
}

impl<'s> Cutter<'s> {
    /// Creates a cutter; `unread` are bytes before those that the source still has.
    pub fn new(unread: Vec<u8>, source: &'s mut (dyn Read + Send), block_bytes: usize, max_record: usize) -> Self {
        Cutter { source, block_bytes, max_record, carry: unread, state: State::Going }
    }

    /// Replaces `block` by the next one; `false` when there is none. `whole_records` returns how many of the given bytes can be
    /// read on their own.
    pub fn fill(&mut self, block: &mut Vec<u8>, mut whole_records: impl FnMut(&[u8]) -> usize) -> Result<bool, TabularError> {
        block.clear();
        if self.state != State::Going {
            return Ok(false);
        }
        block.append(&mut self.carry);
        let mut size = self.block_bytes;
        loop {
            self.read_up_to(size, block)?;
            if self.state == State::Ended {
                return Ok(!block.is_empty());
            }
            let whole = whole_records(block);
            if whole > 0 {
                self.carry.extend_from_slice(&block[whole..]);
                block.truncate(whole);
                return Ok(true);
            }
            // Twice the largest record holds a whole one, unless that is a line without end.
            if block.len() / 2 > self.max_record {
                self.carry = take(block);
                self.state = State::Stuck;
                return Ok(false);
            }
            size = block.len() * 2;
        }
    }

    /// Returns the rest after the last block, if it could not be split.
    pub fn rest(self) -> Option<impl Read> {
        (self.state == State::Stuck).then(|| io::Cursor::new(self.carry).chain(self.source))
    }

    fn read_up_to(&mut self, size: usize, block: &mut Vec<u8>) -> Result<(), TabularError> {
        let mut filled = block.len();
        if filled < size {
            block.resize(size, 0);
        }
        while filled < block.len() {
            match self.source.read(&mut block[filled..]) {
                Ok(0) => {
                    self.state = State::Ended;
                    break;
                }
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(stream_error(e)),
            }
        }
        block.truncate(filled);
        Ok(())
    }
}
