//! What users have done lately, in memory, so that a click changes the next list without training and without a query.
//!
//! No request waits for the database: it is answered from what is known. New events are fetched twice a second by id. An id is
//! given out before its transaction ends, and a long statement may end after thousands of later ones. So all ids above a floor
//! are fetched each time, and knowing which of them were taken keeps them from counting twice. The floor rises to an id once
//! every transaction that could still bring one below it has ended.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use moka::sync::Cache;
use tokio_util::sync::CancellationToken;

use super::store::{self, Event};
use crate::platform::db::ReadError;
use crate::platform::known;
use crate::platform::services::Services;

const PAUSE: Duration = Duration::from_millis(500);
/// Events older than this are left to training.
pub const REMEMBERED: TimeDelta = TimeDelta::days(30);
/// How far the floor may stay below the highest id. A transaction that was never ended would otherwise have ever more events
/// fetched and remembered again and again. What ends after so many later ids is not noticed here before the process starts
/// again; the events themselves are stored, and training learns from them.
const MOST_BEHIND: i64 = 200_000;
/// Events fetched at once.
const MOST_ROWS: i64 = 20_000;
/// Events that are read at the start.
const MOST_AT_START: i64 = 500_000;
/// How long reading these may take.
const LONGEST_AT_START: Duration = Duration::from_secs(60);
/// Items remembered of a user, the last ones.
pub const MOST_ITEMS: usize = 200;
/// Bytes of ids that are kept.
const BUDGET: u64 = 128 << 20;

type User = (i64, String);

/// The memory of one process. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct RecentEvents {
    users: Cache<User, Arc<Vec<String>>>,
    /// Most installs record no events, and then there is nothing to look up.
    any: Arc<AtomicBool>,
}

impl RecentEvents {
    /// Fetches events until `stop` is cancelled.
    pub fn start(services: &Services, stop: CancellationToken) -> Self {
        let weigh = |user: &User, items: &Arc<Vec<String>>| {
            let bytes = user.1.len() + items.iter().map(|item| item.len() + 24).sum::<usize>() + 100;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        let recent = Self::with(Cache::builder().weigher(weigh).max_capacity(BUDGET).build());
        let following = follow(recent.clone(), services.clone());
        tokio::spawn(async move { stop.run_until_cancelled(following).await });
        recent
    }

    fn with(users: Cache<User, Arc<Vec<String>>>) -> Self {
        Self { users, any: Arc::default() }
    }

    /// Returns the items a user has lately clicked or bought, oldest first.
    pub fn of(&self, project: i64, user: &str) -> Option<Arc<Vec<String>>> {
        if self.any.load(Ordering::Relaxed) { self.users.get(&(project, user.to_owned())) } else { None }
    }

    fn add(&self, event: Event) {
        let user = (event.project_id, event.user_id);
        let mut items = self.users.get(&user).map(|items| items.as_ref().clone()).unwrap_or_default();
        items.retain(|item| *item != event.item_id);
        items.push(event.item_id);
        let excess = items.len().saturating_sub(MOST_ITEMS);
        items.drain(..excess);
        self.users.insert(user, Arc::new(items));
        self.any.store(true, Ordering::Relaxed);
    }
}

/// Which events have been taken.
#[derive(Debug, Default)]
struct Taken {
    /// No event up to this id is on its way any more.
    floor: i64,
    /// The highest id at the last look.
    highest: i64,
    /// Those taken above the floor.
    ids: HashSet<i64>,
    settling: Option<Settling>,
}

/// An id that becomes the floor when the transactions under way have ended.
#[derive(Debug, Clone, Copy)]
struct Settling {
    id: i64,
    /// Every transaction that could bring an event up to the id is older than this one.
    barrier: i64,
}

impl Taken {
    /// Whether the event is new; from now on it is not.
    fn take(&mut self, id: i64) -> bool {
        self.highest = self.highest.max(id);
        id > self.floor && self.ids.insert(id)
    }

    /// Whether there can be nothing new while this is the highest id.
    fn is_settled(&self, highest: i64) -> bool {
        highest <= self.highest && self.floor == self.highest
    }

    /// Takes note that all there was above the floor has been taken since `oldest` was the oldest transaction under way.
    fn settle(&mut self, oldest: i64) {
        if let Some(settled) = self.settling.take_if(|settling| settling.barrier <= oldest) {
            self.raise_floor(settled.id);
        }
        self.keep_up();
    }

    /// Leaves behind what is too far below the highest id.
    fn keep_up(&mut self) {
        self.raise_floor(self.highest - MOST_BEHIND);
    }

    fn raise_floor(&mut self, to: i64) {
        if to > self.floor {
            self.floor = to;
            self.ids.retain(|id| *id > to);
        }
    }
}

/// Looks for new events again and again. While the database is away or hangs, what is known stays known.
async fn follow(recent: RecentEvents, services: Services) {
    let mut taken: Option<Taken> = None;
    loop {
        let looked = match &mut taken {
            None => known::within(LONGEST_AT_START, begin(&recent, &services)).await.map(|begun| taken = Some(begun)),
            Some(taken) => known::within(known::LONGEST, fetch(&recent, &services, taken)).await,
        };
        if let Err(error) = looked {
            tracing::debug!(%error, "what users have lately done could not be read; it will be tried again");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn begin(recent: &RecentEvents, services: &Services) -> Result<Taken, ReadError> {
    let mut connection = services.db.conn().await?;
    let since = services.clock.now() - REMEMBERED;
    let highest = store::position(&mut connection).await?.highest;
    let mut taken = Taken { highest, ..Taken::default() };
    taken.keep_up();
    for event in store::latest_events(&mut connection, since, MOST_AT_START).await?.into_iter().rev() {
        taken.take(event.id);
        recent.add(event);
    }
    Ok(taken)
}

async fn fetch(recent: &RecentEvents, services: &Services, taken: &mut Taken) -> Result<(), ReadError> {
    let mut connection = services.db.conn().await?;
    let since = services.clock.now() - REMEMBERED;
    let store::Position { highest, oldest } = store::position(&mut connection).await?;
    if taken.is_settled(highest) {
        return Ok(());
    }
    let before = taken.highest;
    let mut from = taken.floor;
    loop {
        let events = store::events_after(&mut connection, from, since, MOST_ROWS).await?;
        let (count, last) = (events.len() as i64, events.last().map(|event| event.id));
        for event in events {
            if taken.take(event.id) {
                recent.add(event);
            }
        }
        taken.keep_up();
        match last {
            Some(last) if count == MOST_ROWS => from = last,
            _ => break,
        }
    }
    taken.highest = taken.highest.max(highest);
    // What ended before `oldest` was read has been fetched just now.
    taken.settle(oldest);
    if taken.settling.is_none() && before > taken.floor {
        // A statement takes its ids a moment before it counts as a transaction under way (ours do not, see their SQL): what was
        // the highest at the last look has had the time from that look to this one.
        taken.settling = Some(Settling { id: before, barrier: store::barrier(&mut connection).await? });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: i64, user: &str, item: &str) -> Event {
        Event { id, project_id: 1, user_id: user.to_owned(), item_id: item.to_owned() }
    }

    #[test]
    fn a_late_transaction_is_not_missed_and_nothing_counts_twice() {
        let mut taken = Taken::default();
        assert!([5, 7, 90_000].into_iter().all(|id| taken.take(id)));
        taken.settling = Some(Settling { id: 90_000, barrier: 30 });
        taken.settle(29);
        assert!(taken.take(6), "its transaction ended after that of 90,000");
        assert!(!taken.take(7) && !taken.is_settled(90_000));
        taken.settle(30);
        assert!(taken.is_settled(90_000) && taken.ids.is_empty());
        assert!(!taken.is_settled(90_001));
        assert!(taken.take(90_001) && !taken.take(90_001) && !taken.take(90_000));
    }

    #[test]
    fn a_transaction_that_never_ends_costs_no_more_than_so_many_ids() {
        let mut taken = Taken::default();
        for id in 1..=3 * MOST_BEHIND {
            taken.take(id);
            if id % MOST_ROWS == 0 {
                taken.settle(0);
            }
        }
        assert_eq!((taken.floor, taken.ids.len() as i64), (2 * MOST_BEHIND, MOST_BEHIND));
        taken.settling = Some(Settling { id: MOST_BEHIND, barrier: 1 });
        taken.settle(1);
        assert_eq!(taken.floor, 2 * MOST_BEHIND, "it never sinks");
    }

    #[test]
    fn the_last_items_of_a_user_are_kept_each_once() {
        let recent = RecentEvents::with(Cache::new(10));
        for number in 0..MOST_ITEMS + 5 {
            recent.add(event(number as i64, "u", &number.to_string()));
        }
        recent.add(event(1_000, "u", "10"));
        let items = recent.of(1, "u").unwrap();
        assert_eq!((items.len(), items[0].as_str(), items[MOST_ITEMS - 1].as_str()), (MOST_ITEMS, "5", "10"));
        assert_eq!(items.iter().filter(|item| *item == "10").count(), 1);
        assert!(recent.of(2, "u").is_none());
    }
}
