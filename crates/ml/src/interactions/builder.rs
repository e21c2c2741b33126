//! Building a log with numbered ids from rows in any order.

use rayon::prelude::*;

use super::interner::Interner;
use super::{Events, InteractionLog};
use crate::ids::Ids;

/// Rows that are renumbered at a time.
const CHUNK: usize = 1 << 16;

/// Most ids that a block remembers beyond the rows they came with.
const REMEMBERED: usize = 1 << 18;

/// Most bytes of such ids.
const REMEMBERED_BYTES: usize = 16 << 20;

/// Collects rows in any order.
#[derive(Debug)]
pub struct InteractionLogBuilder {
    rows: Rows,
}

/// Some of the rows of a log, collected separately, for example on another thread.
#[derive(Debug, Clone)]
pub struct InteractionBlock {
    rows: Rows,
    known: Known,
}

impl InteractionLogBuilder {
    /// Creates an empty builder; `with_times` says whether rows carry a time.
    pub fn new(with_times: bool) -> Self {
        let times = with_times.then(Vec::new);
        InteractionLogBuilder { rows: Rows { users: Column::default(), items: Column::default(), times, events: None } }
    }

    /// Expects an event type in each row too. Must be called before the first row.
    pub fn with_events(self) -> Self {
        InteractionLogBuilder { rows: Rows { events: Some(Column::default()), ..self.rows } }
    }

    /// Creates an empty block for some of the rows, to be passed to [`Self::append`] once it is filled.
    pub fn block(&self) -> InteractionBlock {
        let Rows { users, items, times, events } = &self.rows;
        let rows = Rows {
            users: users.sibling(),
            items: items.sibling(),
            times: times.as_ref().map(|_| Vec::new()),
            events: events.as_ref().map(Column::sibling),
        };
        InteractionBlock { rows, known: Known::default() }
    }

    /// Adds a row without an event type, as [`Self::push_event`] with an empty one.
    pub fn push(&mut self, user: &str, item: &str, time: Option<i64>) {
        self.rows.push(user, item, time, "");
    }

    /// Adds a row. A missing time in a log with times counts as the beginning of 1970; the event type is dropped in a
    /// log without them.
    pub fn push_event(&mut self, user: &str, item: &str, time: Option<i64>, event: &str) {
        self.rows.push(user, item, time, event);
    }

    /// Moves the rows of a block behind the existing ones, as if each had been added here; the block can then be filled again.
    /// Blocks of another builder work too, only slower.
    pub fn append(&mut self, block: &mut InteractionBlock) {
        let n_rows = self.n_rows() + block.n_rows();
        let InteractionBlock { rows, known } = block;
        self.rows.users.append(&mut rows.users, &mut known.users);
        self.rows.items.append(&mut rows.items, &mut known.items);
        if let Some(times) = &mut self.rows.times {
            times.append(rows.times.get_or_insert_default());
            times.resize(n_rows, 0);
        }
        if let Some(events) = &mut self.rows.events {
            if let Some(more) = &mut rows.events {
                events.append(more, &mut known.events);
            }
            let missing = n_rows - events.codes.len();
            (0..missing).for_each(|_| events.push(""));
        }
    }

    /// Returns the bytes that the dictionaries of ids hold, without the rows.
    pub fn id_bytes(&self) -> u64 {
        self.rows.id_bytes()
    }

    /// Returns the number of rows added so far.
    pub fn n_rows(&self) -> usize {
        self.rows.users.codes.len()
    }

    /// Numbers users, items and event types in byte order and returns the log. Works on the threads of the calling rayon pool.
    pub fn finish(self) -> InteractionLog {
        let Rows { users, items, times, events } = self.rows;
        let ((users, user_codes), (items, item_codes)) = rayon::join(|| users.finish(), || items.finish());
        let events = events.map(|events| {
            let (names, codes) = events.finish();
            Events { names, codes }
        });
        InteractionLog { users, items, user_codes, item_codes, times, events }
    }
}

impl InteractionBlock {
    /// Adds a row, as [`InteractionLogBuilder::push_event`] does.
    pub fn push_event(&mut self, user: &str, item: &str, time: Option<i64>, event: &str) {
        self.rows.push(user, item, time, event);
    }

    /// Drops all rows and forgets the ids they came with.
    pub fn clear(&mut self) {
        let Rows { users, items, times, events } = &mut self.rows;
        users.clear();
        items.clear();
        times.iter_mut().for_each(Vec::clear);
        events.iter_mut().for_each(Column::clear);
        self.known = Known::default();
    }

    /// Returns the bytes that the dictionaries of ids hold, without the rows.
    pub fn id_bytes(&self) -> u64 {
        self.rows.id_bytes()
    }

    /// Returns the number of rows in the block.
    pub fn n_rows(&self) -> usize {
        self.rows.users.codes.len()
    }
}

#[derive(Debug, Clone)]
struct Rows {
    users: Column,
    items: Column,
    times: Option<Vec<i64>>,
    events: Option<Column>,
}

impl Rows {
    fn push(&mut self, user: &str, item: &str, time: Option<i64>, event: &str) {
        self.users.push(user);
        self.items.push(item);
        if let Some(times) = &mut self.times {
            times.push(time.unwrap_or(0));
        }
        if let Some(events) = &mut self.events {
            events.push(event);
        }
    }

    fn id_bytes(&self) -> u64 {
        let events = self.events.as_ref().map_or(0, |events| events.names.heap_bytes());
        (self.users.names.heap_bytes() + self.items.names.heap_bytes() + events) as u64
    }
}

/// The builder's numbers of a block's ids, as far as they were looked up.
#[derive(Debug, Clone, Default)]
struct Known {
    users: Vec<u32>,
    items: Vec<u32>,
    events: Vec<u32>,
}

/// The distinct strings of a column, and which of them each row has.
#[derive(Debug, Clone, Default)]
struct Column {
    names: Interner,
    codes: Vec<u32>,
}

impl Column {
    fn sibling(&self) -> Column {
        Column { names: self.names.sibling(), codes: Vec::new() }
    }

    fn push(&mut self, name: &str) {
        self.codes.push(self.names.code(name));
    }

    fn clear(&mut self) {
        self.codes.clear();
        self.names.clear();
    }

    /// Moves the rows of a block in. The block keeps its names, so that those of its next rows need not be looked up again.
    fn append(&mut self, block: &mut Column, known: &mut Vec<u32>) {
        let ours = self.names.is_sibling(&block.names);
        if !ours {
            known.clear();
        }
        known.extend((known.len()..block.names.len()).map(|at| self.names.code(block.names.get(at))));
        self.codes.extend(block.codes.iter().map(|&code| known[code as usize]));
        block.codes.clear();
        if !ours || block.names.len() > REMEMBERED || block.names.text_bytes() > REMEMBERED_BYTES {
            block.names.clear();
            known.clear();
        }
    }

    fn finish(self) -> (Ids, Vec<u32>) {
        let (ids, map) = self.names.finish();
        let mut codes = self.codes;
        codes.par_chunks_mut(CHUNK).for_each(|chunk| chunk.iter_mut().for_each(|code| *code = map[*code as usize]));
        (ids, codes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [&str; 2] = ["view", "buy"];

    fn new(times: bool, events: bool) -> InteractionLogBuilder {
        let builder = InteractionLogBuilder::new(times);
        if events { builder.with_events() } else { builder }
    }

    fn user(row: u32) -> String {
        format!("user {}", row * 7 % 370)
    }

    fn fill(block: &mut InteractionBlock, rows: std::ops::Range<u32>) {
        for row in rows {
            block.push_event(&user(row), &(row % 11).to_string(), Some(row.into()), EVENTS[row as usize % 2]);
        }
    }

    #[test]
    fn blocks_give_what_single_rows_give() {
        for (times, events) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut single = new(times, events);
            let mut whole = new(times, events);
            let mut blocks = [whole.block(), whole.block(), new(times, events).block()];
            for (at, from) in (0..900u32).step_by(100).enumerate() {
                for row in from..from + 100 {
                    single.push_event(&user(row), &(row % 11).to_string(), Some(row.into()), EVENTS[row as usize % 2]);
                }
                let block = &mut blocks[at % 3];
                fill(block, from..from + 100);
                whole.append(block);
                assert_eq!(block.n_rows(), 0);
            }
            assert_eq!(whole.finish(), single.finish());
        }
    }

    #[test]
    fn a_block_without_times_or_events_counts_as_rows_without_them() {
        let mut whole = new(true, true);
        let mut block = new(false, false).block();
        fill(&mut block, 0..3);
        whole.append(&mut block);
        let log = whole.finish();
        assert_eq!((log.times, log.events.map(|events| events.codes)), (Some(vec![0; 3]), Some(vec![0; 3])));
    }

    #[test]
    fn a_block_that_was_cleared_remembers_no_ids_and_can_be_filled_again() {
        let mut whole = new(true, true);
        let mut block = whole.block();
        fill(&mut block, 0..50);
        whole.append(&mut block);
        fill(&mut block, 100..200);
        block.clear();
        assert_eq!((block.n_rows(), block.rows.users.names.len(), block.rows.items.names.len()), (0, 0, 0));
        fill(&mut block, 50..90);
        whole.append(&mut block);
        let mut single = new(true, true);
        let mut other = single.block();
        fill(&mut other, 0..90);
        single.append(&mut other);
        assert_eq!(whole.finish(), single.finish());
    }

    #[test]
    fn long_ids_are_counted_and_not_remembered_for_long() {
        let mut whole = new(false, false);
        let mut block = whole.block();
        let n = REMEMBERED_BYTES / (1 << 20) + 1;
        (0..n).for_each(|row| block.push_event(&format!("{row}{}", "x".repeat(1 << 20)), "x", None, ""));
        assert!(block.id_bytes() > REMEMBERED_BYTES as u64);
        whole.append(&mut block);
        assert_eq!((block.rows.users.names.len(), block.rows.items.names.len()), (0, 1));
        assert!(whole.id_bytes() > REMEMBERED_BYTES as u64);
    }

    #[test]
    fn a_block_forgets_when_it_knows_too_much() {
        let n = REMEMBERED as u32 + 10;
        let mut whole = new(false, false);
        let mut block = whole.block();
        for _ in 0..2 {
            (0..n).for_each(|row| block.push_event(&row.to_string(), "x", None, ""));
            whole.append(&mut block);
            assert_eq!((block.rows.users.names.len(), block.rows.items.names.len()), (0, 1));
        }
        let log = whole.finish();
        assert_eq!((log.n_users(), log.n_rows()), (n as usize, 2 * n as usize));
        assert!((0..n as usize).all(|row| log.users.get(log.user_codes[row]) == row.to_string()));
    }
}
