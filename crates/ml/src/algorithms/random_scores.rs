//! Random scores: the baseline of a list by chance.

use super::{Recommender, check_block, check_items};
use crate::error::MlResult;
use crate::sparse::Csr;
use crate::tensors::TensorWriter;

/// The user that stands for all users known only by a history.
const UNKNOWN: u32 = u32::MAX;

/// A model whose scores look random, and depend on the seed, the user and the item only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RandomScores {
    n_users: usize,
    n_items: usize,
    seed: u64,
}

impl RandomScores {
    /// Creates a model whose scores are between 0 and 1.
    pub fn new(n_users: usize, n_items: usize, seed: u64) -> Self {
        RandomScores { n_users, n_items, seed }
    }

    fn score(&self, user: u32, out: &mut [f32]) {
        let user = mix(mix(self.seed) ^ u64::from(user));
        // A float holds the upper 24 bits exactly.
        out.iter_mut()
            .enumerate()
            .for_each(|(item, score)| *score = (mix(user ^ item as u64) >> 40) as f32 / (1u32 << 24) as f32);
    }
}

/// Computes a number whose bits all depend on all bits of another (SplitMix64: Steele, Lea and Flood 2014).
pub(super) fn mix(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Recommender for RandomScores {
    fn n_users(&self) -> usize {
        self.n_users
    }

    fn n_items(&self) -> usize {
        self.n_items
    }

    fn score_users(&self, users: &[u32], _: &Csr, out: &mut [f32]) -> MlResult<()> {
        check_block(self, users, None, out)?;
        users.iter().zip(out.chunks_exact_mut(self.n_items.max(1))).for_each(|(&user, row)| self.score(user, row));
        Ok(())
    }

    fn score_history(&self, items: &[u32], out: &mut [f32]) -> MlResult<()> {
        check_items(self, items, out)?;
        self.score(UNKNOWN, out);
        Ok(())
    }

    fn similar_items(&self, item: u32, out: &mut [f32]) -> MlResult<()> {
        self.score_history(&[item], out)
    }

    fn scores_one_by_one(&self) -> bool {
        true
    }

    // Nothing is learnt.
    fn save<'a>(&'a self, _: &mut TensorWriter<'a>) {}

    fn heap_bytes(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(seed: u64, users: &[u32]) -> Vec<f32> {
        let (n_users, n_items) = (50, 400);
        let mut out = vec![0.0; users.len() * n_items];
        RandomScores::new(n_users, n_items, seed).score_users(users, &Csr::empty(n_users, n_items), &mut out).unwrap();
        out
    }

    #[test]
    fn scores_depend_on_seed_user_and_item_and_not_on_the_block() {
        let both = scores(7, &[3, 20]);
        assert_eq!([scores(7, &[3]), scores(7, &[20])].concat(), both);
        let differ = |a: &[f32], b: &[f32]| a.iter().zip(b).filter(|(a, b)| a != b).count();
        assert!(differ(&both[..400], &both[400..]) > 390, "between users");
        assert!(differ(&both, &scores(8, &[3, 20])) > 780, "between seeds");
        assert!(differ(&both[..399], &both[1..400]) > 390, "between items");
    }

    #[test]
    fn scores_are_spread_evenly_over_the_unit_interval() {
        let all = scores(1, &(0..50).collect::<Vec<_>>());
        assert!(all.iter().all(|score| (0.0..1.0).contains(score)));
        for tenth in 0..10 {
            let share = all.iter().filter(|score| (**score * 10.0) as usize == tenth).count() as f64 / all.len() as f64;
            // Eleven standard deviations at 20,000 draws.
            assert!((share - 0.1).abs() < 0.025, "{tenth}: {share}");
        }
    }
}
