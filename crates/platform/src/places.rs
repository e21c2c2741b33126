//! Places for work in progress: a limited number, of which one party gets half, so that others always find a place.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Parties that are remembered before those without work are dropped.
const REMEMBERED: usize = 1_000;

/// The places, shared by all parties.
#[derive(Debug)]
pub struct Places {
    all: Arc<Semaphore>,
    of_one: usize,
    parties: Mutex<HashMap<i64, Weak<Semaphore>>>,
}

/// A place in use; returned on drop.
#[derive(Debug)]
pub struct Place {
    _of_party: Option<OwnedSemaphorePermit>,
    _of_all: Option<OwnedSemaphorePermit>,
}

impl Places {
    /// Creates this many places, but at least one.
    pub fn new(places: usize) -> Self {
        let places = places.max(1);
        Self { all: Arc::new(Semaphore::new(places)), of_one: (places / 2).max(1), parties: Mutex::default() }
    }

    /// Waits for a place, and for one within the share of the party, if there is one.
    pub async fn turn(&self, party: Option<i64>) -> Place {
        let of_party = match party {
            // The semaphores are never closed.
            Some(party) => self.places_of(party).acquire_owned().await.ok(),
            None => None,
        };
        Place { _of_party: of_party, _of_all: Arc::clone(&self.all).acquire_owned().await.ok() }
    }

    fn places_of(&self, party: i64) -> Arc<Semaphore> {
        let mut parties = self.parties.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = parties.get(&party).and_then(Weak::upgrade) {
            return places;
        }
        if parties.len() >= REMEMBERED {
            parties.retain(|_, places| places.strong_count() > 0);
        }
        let places = Arc::new(Semaphore::new(self.of_one));
        parties.insert(party, Arc::downgrade(&places));
        places
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn now<T>(turn: impl Future<Output = T>) -> Option<T> {
        match pin!(turn).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(place) => Some(place),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_party_takes_half_of_the_places_and_gives_them_back() {
        let places = Places::new(4);
        let first = now(places.turn(Some(1))).expect("a place");
        let _second = now(places.turn(Some(1))).expect("a place");
        assert!(now(places.turn(Some(1))).is_none());
        let _others = [now(places.turn(Some(2))).expect("a place"), now(places.turn(None)).expect("a place")];
        assert!(now(places.turn(Some(3))).is_none() && now(places.turn(None)).is_none(), "all are taken");
        drop(first);
        assert!(now(places.turn(Some(1))).is_some());
        assert!(now(Places::new(0).turn(Some(1))).is_some());
    }
}
