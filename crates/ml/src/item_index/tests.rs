//! Lists equal those of scoring everything, bit by bit, on every instruction set.

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::ranking::{Candidates, top_k};

/// Returns the expected list.
fn naive(items: &[f32], user: &[f32], k: usize, candidates: &Candidates<'_>) -> Vec<(u32, u32)> {
    let mut scores = vec![0f32; items.len() / user.len()];
    Kernels::detect().products(items, user, &mut scores);
    bits(top_k(&scores, k, candidates))
}

fn bits(list: Vec<(u32, f32)>) -> Vec<(u32, u32)> {
    list.into_iter().map(|(item, score)| (item, score.to_bits())).collect()
}

/// Searches with every instruction set, with the same scratch, and compares the lists.
fn check(items: &[f32], user: &[f32], k: usize, candidates: &Candidates<'_>) {
    let wanted = naive(items, user, k, candidates);
    let (mut scratch, mut tiles) = (Scratch::default(), Tiles::default());
    for kernels in Kernels::all() {
        let index = ItemIndex { kernels, ..ItemIndex::new(&Factors { users: &[], items, width: user.len() }) };
        for _ in 0..2 {
            let found = index.best(items, user, k, candidates, &mut scratch);
            assert_eq!(bits(found), wanted, "{kernels:?}, {} of {}", k, items.len() / user.len());
        }
        assert!(scratch.refused.iter().all(|bits| *bits == 0), "a search leaves nothing behind");
        let opposite: Vec<f32> = user.iter().map(|value| -value).collect();
        let users =
            [(user, *candidates), (&opposite[..], Candidates::default()), (user, Candidates { seen: &[], ..*candidates })];
        let mut scratches: [Scratch; 4] = Default::default();
        let lists = index.best_of_each(items, &users, k, &mut scratches);
        for ((user, candidates), list) in users.iter().zip(lists) {
            assert_eq!(bits(list), naive(items, user, k, candidates), "{kernels:?}, several users at once");
        }
        let many: Vec<_> = users.iter().copied().cycle().take(20).collect();
        let lists = index.best_of_many(items, &many, k, &mut tiles);
        for ((user, candidates), list) in many.iter().zip(lists) {
            assert_eq!(bits(list), naive(items, user, k, candidates), "{kernels:?}, many users at once");
        }
    }
}

/// Draws a number that is distributed about as factors are.
fn factor(rng: &mut ChaCha8Rng) -> f32 {
    (0..4).map(|_| rng.random_range(-1.0..1.0f32)).sum()
}

#[test]
fn lists_of_factors_of_all_shapes_are_exact() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for (n_items, width) in [(1, 16), (33, 16), (500, 32), (3000, 64), (2000, 144)] {
        // Lengths that differ much, as those of popular and unpopular items do, and axes of unequal weight.
        let mut items: Vec<f32> = (0..n_items * width)
            .map(|at| factor(&mut rng) / (1.0 + (at / width * 7 % n_items) as f32 / 50.0) / (1.0 + (at % width) as f32 / 10.0))
            .collect();
        // Twins and zeros.
        items.copy_within(0..width, n_items / 2 * width);
        items[n_items / 3 * width..][..width].fill(0.0);
        for round in 0..8 {
            let user: Vec<f32> = (0..width).map(|_| factor(&mut rng) * 10f32.powi(round - 4)).collect();
            let seen: Vec<u32> = (0..20).map(|_| rng.random_range(0..n_items as u32 + 2)).collect();
            for k in [1, 10, 60] {
                check(&items, &user, k, &Candidates { seen: &seen, ..Candidates::default() });
                let most: Vec<u32> = (0..n_items as u32).filter(|item| item % 5 > 1).collect();
                check(&items, &user, k, &Candidates { allow: Some(&most), seen: &seen, ..Candidates::default() });
            }
        }
    }
}

#[test]
fn extremes_are_exact() {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let (n, width) = (400, 16);
    let items: Vec<f32> = (0..n * width).map(|_| factor(&mut rng)).collect();
    let user: Vec<f32> = (0..width).map(|_| factor(&mut rng)).collect();
    let with = |scale: f32, row: &[f32]| row.iter().map(|value| value * scale).collect::<Vec<f32>>();
    let scales = [0.0, 1e-45, 1e-40, 1e-38, 1e-30, 1e-19, 1e-3, 1e3, 1e10, 1e18, 1e25, 1e30, 1e37, 1e38];
    for (of_items, of_user) in scales.iter().flat_map(|a| scales.map(|b| (*a, b))) {
        check(&with(of_items, &items), &with(of_user, &user), 7, &Candidates { seen: &[3], ..Candidates::default() });
    }
    // Items of every size at once; NaN and infinity, in items and in users.
    let mut mixed = items.clone();
    mixed.iter_mut().enumerate().for_each(|(at, value)| *value *= 10f32.powi((at / width % 80) as i32 - 44));
    check(&mixed, &user, 5, &Candidates::default());
    for odd in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let (mut odd_items, mut odd_user) = (items.clone(), user.clone());
        odd_items[5 * width + 2] = odd;
        check(&odd_items, &user, 5, &Candidates::default());
        odd_user[4] = odd;
        check(&items, &odd_user, 5, &Candidates::default());
    }
}

#[test]
fn as_many_come_back_as_there_are() {
    let mut rng = ChaCha8Rng::seed_from_u64(13);
    let (n, width) = (300u32, 16);
    let items: Vec<f32> = (0..n as usize * width).map(|_| rng.random_range(-2i32..3) as f32).collect();
    let user = vec![1.0; width];
    let all: Vec<u32> = (0..n).collect();
    let index = ItemIndex::new(&Factors { users: &[], items: &items, width });
    for (k, candidates, wanted) in [
        (10, Candidates { seen: &all, ..Candidates::default() }, 0),
        (10, Candidates { seen: &all[..150], deny: &all[100..297], ..Candidates::default() }, 3),
        (10, Candidates { allow: Some(&[7, 7, 900, 5]), deny: &[5, 1000], ..Candidates::default() }, 1),
        (10, Candidates { allow: Some(&[]), ..Candidates::default() }, 0),
        (0, Candidates::default(), 0),
        (299, Candidates::default(), 299),
        (1000, Candidates::default(), 300),
        (usize::MAX, Candidates { deny: &[3], ..Candidates::default() }, 299),
    ] {
        assert_eq!(index.best(&items, &user, k, &candidates, &mut Scratch::default()).len(), wanted);
        if candidates.allow.is_none_or(|allow| allow.len() < 4) {
            check(&items, &user, k, &candidates);
        }
    }
    let none = ItemIndex::new(&Factors { users: &[], items: &[], width });
    assert!(none.best(&[], &user, 3, &Candidates::default(), &mut Scratch::default()).is_empty());
}

proptest! {
    #[test]
    fn whatever_the_factors_the_list_is_the_naive_one(
        seed: u64,
        n_items in 1usize..600,
        wide: bool,
        whole: bool,
        spread in 0i32..12,
        k in 0usize..40,
        deny in proptest::collection::vec(0u32..600, 0..40),
        allow in proptest::option::weighted(0.4, proptest::sample::subsequence((0u32..620).collect::<Vec<_>>(), 0..620)),
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let width = if wide { 48 } else { 16 };
        // Small whole numbers have exact products, and many of them are equal.
        let mut number = |spread: i32| {
            if whole { rng.random_range(-1i32..2) as f32 } else { factor(&mut rng) * 2f32.powi(rng.random_range(-spread..1)) }
        };
        let items: Vec<f32> = (0..n_items * width).map(|at| number(spread) / (1 + at / width % 5) as f32).collect();
        let user: Vec<f32> = (0..width).map(|_| number(spread)).collect();
        check(&items, &user, k, &Candidates { allow: allow.as_deref(), deny: &deny, seen: &[0, 599] });
    }
}
