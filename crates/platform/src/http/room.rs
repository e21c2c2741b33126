//! The memory for bodies of requests or answers, and who uses how much of it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// One in this many bytes of a room may be used by one caller.
const PART_OF_CALLER: usize = 8;

/// Bytes in memory of bodies that are arriving, in use or being sent.
#[derive(Debug)]
pub(super) struct Buffered {
    most: usize,
    most_of_network: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    all: usize,
    by_network: HashMap<String, usize>,
    by_caller: HashMap<i64, usize>,
}

/// The origin of a body: the network of its client and, once authenticated, the caller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender<'a> {
    pub network: &'a str,
    pub caller: Option<i64>,
}

impl Buffered {
    /// Creates an empty room of this many bytes; one network may use one in `part_of_network` of them.
    pub fn new(most: usize, part_of_network: usize) -> Self {
        Self { most, most_of_network: most / part_of_network, held: Mutex::default() }
    }

    /// Counts more bytes of a body, of which `counted` are counted already; returns false when there is no room for them. A
    /// caller without another body may exceed its share: otherwise a small room would never accept a body of the largest size.
    pub fn add(&self, sender: Sender<'_>, counted: usize, bytes: usize) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let of_network = held.by_network.get(sender.network).copied().unwrap_or_default().saturating_add(bytes);
        let of_caller = sender.caller.and_then(|caller| held.by_caller.get(&caller)).copied().unwrap_or_default();
        let has_other_bodies = of_caller > counted;
        let of_caller = of_caller.saturating_add(bytes);
        if held.all.saturating_add(bytes) > self.most
            || of_network > self.most_of_network
            || (has_other_bodies && of_caller > self.most / PART_OF_CALLER)
        {
            return false;
        }
        held.all += bytes;
        held.by_network.insert(sender.network.to_owned(), of_network);
        if let Some(caller) = sender.caller {
            held.by_caller.insert(caller, of_caller);
        }
        true
    }

    /// Releases bytes that were counted.
    pub fn give_back(&self, sender: Sender<'_>, bytes: usize) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.all = held.all.saturating_sub(bytes);
        match held.by_network.get_mut(sender.network) {
            Some(of_network) if *of_network > bytes => *of_network -= bytes,
            _ => drop(held.by_network.remove(sender.network)),
        }
        let Some(caller) = sender.caller else { return };
        match held.by_caller.get_mut(&caller) {
            Some(of_caller) if *of_caller > bytes => *of_caller -= bytes,
            _ => drop(held.by_caller.remove(&caller)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_may_fill_half_of_the_room_and_gets_it_back() {
        let buffered = Buffered::new(100, 2);
        let of = |network| Sender { network, caller: None };
        assert!(buffered.add(of("a"), 0, 30) && buffered.add(of("a"), 0, 20));
        assert!(!buffered.add(of("a"), 0, 1));
        assert!(buffered.add(of("b"), 0, 50));
        assert!(!buffered.add(of("c"), 0, 1));
        buffered.give_back(of("a"), 30);
        assert!(buffered.add(of("c"), 0, 30) && !buffered.add(of("a"), 0, 1));
        buffered.give_back(of("a"), 20);
        assert!(!buffered.held.lock().unwrap().by_network.contains_key("a"));
    }

    #[test]
    fn one_caller_may_fill_an_eighth_of_the_room_or_send_one_body_at_a_time() {
        let buffered = Buffered::new(800, 2);
        let of = |network, caller| Sender { network, caller: Some(caller) };
        assert!(buffered.add(of("a", 1), 0, 60) && buffered.add(of("b", 1), 0, 40));
        assert!(!buffered.add(of("c", 1), 0, 1), "from whichever network");
        assert!(buffered.add(of("a", 2), 0, 100));
        buffered.give_back(of("a", 1), 60);
        buffered.give_back(of("b", 1), 40);
        assert!(buffered.add(of("a", 1), 0, 90) && buffered.add(of("a", 1), 90, 90), "a large one alone");
        assert!(!buffered.add(of("a", 1), 0, 1), "and none beside it");
        buffered.give_back(of("a", 1), 180);
        buffered.give_back(of("a", 2), 100);
        let held = buffered.held.lock().unwrap();
        assert!(held.all == 0 && held.by_network.is_empty() && held.by_caller.is_empty(), "{held:?}");
    }
}
