//! Places for work in progress: a limited number, of which one party may get half, so that others always find a place. Parties
//! take turns for those that become free, however many callers of each are waiting.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Parties that are remembered before those without work are dropped.
const REMEMBERED: usize = 10_000;

/// Places that preferred callers get in a row while others wait: they wait less, and no caller waits for ever.
const IN_A_ROW: u32 = 3;

/// The places, shared by all parties.
#[derive(Debug)]
pub struct Places {
    shared: Arc<Shared>,
    names: RandomState,
}

#[derive(Debug)]
struct Shared {
    /// Places that one party may have.
    of_one: usize,
    /// Callers that may wait.
    line: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    parties: HashMap<Claimant, Party>,
    waiting: BTreeMap<Rank, Waiter>,
    /// The round in which a place was last given to a preferred caller, and to another.
    rounds: [u64; 2],
    /// Places that preferred callers have been given since another caller was.
    in_a_row: u32,
    /// Callers that have waited.
    arrived: u64,
}

/// The party for which a caller needs a place. Preferred callers get most of the places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Claimant {
    is_preferred: bool,
    party: Option<i64>,
}

#[derive(Debug, Default)]
struct Party {
    in_use: usize,
    waiting: u64,
    /// The round after the one of its last turn.
    round: u64,
}

/// The order in which waiting callers get places: each party has one turn in each round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    is_ordinary: bool,
    round: u64,
    number: u64,
}

/// The rank before those of all callers that are not preferred.
const ORDINARY: Rank = Rank { is_ordinary: true, round: 0, number: 0 };

#[derive(Debug)]
struct Waiter {
    claimant: Claimant,
    place: oneshot::Sender<Place>,
}

/// A place in use; returned on drop.
#[derive(Debug)]
pub struct Place(Option<Taken>);

#[derive(Debug)]
struct Taken {
    shared: Arc<Shared>,
    claimant: Claimant,
}

impl Places {
    /// Creates this many places, but at least one.
    pub fn new(places: usize) -> Self {
        Self::with_shares(places, (places / 2).max(1), usize::MAX)
    }

    /// Creates this many places, but at least one, of which one party may have all, and for which at most `line` callers wait.
    pub fn with_line(places: usize, line: usize) -> Self {
        Self::with_shares(places, places.max(1), line)
    }

    fn with_shares(places: usize, of_one: usize, line: usize) -> Self {
        let (parties, waiting) = (HashMap::new(), BTreeMap::new());
        let state = Mutex::new(State { free: places.max(1), parties, waiting, rounds: [1; 2], in_a_row: 0, arrived: 0 });
        Self { shared: Arc::new(Shared { of_one, line, state }), names: RandomState::new() }
    }

    /// Returns the party of a name, such as a client's network.
    pub fn party_of(&self, name: &str) -> i64 {
        i64::from_ne_bytes(self.names.hash_one(name).to_ne_bytes())
    }

    /// Waits for a place, and for one within the share of the party, if there is one.
    pub async fn turn(&self, party: Option<i64>) -> Place {
        // A line without a limit refuses no caller.
        self.turn_in_line(party, false).await.unwrap_or(Place(None))
    }

    /// Waits for a place. Preferred callers go before the others, but for one of four places. Returns `None` if the line is full: then
    /// the caller whose turn would come last is refused, of the preferred ones or of the others, whichever take more than half of it.
    pub async fn turn_in_line(&self, party: Option<i64>, is_preferred: bool) -> Option<Place> {
        let claimant = Claimant { is_preferred, party };
        let (rank, place) = match self.shared.enter(claimant) {
            Entry::Place(place) => return Some(place),
            Entry::Refused => return None,
            Entry::Line(rank, place) => (rank, place),
        };
        let _leaves = Leaving { shared: &self.shared, rank };
        place.await.ok()
    }
}

/// What a caller gets at once.
enum Entry {
    Place(Place),
    Line(Rank, oneshot::Receiver<Place>),
    Refused,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether a party may have another place. Callers without a party share no limit.
    fn has_share(&self, state: &State, claimant: Claimant) -> bool {
        claimant.party.is_none() || state.parties.get(&claimant).is_none_or(|party| party.in_use < self.of_one)
    }

    fn enter(self: &Arc<Self>, claimant: Claimant) -> Entry {
        let mut state = self.state();
        // Whenever a place becomes free, it goes to the first caller with a share, so none of those waits now.
        if state.free > 0 && self.has_share(&state, claimant) {
            return Entry::Place(self.give(&mut state, claimant));
        }
        let rank = state.next_rank(claimant);
        if state.waiting.len() >= self.line {
            let Some(last) = state.last_of_most(self.line).filter(|last| rank.is_ordinary != last.is_ordinary || rank < *last)
            else {
                return Entry::Refused;
            };
            // The sender is dropped, which tells the caller.
            state.leave(last);
        }
        state.arrived += 1;
        state.party(claimant).waiting += 1;
        let (place, given) = oneshot::channel();
        state.waiting.insert(rank, Waiter { claimant, place });
        Entry::Line(rank, given)
    }

    fn give(self: &Arc<Self>, state: &mut State, claimant: Claimant) -> Place {
        state.free -= 1;
        state.party(claimant).in_use += 1;
        Place(Some(Taken { shared: Arc::clone(self), claimant }))
    }

    /// Takes a place back and gives it to the next caller.
    fn take_back(self: &Arc<Self>, claimant: Claimant) {
        let mut state = self.state();
        state.free += 1;
        let party = state.party(claimant);
        party.in_use = party.in_use.saturating_sub(1);
        let first_from = |from: Rank| {
            let mut with_share = state.waiting.range(from..).filter(|(_, waiter)| self.has_share(&state, waiter.claimant));
            with_share.next().map(|(rank, _)| *rank)
        };
        let is_turn_of_others = state.in_a_row >= IN_A_ROW;
        let next =
            first_from(ORDINARY).filter(|_| is_turn_of_others).or_else(|| first_from(Rank { is_ordinary: false, ..ORDINARY }));
        let Some((rank, waiter)) = next.and_then(|rank| Some((rank, state.leave(rank)?))) else { return };
        state.party(waiter.claimant).round = rank.round + 1;
        let round = state.round_of(waiter.claimant);
        *round = rank.round.max(*round);
        state.in_a_row = if rank.is_ordinary { 0 } else { state.in_a_row.saturating_add(1) };
        let place = self.give(&mut state, waiter.claimant);
        drop(state);
        // If the caller has left, the place is dropped here, which gives it to the next.
        let _ = waiter.place.send(place);
    }
}

impl State {
    fn round_of(&mut self, claimant: Claimant) -> &mut u64 {
        &mut self.rounds[usize::from(!claimant.is_preferred)]
    }

    /// Returns the rank of another waiting caller of a party. A party that had no turn in the last round is ahead of those that had.
    fn next_rank(&mut self, claimant: Claimant) -> Rank {
        let earliest = *self.round_of(claimant) - 1;
        let round = self.parties.get(&claimant).map_or(earliest, |party| party.round.max(earliest) + party.waiting);
        Rank { is_ordinary: !claimant.is_preferred, round, number: self.arrived }
    }

    /// Returns the last caller of the preferred ones or of the others, whichever take more than half of a line.
    fn last_of_most(&self, line: usize) -> Option<Rank> {
        let mut preferred = self.waiting.range(..ORDINARY);
        let last = if preferred.clone().count() > line / 2 { preferred.next_back() } else { self.waiting.last_key_value() };
        last.map(|(rank, _)| *rank)
    }

    /// Removes a caller from the line.
    fn leave(&mut self, rank: Rank) -> Option<Waiter> {
        let waiter = self.waiting.remove(&rank)?;
        let party = self.party(waiter.claimant);
        party.waiting = party.waiting.saturating_sub(1);
        Some(waiter)
    }

    fn party(&mut self, claimant: Claimant) -> &mut Party {
        if self.parties.len() >= REMEMBERED && !self.parties.contains_key(&claimant) {
            self.parties.retain(|_, party| party.in_use > 0 || party.waiting > 0);
        }
        self.parties.entry(claimant).or_default()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(Taken { shared, claimant }) = self.0.take() {
            shared.take_back(claimant);
        }
    }
}

/// A caller in the line, who leaves it on drop.
struct Leaving<'p> {
    shared: &'p Arc<Shared>,
    rank: Rank,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.shared.state().leave(self.rank);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::{Pin, pin};
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

    /// Callers in the line, polled in the order of their arrival.
    type Line<'p> = Vec<(i64, Pin<Box<dyn Future<Output = Option<Place>> + 'p>>)>;

    fn join<'p>(line: &mut Line<'p>, places: &'p Places, party: i64, is_preferred: bool) {
        let mut turn: Pin<Box<dyn Future<Output = Option<Place>> + 'p>> =
            Box::pin(places.turn_in_line(Some(party), is_preferred));
        assert!(now(turn.as_mut()).is_none(), "it waits");
        line.push((party, turn));
    }

    /// Gives the place to one caller after another, and returns the parties in the order of their turns; a refused caller of
    /// a party is its negative number.
    fn turns(first: Place, mut line: Line) -> Vec<i64> {
        let (mut turns, mut place) = (Vec::new(), Some(first));
        while !line.is_empty() {
            drop(place.take());
            let found = line.iter_mut().enumerate().find_map(|(at, (_, turn))| Some((at, now(turn.as_mut())?)));
            let (at, turn) = found.expect("a caller has a turn");
            let (party, _) = line.remove(at);
            turns.push(if turn.is_some() { party } else { -party });
            // A refused caller returns no place.
            place = turn;
        }
        turns
    }

    #[test]
    fn parties_take_turns_however_many_of_their_callers_wait() {
        let places = Places::with_line(1, 100);
        let first = now(places.turn(None)).expect("a place");
        let mut line = Line::new();
        for party in [1, 1, 1, 2, 2, 3] {
            join(&mut line, &places, party, false);
        }
        assert_eq!(turns(first, line), [1, 2, 3, 1, 2, 1]);
        // Parties without a turn in the last round are ahead of those that had one.
        let first = now(places.turn(None)).expect("a place");
        let mut line = Line::new();
        for party in [1, 2, 3, 4] {
            join(&mut line, &places, party, false);
        }
        assert_eq!(turns(first, line), [3, 4, 2, 1]);
    }

    #[test]
    fn preferred_callers_come_first_and_a_full_line_refuses_the_last() {
        let places = Places::with_line(1, 3);
        let first = now(places.turn(None)).expect("a place");
        let mut line = Line::new();
        for party in [1, 1, 1] {
            join(&mut line, &places, party, false);
        }
        assert!(matches!(now(places.turn_in_line(Some(1), false)), Some(None)), "it would come last");
        join(&mut line, &places, 2, false);
        join(&mut line, &places, 3, true);
        let (third, second) = (line.remove(2).1, line.remove(1).1);
        assert!(matches!((now(third), now(second)), (Some(None), Some(None))), "others have taken their places in the line");
        assert!(matches!(now(places.turn_in_line(Some(1), false)), Some(None)));
        assert_eq!(turns(first, line), [3, 1, 2]);
    }

    #[test]
    fn preferred_callers_leave_others_a_part_of_the_line_and_of_the_places() {
        let places = Places::with_line(1, 8);
        let first = now(places.turn(None)).expect("a place");
        let mut line = Line::new();
        for party in 1..=8 {
            join(&mut line, &places, party, true);
        }
        assert!(matches!(now(places.turn_in_line(Some(9), true)), Some(None)), "it would come last of the preferred ones");
        for party in 11..=14 {
            join(&mut line, &places, party, false);
        }
        assert!(matches!(now(places.turn_in_line(Some(15), false)), Some(None)), "the others have their half");
        // Those refused are ready at once.
        let refused = line.extract_if(4..8, |_| true).map(|(_, turn)| now(turn)).collect::<Vec<_>>();
        assert!(refused.iter().all(|turn| matches!(turn, Some(None))), "{refused:?}");
        assert_eq!(turns(first, line), [1, 2, 3, 11, 4, 12, 13, 14]);
    }

    #[test]
    fn a_caller_that_leaves_takes_no_turn() {
        let places = Places::with_line(1, 2);
        let first = now(places.turn(None)).expect("a place");
        let mut line = Line::new();
        join(&mut line, &places, 1, false);
        join(&mut line, &places, 1, false);
        line.clear();
        join(&mut line, &places, 2, false);
        join(&mut line, &places, 1, false);
        // The place was given to it, and it leaves before it notices.
        drop(first);
        drop(line.remove(0));
        assert!(now(line.remove(0).1).flatten().is_some());
        assert!(now(places.turn(Some(2))).is_some(), "every place was returned");
    }
}
