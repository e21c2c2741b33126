//! The same scores for every user: the most popular items, and other lists that know nothing about the user.

use super::{Model, Recommender, check_block, check_items};
use crate::error::MlResult;
use crate::sparse::Csr;
use crate::tensors::{TensorReader, TensorWriter};

/// The name under which the scores are stored; those of stored models are popularity.
const SCORES: &str = "model.popularity";

/// A model that scores every item the same for all users.
#[derive(Debug, Clone, PartialEq)]
pub struct FixedScores {
    n_users: usize,
    scores: Vec<f32>,
}

impl FixedScores {
    /// Creates a model from a score for each item.
    pub fn new(n_users: usize, scores: Vec<f32>) -> Self {
        FixedScores { n_users, scores }
    }

    /// Reads back a model.
    pub(super) fn load(input: &TensorReader<'_>, n_users: usize, n_items: usize) -> MlResult<Model> {
        Ok(Box::new(FixedScores { n_users, scores: input.f32s_shaped(SCORES, &[n_items])? }))
    }
}

impl Recommender for FixedScores {
    fn n_users(&self) -> usize {
        self.n_users
    }

    fn n_items(&self) -> usize {
        self.scores.len()
    }

    fn score_users(&self, users: &[u32], _: &Csr, out: &mut [f32]) -> MlResult<()> {
        check_block(self, users, None, out)?;
        out.chunks_exact_mut(self.n_items().max(1)).for_each(|row| row.copy_from_slice(&self.scores));
        Ok(())
    }

    fn score_history(&self, items: &[u32], out: &mut [f32]) -> MlResult<()> {
        check_items(self, items, out)?;
        out.copy_from_slice(&self.scores);
        Ok(())
    }

    fn similar_items(&self, item: u32, out: &mut [f32]) -> MlResult<()> {
        self.score_history(&[item], out)
    }

    fn scores_one_by_one(&self) -> bool {
        true
    }

    fn save<'a>(&'a self, out: &mut TensorWriter<'a>) {
        out.f32s(SCORES, &[self.scores.len()], &self.scores);
    }

    fn heap_bytes(&self) -> u64 {
        self.scores.len() as u64 * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_user_gets_the_scores_given() {
        let model = FixedScores::new(3, vec![0.5, -1.0]);
        let mut out = [0.0; 4];
        model.score_users(&[2, 0], &Csr::empty(3, 2), &mut out).unwrap();
        assert_eq!(out, [0.5, -1.0, 0.5, -1.0]);
        model.score_history(&[1], &mut out[..2]).unwrap();
        assert_eq!(out[..2], [0.5, -1.0]);
        assert!(model.score_users(&[3], &Csr::empty(3, 2), &mut out[..2]).is_err());
    }
}
