//! Whose endpoints get the places of a process: organisations in turns, and no place that the others may need.

use std::collections::{HashMap, VecDeque};

use super::super::store::lanes::DueEndpoint;

/// Endpoints that a process delivers to at the same time, and how many of them may be failing.
const MOST_LANES: usize = 512;
const MOST_FAILING: usize = MOST_LANES / 2;

/// An endpoint that a process delivers to.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    pub organisation: i64,
    /// Whether its last delivery had failed when it got its place.
    pub is_failing: bool,
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
pub fn chosen<'a>(due: Vec<DueEndpoint>, held: impl Iterator<Item = &'a Held> + Clone, is_failing: bool) -> Vec<DueEndpoint> {
    let mut room = room(held.clone(), is_failing);
    let mut waiting: HashMap<i64, VecDeque<DueEndpoint>> = HashMap::new();
    for one in due {
        waiting.entry(one.organisation).or_default().push_back(one);
    }
    let mut places: Vec<(usize, i64)> = waiting.keys().map(|organisation| (0, *organisation)).collect();
    let mut counts: HashMap<i64, usize> = HashMap::new();
    held.filter(|one| one.is_failing == is_failing).for_each(|one| *counts.entry(one.organisation).or_default() += 1);
    places.iter_mut().for_each(|(count, organisation)| *count = counts.get(organisation).copied().unwrap_or(0));
    let mut chosen = Vec::new();
    while let Some((count, organisation)) = places.iter_mut().min() {
        // If the one with the fewest may not have another, none may.
        if *count >= room {
            break;
        }
        match waiting.get_mut(organisation).and_then(VecDeque::pop_front) {
            Some(one) => {
                chosen.push(one);
                (*count, room) = (*count + 1, room - 1);
            }
            None => {
                let done = *organisation;
                places.retain(|(_, organisation)| *organisation != done);
            }
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(organisation: i64, count: i64) -> impl Iterator<Item = DueEndpoint> {
        (0..count).map(move |id| DueEndpoint { id: organisation * 10_000 + id, organisation })
    }

    fn counts(chosen: &[DueEndpoint]) -> Vec<usize> {
        let of = |organisation: i64| chosen.iter().filter(|one| one.organisation == organisation).count();
        (1..=3).map(of).collect()
    }

    #[test]
    fn one_organisation_leaves_half_of_the_places_and_later_ones_get_theirs() {
        let first = chosen(due(1, 1_000).collect(), [].iter(), false);
        assert_eq!(counts(&first), [256, 0, 0]);
        assert_eq!(first[0].id, 10_000, "those left alone longest come first");
        let held = vec![Held { organisation: 1, is_failing: false }; 256];
        let next = chosen(due(1, 744).chain(due(2, 1_000)).chain(due(3, 2)).collect(), held.iter(), false);
        assert_eq!(counts(&next), [0, 127, 2]);
    }

    #[test]
    fn organisations_share_places_alike_and_failing_endpoints_have_half() {
        let all = || due(1, 1_000).chain(due(2, 1_000)).chain(due(3, 5)).collect::<Vec<_>>();
        assert_eq!(counts(&chosen(all(), [].iter(), false)), [169, 169, 5]);
        assert_eq!(counts(&chosen(all(), [].iter(), true)), [84, 84, 5]);
        let failing = vec![Held { organisation: 1, is_failing: true }; 128];
        assert_eq!(counts(&chosen(due(1, 1_000).collect(), failing.iter(), true)), [0, 0, 0]);
        assert_eq!(counts(&chosen(due(1, 1_000).collect(), failing.iter(), false)), [192, 0, 0], "its good ones are sent to");
        assert_eq!(room([].iter(), true), 256);
        let full = vec![Held { organisation: 9, is_failing: false }; 512];
        assert_eq!((room(full.iter(), true), room(full.iter(), false)), (0, 0));
        assert!(chosen(all(), full.iter(), false).is_empty());
    }
}
