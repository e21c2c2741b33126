//! A model of weights between items with items that it was not trained on.

use super::Base;
use super::sides::Sides;
use crate::algorithms::recommender::{Recommender, check_block, check_items, check_pairs};
use crate::error::MlResult;
use crate::simd::Kernels;
use crate::sparse::Csr;
use crate::tensors::TensorWriter;

/// A model of weights between items, and two vectors for each of its own and of more items: the weight between two items, one of
/// which is new, is the product of the vector of the one known and that of the one scored.
pub(super) struct ExtendedSimilarity<'a> {
    base: Base<'a>,
    sides: Sides,
}

impl<'a> ExtendedSimilarity<'a> {
    /// Appends the vectors of new items: for each, what knowing it means, then what it is scored by.
    pub fn new(base: Base<'a>, sides: &Sides, vectors: &[f32]) -> Self {
        let width = sides.width;
        let extended = |side: &[f32]| {
            let mut all = Vec::with_capacity(side.len() + vectors.len() / 2);
            all.extend_from_slice(side);
            all
        };
        let (mut known, mut scored) = (extended(&sides.known), extended(&sides.scored));
        for both in vectors.chunks_exact(2 * width) {
            known.extend_from_slice(&both[..width]);
            scored.extend_from_slice(&both[width..]);
        }
        ExtendedSimilarity { base, sides: Sides { known, scored, width } }
    }

    fn n_own(&self) -> usize {
        self.base.n_items()
    }

    /// Scores the new items by what the history means.
    fn score_new(&self, items: &[u32], values: &[f32], out: &mut [f32]) {
        let meaning = self.sides.meaning(items, values);
        Kernels::detect().products(&self.sides.scored[self.n_own() * self.sides.width..], &meaning, out);
    }

    /// Returns the weight between two items, one of which is new.
    fn weight(&self, known: u32, scored: u32) -> f32 {
        let Sides { width, .. } = self.sides;
        let known = &self.sides.known[known as usize * width..][..width];
        let scored = &self.sides.scored[scored as usize * width..][..width];
        known.iter().zip(scored).map(|(a, b)| a * b).sum()
    }
}

impl Recommender for ExtendedSimilarity<'_> {
    fn n_users(&self) -> usize {
        self.base.n_users()
    }

    fn n_items(&self) -> usize {
        self.sides.known.len() / self.sides.width
    }

    fn score_users(&self, users: &[u32], seen: &Csr, out: &mut [f32]) -> MlResult<()> {
        check_block(self, users, Some(seen), out)?;
        let (n_own, n_items) = (self.n_own(), self.n_items().max(1));
        let mut of_base = vec![0f32; users.len() * n_own];
        self.base.score_users(users, seen, &mut of_base)?;
        for (at, (&user, out)) in users.iter().zip(out.chunks_exact_mut(n_items)).enumerate() {
            let (items, values) = seen.row(user as usize);
            out[..n_own].copy_from_slice(&of_base[at * n_own..][..n_own]);
            self.score_new(items, values, &mut out[n_own..]);
        }
        Ok(())
    }

    fn score_history(&self, items: &[u32], out: &mut [f32]) -> MlResult<()> {
        check_items(self, items, out)?;
        let n_own = self.n_own();
        let (own, new): (Vec<u32>, Vec<u32>) = items.iter().partition(|&&item| (item as usize) < n_own);
        self.base.score_history(&own, &mut out[..n_own])?;
        if !new.is_empty() {
            let meaning = self.sides.meaning(&new, &vec![1.0; new.len()]);
            let mut added = vec![0f32; n_own];
            Kernels::detect().products(&self.sides.scored[..n_own * self.sides.width], &meaning, &mut added);
            out.iter_mut().zip(&added).for_each(|(score, added)| *score += added);
        }
        self.score_new(items, &vec![1.0; items.len()], &mut out[n_own..]);
        Ok(())
    }

    fn similar_items(&self, item: u32, out: &mut [f32]) -> MlResult<()> {
        self.score_history(&[item], out)
    }

    /// Returns the weight of each item: the model is linear.
    fn contributions(&self, history: &[u32], items: &[u32]) -> MlResult<Vec<f32>> {
        check_pairs(self, history, items)?;
        let is_own = |item: &u32| (*item as usize) < self.n_own();
        let own = |items: &[u32]| items.iter().copied().filter(is_own).collect::<Vec<u32>>();
        let mut of_base = self.base.contributions(&own(history), &own(items))?.into_iter();
        let mut weights = Vec::with_capacity(history.len() * items.len());
        for item in items {
            for known in history {
                let both_own = is_own(item) && is_own(known);
                weights.push(if both_own { of_base.next().unwrap_or(0.0) } else { self.weight(*known, *item) });
            }
        }
        Ok(weights)
    }

    fn scores_one_by_one(&self) -> bool {
        self.base.scores_one_by_one()
    }

    fn save<'a>(&'a self, out: &mut TensorWriter<'a>) {
        self.base.save(out);
    }

    fn heap_bytes(&self) -> u64 {
        self.base.heap_bytes() + (self.sides.known.len() + self.sides.scored.len()) as u64 * 4
    }
}
