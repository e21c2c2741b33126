//! What users have done lately, in memory, so that a click changes the next list without training and without a query.
//!
//! New events are fetched twice a second by id. An id is given out before its transaction ends, so a few of the ids before
//! the highest one are fetched again each time; knowing which were taken keeps them from counting twice.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use diesel::QueryResult;
use moka::sync::Cache;
use tokio_util::sync::CancellationToken;

use super::store::{self, Event};
use crate::platform::db::QueryError;
use crate::platform::services::Services;

const PAUSE: Duration = Duration::from_millis(500);
/// Events older than this are left to training.
const REMEMBERED: TimeDelta = TimeDelta::days(30);
/// Ids before the highest one that may still be on their way.
const OVERLAP: i64 = 2_000;
/// After so many looks at the same highest id, no transaction of before is on its way any more.
const QUIET: u32 = 20;
/// Events fetched at once.
const MOST_ROWS: i64 = 20_000;
/// Events that are read at the start.
const MOST_AT_START: i64 = 500_000;
/// Items remembered of a user, the last ones.
const MOST_ITEMS: usize = 200;
/// Bytes of ids that are kept.
const BUDGET: u64 = 128 << 20;

type User = (i64, String);

/// The memory of one process. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct RecentEvents {
    users: Cache<User, Arc<Vec<String>>>,
    /// Most installs record no events, and then nobody has to look.
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
        tokio::spawn(follow(recent.clone(), services.clone(), stop));
        recent
    }

    fn with(users: Cache<User, Arc<Vec<String>>>) -> Self {
        Self { users, any: Arc::default() }
    }

    /// The items a user has lately clicked or bought, oldest first.
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
#[derive(Default)]
struct Taken {
    highest: i64,
    /// Those within the overlap below the highest.
    ids: HashSet<i64>,
    /// How often in a row the highest id has been the same.
    quiet: u32,
}

impl Taken {
    /// Whether the event is new; from now on it is not.
    fn take(&mut self, id: i64) -> bool {
        self.highest = self.highest.max(id);
        self.ids.insert(id)
    }

    fn forget_old(&mut self) {
        let from = self.from();
        self.ids.retain(|id| *id > from);
    }

    /// Ids above this one may be new.
    fn from(&self) -> i64 {
        self.highest - OVERLAP
    }
}

async fn follow(recent: RecentEvents, services: Services, stop: CancellationToken) {
    let mut taken: Option<Taken> = None;
    loop {
        let step = async {
            match &mut taken {
                None => taken = begin(&recent, &services).await.ok(),
                // While the database is away, what is known stays known.
                Some(taken) => drop(fetch(&recent, &services, taken).await),
            }
            tokio::time::sleep(PAUSE).await;
        };
        if stop.run_until_cancelled(step).await.is_none() {
            return;
        }
    }
}

async fn begin(recent: &RecentEvents, services: &Services) -> QueryResult<Taken> {
    let mut connection = services.db.conn().await.map_err(away)?;
    let since = services.clock.now() - REMEMBERED;
    let mut taken = Taken { highest: store::highest_event(&mut connection).await?, ..Taken::default() };
    for event in store::latest_events(&mut connection, since, MOST_AT_START).await?.into_iter().rev() {
        if taken.take(event.id) {
            recent.add(event);
        }
    }
    taken.forget_old();
    Ok(taken)
}

async fn fetch(recent: &RecentEvents, services: &Services, taken: &mut Taken) -> QueryResult<()> {
    let mut connection = services.db.conn().await.map_err(away)?;
    let highest = store::highest_event(&mut connection).await?;
    taken.quiet = if highest == taken.highest { taken.quiet.saturating_add(1) } else { 0 };
    if taken.quiet > QUIET {
        return Ok(());
    }
    let mut from = taken.from();
    loop {
        let events = store::events_after(&mut connection, from, MOST_ROWS).await?;
        let (count, last) = (events.len() as i64, events.last().map(|event| event.id));
        for event in events {
            if taken.take(event.id) {
                recent.add(event);
            }
        }
        taken.forget_old();
        match last {
            Some(last) if count == MOST_ROWS => from = last,
            _ => break,
        }
    }
    taken.highest = taken.highest.max(highest);
    Ok(())
}

fn away(error: crate::platform::db::DbError) -> QueryError {
    QueryError::QueryBuilderError(error.to_string().into())
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
        assert!([5, 7, 8].into_iter().all(|id| taken.take(id)));
        taken.forget_old();
        assert!(taken.take(6), "its transaction ended after that of 8");
        assert!(!taken.take(7));
        assert!(taken.take(8 + OVERLAP));
        taken.forget_old();
        assert_eq!(taken.ids.len(), 1);
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
