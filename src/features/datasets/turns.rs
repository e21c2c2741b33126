//! Turns for work that needs memory or the disk exclusively: a limited number runs at the same time, and tenants take turns, so
//! that many slow uploads of one tenant delay those of another by at most one.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The places and their queues. Clones are cheap and share them.
#[derive(Debug, Clone)]
pub struct Turns(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    places: usize,
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    taken: usize,
    taken_by: HashMap<String, usize>,
    /// One queue for each tenant with waiting work; the next tenant comes first.
    waiting: VecDeque<(String, VecDeque<oneshot::Sender<Turn>>)>,
}

/// A place, returned when it is dropped.
#[derive(Debug)]
pub struct Turn {
    turns: Turns,
    tenant: String,
}

impl Turns {
    /// Creates this many places. One tenant gets at most half of them.
    pub fn new(places: usize) -> Self {
        Self(Arc::new(Shared { places, lines: Mutex::default() }))
    }

    /// Waits for a place.
    pub async fn take(&self, tenant: &str) -> Result<Turn, oneshot::error::RecvError> {
        let (sender, receiver) = oneshot::channel();
        self.lines().join(tenant, sender);
        self.fill_places();
        receiver.await
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the free places to the next callers. A caller that no longer waits returns its place at once.
    fn fill_places(&self) {
        loop {
            let next = self.lines().next(self.0.places);
            let Some((tenant, sender)) = next else { return };
            // A turn whose caller has gone is dropped here, while the queues are not locked.
            drop(sender.send(Turn { turns: self.clone(), tenant }));
        }
    }
}

impl Lines {
    fn join(&mut self, tenant: &str, sender: oneshot::Sender<Turn>) {
        match self.waiting.iter_mut().find(|(of, _)| of == tenant) {
            Some((_, line)) => line.push_back(sender),
            None => self.waiting.push_back((tenant.to_owned(), VecDeque::from([sender]))),
        }
    }

    /// Takes a place for the first tenant that may have one, and moves that tenant to the end.
    fn next(&mut self, places: usize) -> Option<(String, oneshot::Sender<Turn>)> {
        if self.taken >= places {
            return None;
        }
        let most = (places / 2).max(1);
        let may = |tenant: &str| self.taken_by.get(tenant).copied().unwrap_or_default() < most;
        let at = self.waiting.iter().position(|(tenant, _)| may(tenant))?;
        let (tenant, mut line) = self.waiting.remove(at)?;
        let sender = line.pop_front()?;
        if !line.is_empty() {
            self.waiting.push_back((tenant.clone(), line));
        }
        self.taken += 1;
        *self.taken_by.entry(tenant.clone()).or_default() += 1;
        Some((tenant, sender))
    }

    fn give_back(&mut self, tenant: &str) {
        self.taken = self.taken.saturating_sub(1);
        match self.taken_by.get_mut(tenant) {
            Some(taken) if *taken > 1 => *taken -= 1,
            _ => drop(self.taken_by.remove(tenant)),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.lines().give_back(&self.tenant);
        self.turns.fill_places();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits in a background task; only the order of the turns matters.
    fn join(turns: &Turns, tenant: &'static str) -> tokio::task::JoinHandle<Turn> {
        let turns = turns.clone();
        tokio::spawn(async move { turns.take(tenant).await.unwrap() })
    }

    /// Lets every task on the test's only thread run as far as it can.
    async fn settle() {
        for _ in 0..16 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn six_of_one_tenant_do_not_delay_one_of_another() {
        let turns = Turns::new(2);
        let mut slow = Vec::new();
        for _ in 0..6 {
            slow.push(join(&turns, "slow"));
            settle().await;
        }
        assert_eq!(slow.iter().filter(|waiting| waiting.is_finished()).count(), 1, "one tenant has half of the places");
        let quick = join(&turns, "quick");
        settle().await;
        assert!(quick.is_finished());
    }

    #[tokio::test]
    async fn tenants_take_turns_and_each_keeps_its_order() {
        let turns = Turns::new(1);
        let first = turns.take("a").await.unwrap();
        let waiting = [("a", 1), ("a", 2), ("b", 3), ("b", 4), ("c", 5)];
        let (order, mut came) = tokio::sync::mpsc::unbounded_channel();
        for (tenant, number) in waiting {
            let (turns, order) = (turns.clone(), order.clone());
            tokio::spawn(async move {
                let turn = turns.take(tenant).await.unwrap();
                order.send(number).unwrap();
                drop(turn);
            });
            settle().await;
        }
        drop((first, order));
        let mut numbers = Vec::new();
        while let Some(number) = came.recv().await {
            numbers.push(number);
        }
        assert_eq!(numbers, [1, 3, 5, 2, 4]);
    }

    #[tokio::test]
    async fn a_caller_that_went_away_holds_no_place() {
        let turns = Turns::new(1);
        let first = turns.take("a").await.unwrap();
        let gone = join(&turns, "a");
        settle().await;
        gone.abort();
        settle().await;
        drop(first);
        drop(turns.take("b").await.unwrap());
        let lines = turns.lines();
        assert!(lines.taken == 0 && lines.taken_by.is_empty() && lines.waiting.is_empty());
    }
}
