//! Whose endpoints get the places of a process: organisations in turns, and no place that the others may need.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};

use super::super::store::lanes::DueEndpoint;
use super::lane::Signals;

/// Endpoints that a process delivers to at the same time, and how many of them may be failing.
const MOST_LANES: usize = 512;
const MOST_FAILING: usize = MOST_LANES / 2;

/// How long an endpoint keeps its place if others wait for one. It gets another one in its turn.
const SLICE: TimeDelta = TimeDelta::seconds(10);

/// An endpoint that a process delivers to.
#[derive(Debug, Clone)]
pub struct Held {
    pub organisation: i64,
    /// Whether its last delivery had failed when it got its place.
    pub is_failing: bool,
    pub since: DateTime<Utc>,
    pub signals: Signals,
}

/// Endpoints that get a place.
#[derive(Debug, PartialEq, Eq)]
pub struct Chosen {
    pub endpoints: Vec<DueEndpoint>,
    /// If others wait for one: the fewest places that an organisation of these has.
    pub fewest: Option<usize>,
}

/// Returns how many places are free for endpoints that fail, or for others.
pub fn room<'a>(held: impl Iterator<Item = &'a Held>, is_failing: bool) -> usize {
    let (all, failing) = held.fold((0, 0), |(all, failing), one| (all + 1, failing + usize::from(one.is_failing)));
    let room = MOST_LANES.saturating_sub(all);
    if is_failing { room.min(MOST_FAILING.saturating_sub(failing)) } else { room }
}

/// Chooses endpoints that get a place: always one of the organisation with the fewest, while these are fewer than the places that
/// stay free for others. Of one organisation the first ones are chosen. Failing endpoints count apart, so that they take nothing
/// from the others of their organisation.
pub fn chosen<'a>(due: Vec<DueEndpoint>, held: impl Iterator<Item = &'a Held> + Clone, is_failing: bool) -> Chosen {
    let mut room = room(held.clone(), is_failing);
    let mut waiting: HashMap<i64, VecDeque<DueEndpoint>> = HashMap::new();
    for one in due {
        waiting.entry(one.organisation).or_default().push_back(one);
    }
    let mut places: Vec<(usize, i64)> = waiting.keys().map(|organisation| (0, *organisation)).collect();
    let counts = counts(held.filter(|one| one.is_failing == is_failing));
    places.iter_mut().for_each(|(count, organisation)| *count = counts.get(organisation).copied().unwrap_or(0));
    let mut endpoints = Vec::new();
    while let Some((count, organisation)) = places.iter_mut().min() {
        // If the one with the fewest may not have another, none may.
        if *count >= room {
            break;
        }
        match waiting.get_mut(organisation).and_then(VecDeque::pop_front) {
            Some(one) => {
                endpoints.push(one);
                (*count, room) = (*count + 1, room - 1);
            }
            None => {
                let done = *organisation;
                places.retain(|(_, organisation)| *organisation != done);
            }
        }
    }
    let waits = |organisation: &i64| waiting.get(organisation).is_some_and(|endpoints| !endpoints.is_empty());
    let fewest = places.iter().filter(|(_, organisation)| waits(organisation)).map(|(count, _)| *count).min();
    Chosen { endpoints, fewest }
}

/// Returns the endpoints that have had their places for long and give them up, as one waits whose organisation has `fewest` places
/// and thus no more than theirs.
pub fn outstayed<'a>(
    held: impl Iterator<Item = &'a Held> + Clone,
    is_failing: bool,
    fewest: usize,
    now: DateTime<Utc>,
) -> impl Iterator<Item = &'a Held> {
    let held = held.filter(move |one| one.is_failing == is_failing);
    let counts = counts(held.clone());
    let has_as_many = move |one: &&Held| counts.get(&one.organisation).is_some_and(|count| *count >= fewest);
    held.filter(move |one| now - one.since >= SLICE).filter(has_as_many)
}

fn counts<'a>(held: impl Iterator<Item = &'a Held>) -> HashMap<i64, usize> {
    let mut counts = HashMap::new();
    held.for_each(|one| *counts.entry(one.organisation).or_default() += 1);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(organisation: i64, count: i64) -> impl Iterator<Item = DueEndpoint> {
        (0..count).map(move |id| DueEndpoint { id: organisation * 10_000 + id, organisation })
    }

    fn held(organisation: i64, is_failing: bool, count: usize) -> Vec<Held> {
        let signals = Signals::default();
        vec![Held { organisation, is_failing, since: DateTime::UNIX_EPOCH, signals }; count]
    }

    fn counts(chosen: &Chosen) -> Vec<usize> {
        let of = |organisation: i64| chosen.endpoints.iter().filter(|one| one.organisation == organisation).count();
        (1..=3).map(of).collect()
    }

    #[test]
    fn one_organisation_leaves_half_of_the_places_and_later_ones_get_theirs() {
        let first = chosen(due(1, 1_000).collect(), [].iter(), false);
        assert_eq!((counts(&first), first.fewest), (vec![256, 0, 0], Some(256)));
        assert_eq!(first.endpoints[0].id, 10_000, "those left alone longest come first");
        let held = held(1, false, 256);
        let next = chosen(due(1, 744).chain(due(2, 1_000)).chain(due(3, 2)).collect(), held.iter(), false);
        assert_eq!((counts(&next), next.fewest), (vec![0, 127, 2], Some(127)));
    }

    #[test]
    fn organisations_share_places_alike_and_failing_endpoints_have_half() {
        let all = || due(1, 1_000).chain(due(2, 1_000)).chain(due(3, 5)).collect::<Vec<_>>();
        assert_eq!(counts(&chosen(all(), [].iter(), false)), [169, 169, 5]);
        assert_eq!(counts(&chosen(all(), [].iter(), true)), [84, 84, 5]);
        let failing = held(1, true, 128);
        assert_eq!(counts(&chosen(due(1, 1_000).collect(), failing.iter(), true)), [0, 0, 0]);
        assert_eq!(counts(&chosen(due(1, 1_000).collect(), failing.iter(), false)), [192, 0, 0], "its good ones are sent to");
        assert_eq!(room([].iter(), true), 256);
        let full = held(9, false, 512);
        assert_eq!((room(full.iter(), true), room(full.iter(), false)), (0, 0));
        assert_eq!(chosen(all(), full.iter(), false), Chosen { endpoints: Vec::new(), fewest: Some(0) });
    }

    #[test]
    fn places_are_given_up_only_if_an_endpoint_waits_whose_organisation_has_no_more() {
        let few = chosen(due(1, 200).chain(due(2, 3)).collect(), [].iter(), false);
        assert_eq!((few.endpoints.len(), few.fewest), (203, None), "each has its place");
        let held = [held(1, false, 256), held(2, false, 3), held(2, true, 300)].concat();
        let given_up = |fewest: usize, seconds: i64| {
            let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
            let organisations: Vec<i64> = outstayed(held.iter(), false, fewest, now).map(|one| one.organisation).collect();
            (organisations.len(), organisations.contains(&2))
        };
        assert_eq!(given_up(256, 9), (0, false));
        assert_eq!(given_up(256, 10), (256, false), "the other organisation keeps its few");
        assert_eq!(given_up(3, 10), (259, true));
        assert_eq!(given_up(257, 10), (0, false));
    }
}
