//! From rows in any order to a log with its ids numbered.

use std::collections::HashMap;

use super::{Events, InteractionLog};
use crate::ml::ids::Ids;

/// Collects rows in any order.
#[derive(Debug)]
pub struct InteractionLogBuilder {
    users: Interner,
    items: Interner,
    user_codes: Vec<u32>,
    item_codes: Vec<u32>,
    times: Option<Vec<i64>>,
    events: Option<(Interner, Vec<u32>)>,
}

impl InteractionLogBuilder {
    /// An empty builder; `with_times` says whether rows carry a time.
    pub fn new(with_times: bool) -> Self {
        InteractionLogBuilder {
            users: Interner::default(),
            items: Interner::default(),
            user_codes: Vec::new(),
            item_codes: Vec::new(),
            times: with_times.then(Vec::new),
            events: None,
        }
    }

    /// Rows carry an event type too. To be said before the first row.
    pub fn with_events(self) -> Self {
        InteractionLogBuilder { events: Some((Interner::default(), Vec::new())), ..self }
    }

    /// Adds a row without an event type, as [`Self::push_event`] with an empty one.
    pub fn push(&mut self, user: &str, item: &str, time: Option<i64>) {
        self.push_event(user, item, time, "");
    }

    /// Adds a row. A missing time in a log with times counts as the beginning of 1970; the event type is dropped in a
    /// log without them.
    pub fn push_event(&mut self, user: &str, item: &str, time: Option<i64>, event: &str) {
        self.user_codes.push(self.users.code(user));
        self.item_codes.push(self.items.code(item));
        if let Some(times) = &mut self.times {
            times.push(time.unwrap_or(0));
        }
        if let Some((names, codes)) = &mut self.events {
            codes.push(names.code(event));
        }
    }

    /// Rows added so far.
    pub fn n_rows(&self) -> usize {
        self.user_codes.len()
    }

    /// Numbers users, items and event types in byte order and gives the log.
    pub fn finish(self) -> InteractionLog {
        let (users, user_map) = self.users.finish();
        let (items, item_map) = self.items.finish();
        let apply = |mut codes: Vec<u32>, map: &[u32]| {
            codes.iter_mut().for_each(|code| *code = map[*code as usize]);
            codes
        };
        let events = self.events.map(|(names, codes)| {
            let (names, map) = names.finish();
            Events { names, codes: apply(codes, &map) }
        });
        InteractionLog {
            users,
            items,
            user_codes: apply(self.user_codes, &user_map),
            item_codes: apply(self.item_codes, &item_map),
            times: self.times,
            events,
        }
    }
}

/// Numbers strings in order of first sight.
#[derive(Debug, Default)]
struct Interner {
    codes: HashMap<Box<str>, u32>,
}

impl Interner {
    fn code(&mut self, id: &str) -> u32 {
        if let Some(&code) = self.codes.get(id) {
            return code;
        }
        let code = self.codes.len() as u32;
        self.codes.insert(id.into(), code);
        code
    }

    /// The dictionary in byte order, and for each old number the new one.
    fn finish(self) -> (Ids, Vec<u32>) {
        let mut sorted: Vec<(Box<str>, u32)> = self.codes.into_iter().collect();
        sorted.sort_unstable();
        let mut map = vec![0u32; sorted.len()];
        for (new, (_, old)) in sorted.iter().enumerate() {
            map[*old as usize] = new as u32;
        }
        // Keys of a map are distinct and were just sorted, so this cannot fail.
        let ids = Ids::from_sorted(sorted.iter().map(|(id, _)| id)).unwrap_or_default();
        (ids, map)
    }
}
