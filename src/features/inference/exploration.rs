//! Gives new items a share of the places of a list, so that what becomes of them can be learnt at all.
//!
//! The best new items that are not listed anyway are dealt to the places in turn, so that none can appear twice. Each place goes, with
//! the probability `share` and independently of the others, to one of its new items, drawn by the softmax of their standardised
//! scores. So the probability of every item at every place is known exactly, as the off-policy estimates need it.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

/// New items that may be drawn for each place, and for a whole list.
const MOST_PER_PLACE: usize = 10;
const MOST_IN_ALL: usize = 200;

/// The share of the places that go to new items in the list of one request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    pub of_places: f64,
    /// What is drawn depends on it alone.
    pub request: Uuid,
}

/// An item that may be drawn.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    item: u32,
    score: f32,
    probability: f64,
}

/// A place of a list: its item if none is drawn, and those that may be.
#[derive(Debug, Clone)]
struct Place {
    base: (u32, f32),
    candidates: Vec<Candidate>,
}

impl Place {
    fn probability_of_base(&self) -> f64 {
        1.0 - self.candidates.iter().map(|candidate| candidate.probability).sum::<f64>()
    }

    /// Returns what a number from 0 to 1 draws.
    fn drawn(&self, lot: f64) -> (u32, f32) {
        let mut left = lot;
        for candidate in &self.candidates {
            if left < candidate.probability {
                return (candidate.item, candidate.score);
            }
            left -= candidate.probability;
        }
        self.base
    }
}

/// All lists that may come of a request, with their probabilities.
#[derive(Debug, Clone)]
pub struct Slate(Vec<Place>);

/// Returns how many new items are considered for a list of this length.
pub fn most_candidates(length: usize) -> usize {
    length.saturating_mul(MOST_PER_PLACE).min(MOST_IN_ALL)
}

impl Slate {
    /// Deals new items, best first and none of them in the list, to the places of a list. `share` is below 1.
    pub fn new(list: &[(u32, f32)], new: &[(u32, f32)], share: f64) -> Self {
        let mut places: Vec<Place> = list.iter().map(|base| Place { base: *base, candidates: Vec::new() }).collect();
        let length = places.len().max(1);
        for ((rank, (item, score)), weight) in new.iter().enumerate().zip(weights(new)) {
            if let Some(place) = places.get_mut(rank % length) {
                place.candidates.push(Candidate { item: *item, score: *score, probability: weight });
            }
        }
        for place in &mut places {
            let sum: f64 = place.candidates.iter().map(|candidate| candidate.probability).sum();
            place.candidates.iter_mut().for_each(|candidate| candidate.probability *= share / sum);
        }
        Self(places)
    }

    /// Draws the list of a request: always the same one.
    pub fn draw(&self, request: Uuid) -> Vec<(u32, f32)> {
        // Not the bytes of the request alone, which also decide whether the list is logged.
        let mut seed = *b"places of a list for new items..";
        seed.iter_mut().zip(request.as_bytes()).for_each(|(seed, byte)| *seed ^= byte);
        let mut random = ChaCha8Rng::from_seed(seed);
        self.0.iter().map(|place| place.drawn(random.random())).collect()
    }

    /// Returns the probability that an item is shown at a place.
    pub fn chance(&self, place: usize, item: u32) -> f64 {
        let Some(place) = self.0.get(place) else { return 0.0 };
        if place.base.0 == item {
            return place.probability_of_base();
        }
        place.candidates.iter().find(|candidate| candidate.item == item).map_or(0.0, |candidate| candidate.probability)
    }
}

/// Returns the weight of each item: the exponential of its standardised score.
fn weights(new: &[(u32, f32)]) -> Vec<f64> {
    let count = new.len().max(1) as f64;
    let mean = new.iter().map(|(_, score)| f64::from(*score)).sum::<f64>() / count;
    let variance = new.iter().map(|(_, score)| (f64::from(*score) - mean).powi(2)).sum::<f64>() / count;
    let deviation = variance.sqrt();
    let standardised = |score: f32| if deviation > 0.0 { (f64::from(score) - mean) / deviation } else { 0.0 };
    // At most 200 items: none is more than 15 deviations from the mean.
    new.iter().map(|(_, score)| standardised(*score).exp()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn items(first: u32, scores: &[f32]) -> Vec<(u32, f32)> {
        scores.iter().enumerate().map(|(at, score)| (first + at as u32, *score)).collect()
    }

    #[test]
    fn places_go_to_new_items_by_their_scores() {
        let slate = Slate::new(&items(0, &[3.0, 2.0]), &items(10, &[1.0, 0.0, -1.0]), 0.3);
        assert!((slate.chance(0, 0) - 0.7).abs() < 1e-12 && (slate.chance(1, 1) - 0.7).abs() < 1e-12);
        // The first and the third share the first place; their scores are 2 · √1.5 deviations apart.
        let odds = slate.chance(0, 10) / slate.chance(0, 12);
        assert!((odds - (2.0 * 1.5_f64.sqrt()).exp()).abs() < 1e-9, "{odds}");
        assert!((slate.chance(1, 11) - 0.3).abs() < 1e-12);
        for (place, item) in [(0, 1), (0, 11), (1, 10), (2, 0)] {
            assert_eq!(slate.chance(place, item), 0.0);
        }
    }

    #[test]
    fn a_place_without_new_items_and_a_list_without_a_share_stay_as_they_are() {
        let list = items(0, &[3.0, 2.0, 1.0]);
        let one = Slate::new(&list, &items(10, &[5.0]), 0.3);
        let none = Slate::new(&list, &items(10, &[5.0; 30]), 0.0);
        for request in 0..500 {
            let request = Uuid::from_u128(request);
            assert_eq!((&one.draw(request)[1..], none.draw(request)), (&list[1..], list.clone()));
        }
        assert_eq!((one.chance(1, 1), none.chance(0, 0)), (1.0, 1.0));
        assert!(Slate::new(&[], &items(10, &[5.0]), 0.3).draw(Uuid::nil()).is_empty());
        assert_eq!([most_candidates(0), most_candidates(3), most_candidates(1_000)], [0, 30, 200]);
    }

    #[test]
    fn places_are_drawn_independently_of_each_other() {
        let slate = Slate::new(&items(0, &[3.0, 2.0]), &items(10, &[0.0; 20]), 0.25);
        let draws = 40_000;
        let lists = (0..draws).map(|request| slate.draw(Uuid::from_u128(request)));
        let both = lists.filter(|list| list.iter().all(|(item, _)| *item >= 10)).count() as f64 / draws as f64;
        assert!((both - 0.25 * 0.25).abs() < 0.006, "{both}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn what_is_drawn_is_as_frequent_as_stated(
            length in 1_usize..6,
            scores in proptest::collection::vec(-5.0_f32..5.0, 0..40),
            share in 0.01_f64..0.3,
            seed in any::<u64>(),
        ) {
            let list = items(0, &[9.0, 8.0, 7.0, 6.0, 5.0][..length]);
            let new = items(100, &scores);
            let slate = Slate::new(&list, &new, share);
            let all: Vec<u32> = list.iter().chain(&new).map(|(item, _)| *item).collect();
            for place in 0..length {
                let sum: f64 = all.iter().map(|item| slate.chance(place, *item)).sum();
                prop_assert!((sum - 1.0).abs() < 1e-9, "place {place}: {sum}");
            }
            const DRAWS: usize = 8_000;
            let mut shown = vec![vec![0_usize; all.len()]; length];
            for draw in 0..DRAWS {
                let request = Uuid::from_u64_pair(seed, draw as u64);
                let drawn = slate.draw(request);
                prop_assert_eq!(&drawn, &slate.draw(request));
                let distinct: HashSet<u32> = drawn.iter().map(|(item, _)| *item).collect();
                prop_assert_eq!(distinct.len(), length);
                for (place, (item, score)) in drawn.iter().enumerate() {
                    let number = all.iter().position(|one| one == item).expect("one of them");
                    shown[place][number] += 1;
                    prop_assert!(list.iter().chain(&new).any(|known| known == &(*item, *score)));
                }
            }
            for (place, counts) in shown.iter().enumerate() {
                for (item, count) in all.iter().zip(counts) {
                    let (stated, found) = (slate.chance(place, *item), *count as f64 / DRAWS as f64);
                    // Six standard deviations, and what a rare item needs besides.
                    let far = 6.0 * (stated * (1.0 - stated) / DRAWS as f64).sqrt() + 6.0 / DRAWS as f64;
                    prop_assert!((stated - found).abs() <= far, "place {place}, item {item}: {found} instead of {stated}");
                }
            }
        }
    }
}
