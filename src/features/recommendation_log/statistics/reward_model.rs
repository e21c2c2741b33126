//! A simple model of clicks or purchases: the rate of a place in a list times the rate of an item relative to others at the same
//! places. Both are shrunk towards the average, so that a few lucky clicks do not dominate. This is the form of the
//! position-based click model (Richardson, Dominowska and Ragno 2007; Chuklin, Markov and de Rijke 2015), fitted in closed form.

use std::collections::HashMap;

/// The number of average lists added to every place as a prior.
const PRIOR_LISTS: f64 = 10.0;
/// The number of average rewards added to every item as a prior.
const PRIOR_REWARDS: f64 = 1.0;

/// The probability that an item at a place is clicked or bought.
#[derive(Debug, Clone, Default)]
pub struct RewardModel {
    places: Vec<f64>,
    items: HashMap<u32, f64>,
}

impl RewardModel {
    /// Fits the model to lists that were shown, each with its rewarded items.
    pub fn fit<'l>(lists: impl Iterator<Item = (&'l [u32], &'l [u32])> + Clone) -> Self {
        let places = rates_of_places(lists.clone());
        let mut counts: HashMap<u32, (f64, f64)> = HashMap::new();
        for (list, rewarded) in lists {
            for (item, rate) in list.iter().zip(&places) {
                let (got, expected) = counts.entry(*item).or_default();
                *got += f64::from(u8::from(rewarded.contains(item)));
                *expected += rate;
            }
        }
        let factor = |(got, expected): (f64, f64)| (got + PRIOR_REWARDS) / (expected + PRIOR_REWARDS);
        Self { places, items: counts.into_iter().map(|(item, counts)| (item, factor(counts))).collect() }
    }

    /// Returns the probability that the item is rewarded at a place, counted from 0. An unknown item is treated as average.
    pub fn chance(&self, item: u32, place: usize) -> f64 {
        let rate = self.places.get(place).copied().unwrap_or_default();
        (rate * self.items.get(&item).copied().unwrap_or(1.0)).min(1.0)
    }
}

fn rates_of_places<'l>(lists: impl Iterator<Item = (&'l [u32], &'l [u32])>) -> Vec<f64> {
    let mut counts: Vec<(f64, f64)> = Vec::new();
    for (list, rewarded) in lists {
        if counts.len() < list.len() {
            counts.resize(list.len(), (0.0, 0.0));
        }
        for ((got, seen), item) in counts.iter_mut().zip(list) {
            *got += f64::from(u8::from(rewarded.contains(item)));
            *seen += 1.0;
        }
    }
    let (got, seen) = counts.iter().fold((0.0, 0.0), |sum, place| (sum.0 + place.0, sum.1 + place.1));
    let average = if seen > 0.0 { got / seen } else { 0.0 };
    counts.into_iter().map(|(got, seen)| (got + PRIOR_LISTS * average) / (seen + PRIOR_LISTS)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_items_are_told_apart_and_the_rare_are_average() {
        // Item 1 is clicked at every place, twice as often at the first one; item 2 never.
        let lists: Vec<(Vec<u32>, Vec<u32>)> = (0..400)
            .map(|number| {
                let list = if number % 2 == 0 { vec![1, 2] } else { vec![2, 1] };
                let clicked = if number % 2 == 0 || number % 4 == 1 { vec![1] } else { vec![] };
                (list, clicked)
            })
            .collect();
        let model = RewardModel::fit(lists.iter().map(|(list, clicked)| (list.as_slice(), clicked.as_slice())));
        assert!((model.chance(1, 0) - 1.0).abs() < 0.05 && (model.chance(1, 1) - 0.5).abs() < 0.05);
        assert!(model.chance(2, 0) < 0.02);
        assert!((model.chance(99, 0) - 0.5).abs() < 0.02, "an unknown item in the first place");
        assert_eq!(model.chance(1, 7), 0.0);
    }
}
