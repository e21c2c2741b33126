//! Generates any number of synthetic interactions for measurements: few users do much and few items are liked by many, as in real
//! catalogues, and users have tastes, so that there is something to learn.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::{MlError, MlResult};

/// The size of the data to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyntheticConfig {
    /// Number of users.
    pub n_users: usize,
    /// Number of items.
    pub n_items: usize,
    /// Number of distinct pairs of user and item.
    pub n_interactions: usize,
    /// Seed; the same numbers give the same interactions.
    pub seed: u64,
}

/// Interactions of a user fall with the square root of the user's rank.
const USER_EXPONENT: f64 = 0.5;
/// Popularity of an item falls with about this power of its rank.
const ITEM_EXPONENT: f64 = 0.8;
/// Groups of users that share a taste.
const TASTES: usize = 64;
/// Share of interactions that follow the user's taste rather than overall popularity.
const OF_TASTE: f64 = 0.6;
/// A user has at most this share of all items.
const LARGEST_SHARE: usize = 4;
/// Draws of an item that the user has already, before the next free one is taken.
const TRIES: usize = 8;
/// Users that draw from one stream of random numbers.
const USERS_PER_STREAM: usize = 4096;

/// Passes the users in order, each with its distinct items, to `take`; stops at its first error.
pub fn generate<E: From<MlError>>(config: SyntheticConfig, mut take: impl FnMut(u32, &[u32]) -> Result<(), E>) -> Result<(), E> {
    let degrees = degrees(config)?;
    let mut last_user = vec![u32::MAX; config.n_items];
    let mut items = Vec::new();
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    for (user, &degree) in degrees.iter().enumerate() {
        if user % USERS_PER_STREAM == 0 {
            rng = ChaCha8Rng::seed_from_u64(config.seed);
            rng.set_stream((user / USERS_PER_STREAM) as u64);
        }
        items.clear();
        let taste = rng.random_range(0..TASTES);
        for _ in 0..degree {
            let item = free_item(config.n_items, taste, &mut rng, |item| last_user[item] != user as u32);
            last_user[item] = user as u32;
            items.push(item as u32);
        }
        take(user as u32, &items)?;
    }
    Ok(())
}

/// Returns how many items each user has: a power law over a random order of users, at least one each and in total exactly as
/// requested.
fn degrees(config: SyntheticConfig) -> MlResult<Vec<usize>> {
    let SyntheticConfig { n_users, n_items, n_interactions, seed } = config;
    let most = n_items.div_ceil(LARGEST_SHARE).max(1);
    if n_users == 0 || n_interactions < n_users || n_interactions > n_users.saturating_mul(most) || n_items > u32::MAX as usize {
        return Err(MlError::BadInput(format!(
            "{n_users} users can have between {n_users} and {} of these interactions, not {n_interactions}",
            n_users.saturating_mul(most)
        )));
    }
    let weights: Vec<f64> = (1..=n_users).map(|rank| (rank as f64).powf(-USER_EXPONENT)).collect();
    let scale = n_interactions as f64 / weights.iter().sum::<f64>();
    let mut degrees: Vec<usize> = weights.iter().map(|weight| ((weight * scale) as usize).clamp(1, most)).collect();
    settle(&mut degrees, n_interactions, most);
    shuffle(&mut degrees, seed);
    Ok(degrees)
}

/// Adds or removes single items until the sum is right.
fn settle(degrees: &mut [usize], wanted: usize, most: usize) {
    let mut sum: usize = degrees.iter().sum();
    while sum != wanted {
        for degree in degrees.iter_mut() {
            if sum < wanted && *degree < most {
                *degree += 1;
                sum += 1;
            } else if sum > wanted && *degree > 1 {
                *degree -= 1;
                sum -= 1;
            }
        }
    }
}

fn shuffle(degrees: &mut [usize], seed: u64) {
    use rand::seq::SliceRandom;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(u64::MAX);
    degrees.shuffle(&mut rng);
}

fn free_item(n_items: usize, taste: usize, rng: &mut ChaCha8Rng, is_free: impl Fn(usize) -> bool) -> usize {
    let mut item = 0;
    for _ in 0..TRIES {
        item = draw_item(n_items, taste, rng);
        if is_free(item) {
            return item;
        }
    }
    // A user has a quarter of the items at most, so that a free one is near.
    while !is_free(item) {
        item = (item + 1) % n_items;
    }
    item
}

/// Draws an item by a power law over ranks: over overall popularity, or over the user's own order of the catalogue.
fn draw_item(n_items: usize, taste: usize, rng: &mut ChaCha8Rng) -> usize {
    let rank = power_law_rank(n_items, rng.random());
    if rng.random::<f64>() < OF_TASTE { (rank * TASTES + taste) % n_items } else { rank }
}

/// Returns the rank below `n` for a uniform number: the inverse of the integral of rank^-exponent.
fn power_law_rank(n: usize, uniform: f64) -> usize {
    let power = 1.0 - ITEM_EXPONENT;
    let top = ((n + 1) as f64).powf(power) - 1.0;
    ((uniform * top + 1.0).powf(1.0 / power) as usize).clamp(1, n) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(config: SyntheticConfig) -> Vec<(u32, Vec<u32>)> {
        let mut made = Vec::new();
        generate::<MlError>(config, |user, items| {
            made.push((user, items.to_vec()));
            Ok(())
        })
        .unwrap();
        made
    }

    #[test]
    fn exactly_as_many_distinct_pairs_as_asked_with_a_long_tail() {
        let config = SyntheticConfig { n_users: 5_000, n_items: 2_000, n_interactions: 100_000, seed: 7 };
        let made = make(config);
        assert_eq!(made.iter().map(|(_, items)| items.len()).sum::<usize>(), 100_000);
        let mut popularity = vec![0u32; 2_000];
        for (_, items) in &made {
            let distinct: std::collections::HashSet<&u32> = items.iter().collect();
            assert_eq!(distinct.len(), items.len());
            items.iter().for_each(|&item| popularity[item as usize] += 1);
        }
        popularity.sort_unstable_by(|a, b| b.cmp(a));
        let head: u32 = popularity[..200].iter().sum();
        assert!((30_000..90_000).contains(&head), "the first tenth of the items has {head} of 100000");
        assert_eq!(made, make(config));
        assert_ne!(made, make(SyntheticConfig { seed: 8, ..config }));
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        let config = SyntheticConfig { n_users: 10, n_items: 8, n_interactions: 21, seed: 0 };
        assert!(generate::<MlError>(config, |_, _| Ok(())).is_err());
        assert!(generate::<MlError>(SyntheticConfig { n_interactions: 9, ..config }, |_, _| Ok(())).is_err());
        assert_eq!(make(SyntheticConfig { n_interactions: 20, ..config }).len(), 10);
    }
}
