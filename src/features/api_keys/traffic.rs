//! What is done with the keys of apps, in the memory of one process: numbers, and the answered lists for those who are told of
//! them. A request adds to atomic numbers and to a bounded queue, and waits for nothing.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use uuid::Uuid;

/// Lists of an app that wait until they are collected; more are counted and dropped.
pub const MOST_WAITING: usize = 500;

/// Bytes of the lists of an app from which on no more wait: they become one message.
const MOST_BYTES: usize = 256 << 10;

/// Bytes of the items of a list: further ones are left out.
const MOST_BYTES_OF_ITEMS: usize = 16 << 10;

/// Bytes of a list besides its items, about.
const BYTES_BESIDE_ITEMS: usize = 500;

/// A list that was answered to an app.
#[derive(Debug, Clone, Serialize)]
pub struct Served {
    pub request_id: Uuid,
    /// The kind of request, such as `predict`.
    pub kind: &'static str,
    pub model: i64,
    pub slot: Option<i64>,
    pub user_id: Option<String>,
    /// How the list came about; absent if there is none.
    pub strategy: Option<&'static str>,
    /// The head of the list, best first.
    pub items: Vec<String>,
    pub at: DateTime<Utc>,
}

impl Served {
    /// Returns the head of a list: so many items, and of long ids fewer.
    pub fn head<'i>(items: impl Iterator<Item = &'i str>, most: usize) -> Vec<String> {
        let mut bytes = 0;
        let fits = |item: &&str| {
            bytes += item.len();
            bytes <= MOST_BYTES_OF_ITEMS
        };
        items.take(most).take_while(fits).map(str::to_owned).collect()
    }

    fn bytes(&self) -> usize {
        BYTES_BESIDE_ITEMS + self.items.iter().map(String::len).sum::<usize>()
    }
}

/// What an app did since its numbers were taken last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    pub app: i64,
    pub requests: i64,
    pub items: i64,
    pub errors: i64,
}

/// What one app does.
#[derive(Debug)]
pub struct AppTraffic {
    app: i64,
    requests: AtomicU64,
    items: AtomicU64,
    errors: AtomicU64,
    /// Whether an endpoint is told of the answers.
    is_told: AtomicBool,
    dropped: AtomicU64,
    /// Further lists that one endpoint was not told of, by its id.
    missed: Mutex<HashMap<i64, u64>>,
    /// Of the lists that wait.
    bytes: AtomicUsize,
    answers: Sender<Served>,
    waiting: Mutex<Receiver<Served>>,
}

impl AppTraffic {
    fn new(app: i64) -> Self {
        let (answers, waiting) = channel(MOST_WAITING);
        Self {
            app,
            requests: AtomicU64::new(0),
            items: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            is_told: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            missed: Mutex::default(),
            bytes: AtomicUsize::new(0),
            answers,
            waiting: Mutex::new(waiting),
        }
    }

    /// Counts a request.
    pub fn count(&self, is_error: bool) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if is_error {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts an answered list of so many items. `list` returns it, and is called only if it can wait for an endpoint that is told of it.
    pub fn serve(&self, n_items: usize, list: impl FnOnce() -> Served) {
        self.items.fetch_add(n_items as u64, Ordering::Relaxed);
        if !self.is_told.load(Ordering::Relaxed) {
            return;
        }
        match self.answers.try_reserve() {
            Ok(place) if self.bytes.load(Ordering::Relaxed) < MOST_BYTES => {
                let list = list();
                self.bytes.fetch_add(list.bytes(), Ordering::Relaxed);
                place.send(list);
            }
            _ => _ = self.dropped.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Takes the numbers; `None` if there was no request.
    fn take_used(&self) -> Option<Used> {
        let take = |number: &AtomicU64| i64::try_from(number.swap(0, Ordering::Relaxed)).unwrap_or(i64::MAX);
        let used = Used { app: self.app, requests: take(&self.requests), items: take(&self.items), errors: take(&self.errors) };
        (used.requests > 0 || used.items > 0).then_some(used)
    }

    /// Takes the lists that wait, and the number of those that were dropped.
    fn take_answers(&self) -> (Vec<Served>, u64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let answers: Vec<Served> = std::iter::from_fn(|| waiting.try_recv().ok()).take(MOST_WAITING).collect();
        // Some may have come meanwhile.
        self.bytes.fetch_sub(answers.iter().map(Served::bytes).sum(), Ordering::Relaxed);
        (answers, self.dropped.swap(0, Ordering::Relaxed))
    }
}

/// What the apps do whose keys are in memory. Cheap to clone; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Traffic(Arc<Mutex<Apps>>);

#[derive(Debug, Default)]
struct Apps {
    by_id: HashMap<i64, Arc<AppTraffic>>,
    /// Apps whose answers an endpoint is told of.
    told: HashSet<i64>,
}

impl Traffic {
    /// Returns where the requests of an app are counted.
    pub fn of(&self, app: i64) -> Arc<AppTraffic> {
        let mut apps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_told = apps.told.contains(&app);
        let traffic = apps.by_id.entry(app).or_insert_with(|| Arc::new(AppTraffic::new(app)));
        traffic.is_told.store(is_told, Ordering::Relaxed);
        Arc::clone(traffic)
    }

    /// Sets the apps whose answers an endpoint is told of.
    pub fn set_told(&self, told: HashSet<i64>) {
        let mut apps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (app, traffic) in &apps.by_id {
            traffic.is_told.store(told.contains(app), Ordering::Relaxed);
        }
        apps.told = told;
    }

    /// Takes the numbers of all apps that had any.
    pub fn take_used(&self) -> Vec<Used> {
        self.all().iter().filter_map(|traffic| traffic.take_used()).collect()
    }

    /// Adds numbers again that could not be stored.
    pub fn give_back(&self, used: &[Used]) {
        for used in used {
            let traffic = self.of(used.app);
            let add = |number: &AtomicU64, amount: i64| number.fetch_add(amount.unsigned_abs(), Ordering::Relaxed);
            add(&traffic.requests, used.requests);
            add(&traffic.items, used.items);
            add(&traffic.errors, used.errors);
        }
    }

    /// Counts lists of an app that no one is told of.
    pub fn note_dropped(&self, app: i64, lists: u64) {
        self.of(app).dropped.fetch_add(lists, Ordering::Relaxed);
    }

    /// Counts lists of an app that an endpoint is not told of, besides those that no one is told of.
    pub fn note_missed(&self, app: i64, endpoint: i64, lists: u64) {
        let traffic = self.of(app);
        *traffic.missed.lock().unwrap_or_else(PoisonError::into_inner).entry(endpoint).or_default() += lists;
    }

    /// Takes the numbers of lists of an app that one endpoint was not told of, by its id.
    pub fn take_missed(&self, app: i64) -> HashMap<i64, u64> {
        std::mem::take(&mut *self.of(app).missed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the lists of all apps that had any, with the number of those that were dropped.
    pub fn take_answers(&self) -> Vec<(i64, Vec<Served>, u64)> {
        let taken = self.all().into_iter().map(|traffic| {
            let (answers, dropped) = traffic.take_answers();
            (traffic.app, answers, dropped)
        });
        taken.filter(|(_, answers, dropped)| !answers.is_empty() || *dropped > 0).collect()
    }

    fn all(&self) -> Vec<Arc<AppTraffic>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_id.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served() -> Served {
        Served {
            request_id: Uuid::nil(),
            kind: "predict",
            model: 1,
            slot: None,
            user_id: None,
            strategy: None,
            items: vec!["a".to_owned()],
            at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn numbers_are_taken_once_and_can_be_given_back() {
        let traffic = Traffic::default();
        let app = traffic.of(7);
        app.count(false);
        app.count(true);
        app.serve(3, || unreachable!("nobody is told"));
        let used = traffic.take_used();
        assert_eq!(used, [Used { app: 7, requests: 2, items: 3, errors: 1 }]);
        assert!(traffic.take_used().is_empty());
        traffic.give_back(&used);
        assert_eq!(traffic.take_used(), used);
    }

    #[test]
    fn lists_wait_up_to_a_limit_and_the_others_are_counted() {
        let traffic = Traffic::default();
        traffic.set_told(HashSet::from([7]));
        let app = traffic.of(7);
        for _ in 0..MOST_WAITING {
            app.serve(1, served);
        }
        let taken = traffic.take_answers();
        assert_eq!((taken.len(), taken[0].1.len(), taken[0].2), (1, MOST_WAITING, 0));
        for _ in 0..=MOST_WAITING {
            app.serve(1, served);
        }
        let taken = traffic.take_answers();
        assert_eq!((taken[0].1.len(), taken[0].2), (MOST_WAITING, 1));
        let long = "i".repeat(MOST_BYTES_OF_ITEMS);
        for _ in 0..100 {
            app.serve(1, || Served { items: Served::head([long.as_str(), "b"].into_iter(), 100), ..served() });
        }
        let taken = traffic.take_answers();
        assert_eq!((taken[0].1.len(), taken[0].2), (16, 84), "a message has a limit of bytes, too");
        assert_eq!(taken[0].1[0].items.len(), 1);
        traffic.set_told(HashSet::new());
        app.serve(1, || unreachable!("nobody is told any more"));
        assert!(traffic.take_answers().is_empty());
    }
}
