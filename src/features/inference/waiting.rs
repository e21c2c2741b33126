//! Queue of work per party: bounded, served in turns, one piece of a party at a time.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// The largest numbers of waiting pieces of work.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    pub of_all: usize,
    pub of_party: usize,
}

/// The queues of all parties.
pub struct Waiting<T> {
    room: Room,
    queues: Mutex<Queues<T>>,
    added: Notify,
    idle: Notify,
}

struct Queues<T> {
    of_party: HashMap<i64, VecDeque<T>>,
    /// Parties with waiting work and none in progress, in the order of their turns.
    turns: VecDeque<i64>,
    /// Parties with work in progress.
    busy: HashSet<i64>,
    count: usize,
    is_closed: bool,
}

impl<T> Waiting<T> {
    /// Creates empty queues.
    pub fn new(room: Room) -> Self {
        let queues =
            Queues { of_party: HashMap::new(), turns: VecDeque::new(), busy: HashSet::new(), count: 0, is_closed: false };
        Self { room, queues: Mutex::new(queues), added: Notify::new(), idle: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Queues<T>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a piece of work, and returns the one that is rejected for lack of room: this one, or the last of a party with more.
    pub fn add(&self, party: i64, work: T) -> Option<T> {
        let refused = self.lock().add(party, work, self.room);
        self.added.notify_one();
        refused
    }

    /// Waits for the next piece of work; `None` once the queues are closed. Work gathers for a while before it starts. The caller
    /// must then call [`done`](Self::done).
    pub async fn next(&self, gathering: Duration) -> Option<(i64, T)> {
        loop {
            let (next, is_closed, is_more) = {
                let mut queues = self.lock();
                (queues.next(), queues.is_closed, !queues.turns.is_empty())
            };
            if is_closed || is_more {
                // Wakes another worker for the rest.
                self.added.notify_one();
            }
            if is_closed || next.is_some() {
                return next.filter(|_| !is_closed);
            }
            self.added.notified().await;
            tokio::time::sleep(gathering).await;
        }
    }

    /// Marks the work of a party as ended.
    pub fn done(&self, party: i64) {
        let mut queues = self.lock();
        queues.busy.remove(&party);
        if queues.of_party.contains_key(&party) {
            queues.turns.push_back(party);
        }
        if queues.is_idle() {
            self.idle.notify_waiters();
        }
    }

    /// Waits until no work is waiting or in progress.
    pub async fn finished(&self) {
        loop {
            let idle = self.idle.notified();
            if self.lock().is_idle() {
                return;
            }
            idle.await;
        }
    }

    /// Stops the workers, and keeps what is still waiting.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.added.notify_one();
    }
}

impl<T> Queues<T> {
    fn add(&mut self, party: i64, work: T, room: Room) -> Option<T> {
        let own = self.of_party.get(&party).map_or(0, VecDeque::len);
        if own >= room.of_party {
            return Some(work);
        }
        let mut refused = None;
        if self.count >= room.of_all {
            match self.of_party.values_mut().max_by_key(|queue| queue.len()).filter(|longest| longest.len() > own + 1) {
                Some(longest) => refused = longest.pop_back(),
                None => return Some(work),
            }
            self.count -= 1;
        }
        self.of_party.entry(party).or_default().push_back(work);
        self.count += 1;
        if own == 0 && !self.busy.contains(&party) {
            self.turns.push_back(party);
        }
        refused
    }

    fn next(&mut self) -> Option<(i64, T)> {
        let party = self.turns.pop_front()?;
        let queue = self.of_party.get_mut(&party)?;
        let work = queue.pop_front()?;
        if queue.is_empty() {
            self.of_party.remove(&party);
        }
        self.busy.insert(party);
        self.count -= 1;
        Some((party, work))
    }

    fn is_idle(&self) -> bool {
        self.count == 0 && self.busy.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    async fn next(waiting: &Waiting<&'static str>) -> Option<(i64, &'static str)> {
        waiting.next(Duration::ZERO).await
    }

    #[tokio::test]
    async fn parties_take_turns_however_much_one_has_waiting() {
        let waiting = Waiting::new(Room { of_all: 10, of_party: 3 });
        let refused = ["a1", "a2", "a3", "a4"].map(|work| waiting.add(1, work));
        assert_eq!(refused, [None, None, None, Some("a4")]);
        assert_eq!(waiting.add(2, "b1"), None);
        assert_eq!(next(&waiting).await, Some((1, "a1")));
        assert_eq!(next(&waiting).await, Some((2, "b1")));
        let moment = Duration::from_millis(20);
        assert!(tokio::time::timeout(moment, next(&waiting)).await.is_err(), "the work of both is in progress");
        waiting.done(1);
        assert_eq!(waiting.add(2, "b2"), None);
        waiting.done(2);
        assert_eq!(next(&waiting).await, Some((1, "a2")));
        assert_eq!(next(&waiting).await, Some((2, "b2")));
    }

    #[tokio::test]
    async fn where_all_room_is_taken_the_party_with_most_waiting_gives_some() {
        let waiting = Waiting::new(Room { of_all: 3, of_party: 3 });
        for work in ["a1", "a2", "a3"] {
            assert_eq!(waiting.add(1, work), None);
        }
        assert_eq!(waiting.add(2, "b1"), Some("a3"));
        assert_eq!(waiting.add(2, "b2"), Some("b2"), "then both have as much");
    }

    #[tokio::test]
    async fn it_is_finished_when_the_last_work_is_done_and_workers_end_when_it_is_closed() {
        let waiting = Arc::new(Waiting::new(Room { of_all: 9, of_party: 9 }));
        let workers = [(); 3].map(|()| {
            let waiting = Arc::clone(&waiting);
            tokio::spawn(async move {
                let mut done = 0;
                while let Some((party, _)) = next(&waiting).await {
                    tokio::task::yield_now().await;
                    waiting.done(party);
                    done += 1;
                }
                done
            })
        });
        for party in [1, 2, 1, 3] {
            assert_eq!(waiting.add(party, "work"), None);
        }
        waiting.finished().await;
        waiting.close();
        let done: i32 = futures_util::future::join_all(workers).await.into_iter().map(Result::unwrap).sum();
        assert_eq!(done, 4);
    }
}
