//! The latest events of users in memory, so that a click changes the next list without training and without a query.
//!
//! No request waits for the database: requests use what is in memory. New events are fetched twice a second by id. An id is
//! assigned before its transaction commits, and a long transaction may commit after thousands of later ids. So all ids above a
//! floor are fetched each time, and the set of processed ids prevents counting an event twice. The floor rises to an id once
//! every transaction that could still commit a smaller one has ended.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use tokio_util::sync::CancellationToken;

use super::store::{self, Event};
use crate::features::accounts::Tenant;
use crate::features::projects;
use crate::platform::db::ReadError;
use crate::platform::known;
use crate::platform::services::Services;
use crate::platform::shares::Shares;

const PAUSE: Duration = Duration::from_millis(500);
/// Older events are left to training.
pub const REMEMBERED: TimeDelta = TimeDelta::days(30);
/// The largest distance of the floor below the highest id. Without it, a transaction that never ends would make each fetch
/// larger. Events that commit more ids later are missed here until the process restarts; they are stored, and training uses them.
const MOST_BEHIND: i64 = 200_000;
/// Events fetched at once.
const MOST_ROWS: i64 = 20_000;
/// Events read at the start.
const MOST_AT_START: i64 = 500_000;
/// The time limit for reading these.
const LONGEST_AT_START: Duration = Duration::from_secs(60);
/// The number of latest items kept per user.
pub const MOST_ITEMS: usize = 200;
/// The largest number of bytes of users and ids in memory. Tenants share them: the one with most makes room.
const BUDGET: usize = 128 << 20;
/// Bytes that a user takes up besides the ids.
const USER_BYTES: usize = 250;

type User = (i64, Arc<str>);

/// The events in memory of one process. Clones are cheap and share them.
#[derive(Clone)]
pub struct RecentEvents {
    users: Arc<Shares<User, Arc<Vec<String>>>>,
    /// Most installations record no events, and need no look-up.
    any: Arc<AtomicBool>,
}

impl RecentEvents {
    /// Creates the cache, and fetches events until `stop` is cancelled.
    pub fn start(services: &Services, stop: CancellationToken) -> Self {
        let recent = Self::with(BUDGET);
        let following = follow(recent.clone(), services.clone());
        tokio::spawn(async move { stop.run_until_cancelled(following).await });
        recent
    }

    fn with(budget: usize) -> Self {
        Self { users: Arc::new(Shares::new(budget)), any: Arc::default() }
    }

    /// Returns the items that a user has clicked or bought lately, oldest first.
    pub fn of(&self, project: i64, user: &str) -> Option<Arc<Vec<String>>> {
        if self.any.load(Ordering::Relaxed) { self.users.get(&(project, Arc::from(user))) } else { None }
    }

    /// Adds an event of one of the projects whose tenants are given; other projects have been deleted.
    fn add_of(&self, tenants: &HashMap<i64, Tenant>, event: Event) {
        if let Some(tenant) = tenants.get(&event.project_id) {
            self.add(*tenant, event);
        }
    }

    fn add(&self, tenant: Tenant, event: Event) {
        let user = (event.project_id, Arc::from(event.user_id));
        let mut items = self.users.get(&user).map(|items| items.as_ref().clone()).unwrap_or_default();
        items.retain(|item| *item != event.item_id);
        items.push(event.item_id);
        let excess = items.len().saturating_sub(MOST_ITEMS);
        items.drain(..excess);
        let bytes = user.1.len() + items.iter().map(|item| item.len() + 24).sum::<usize>() + USER_BYTES;
        self.users.put(tenant.party(), user, Arc::new(items), bytes);
        self.any.store(true, Ordering::Relaxed);
    }
}

/// The events that have been processed.
#[derive(Debug, Default)]
struct Taken {
    /// No transaction can still commit an event up to this id.
    floor: i64,
    /// The highest id at the last fetch.
    highest: i64,
    /// The processed ids above the floor.
    ids: HashSet<i64>,
    settling: Option<Settling>,
}

/// An id that becomes the floor once the transactions in progress have ended.
#[derive(Debug, Clone, Copy)]
struct Settling {
    id: i64,
    /// Every transaction that could commit an event up to the id is older than this one.
    barrier: i64,
}

impl Taken {
    /// Marks an event as processed, and returns whether it was new.
    fn take(&mut self, id: i64) -> bool {
        self.highest = self.highest.max(id);
        id > self.floor && self.ids.insert(id)
    }

    /// Returns whether there can be no new events while this is the highest id.
    fn is_settled(&self, highest: i64) -> bool {
        highest <= self.highest && self.floor == self.highest
    }

    /// Records that everything above the floor has been processed since `oldest` was the oldest transaction in progress.
    fn settle(&mut self, oldest: i64) {
        if let Some(settled) = self.settling.take_if(|settling| settling.barrier <= oldest) {
            self.raise_floor(settled.id);
        }
        self.keep_up();
    }

    /// Raises the floor if it is too far below the highest id.
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

/// Fetches new events periodically. While the database is unavailable or hangs, the known ones stay.
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

/// Returns the tenants of the events' projects.
async fn tenants_of(connection: &mut AsyncPgConnection, events: &[Event]) -> QueryResult<HashMap<i64, Tenant>> {
    let of: HashSet<i64> = events.iter().map(|event| event.project_id).collect();
    projects::tenants_of(connection, &of).await
}

async fn begin(recent: &RecentEvents, services: &Services) -> Result<Taken, ReadError> {
    let mut connection = services.db.conn().await?;
    let since = services.clock.now() - REMEMBERED;
    let highest = store::position(&mut connection).await?.highest;
    let mut taken = Taken { highest, ..Taken::default() };
    taken.keep_up();
    let events = store::latest_events(&mut connection, since, MOST_AT_START).await?;
    let tenants = tenants_of(&mut connection, &events).await?;
    for event in events.into_iter().rev() {
        taken.take(event.id);
        recent.add_of(&tenants, event);
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
        let tenants = tenants_of(&mut connection, &events).await?;
        for event in events {
            if taken.take(event.id) {
                recent.add_of(&tenants, event);
            }
        }
        taken.keep_up();
        match last {
            Some(last) if count == MOST_ROWS => from = last,
            _ => break,
        }
    }
    taken.highest = taken.highest.max(highest);
    // What committed before `oldest` was read has just been fetched.
    taken.settle(oldest);
    if taken.settling.is_none() && before > taken.floor {
        // A statement takes its ids a moment before it counts as a transaction in progress (ours do not, see their SQL): the
        // former highest id has had the time between two fetches.
        taken.settling = Some(Settling { id: before, barrier: store::barrier(&mut connection).await? });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: Tenant = Tenant::Founder(1);

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
        let recent = RecentEvents::with(BUDGET);
        for number in 0..MOST_ITEMS + 5 {
            recent.add(TENANT, event(number as i64, "u", &number.to_string()));
        }
        recent.add(TENANT, event(1_000, "u", "10"));
        let items = recent.of(1, "u").unwrap();
        assert_eq!((items.len(), items[0].as_str(), items[MOST_ITEMS - 1].as_str()), (MOST_ITEMS, "5", "10"));
        assert_eq!(items.iter().filter(|item| *item == "10").count(), 1);
        assert!(recent.of(2, "u").is_none());
    }

    #[test]
    fn many_new_users_of_one_tenant_evict_no_clicks_of_another() {
        let recent = RecentEvents::with(100 * USER_BYTES);
        recent.add(Tenant::Organisation(1), Event { project_id: 2, ..event(1, "mine", "item") });
        for number in 0..1_000 {
            recent.add(TENANT, event(number, &format!("user {number}"), "item"));
        }
        assert!(recent.of(2, "mine").is_some());
        assert!(recent.of(1, "user 0").is_none() && recent.of(1, "user 999").is_some());
    }
}
