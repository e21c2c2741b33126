//! Models that are a matrix of similarity between items: a user's score is the sum over the items they know.

use super::{ItemWeights, Model, Recommender, check_block, check_items, check_pairs};
use crate::error::MlResult;
use crate::simd::{Kernels, STRIP};
use crate::sparse::Csr;
use crate::tensors::{TensorReader, TensorWriter};

/// A sparse matrix of similarity; row: the item known, column: the item scored.
pub(super) struct SparseSimilarity {
    n_users: usize,
    weights: Csr,
}

impl SparseSimilarity {
    /// Creates a model from a square matrix.
    pub fn new(n_users: usize, weights: Csr) -> Self {
        SparseSimilarity { n_users, weights }
    }

    /// Creates a model from a square matrix, for the registry.
    pub fn boxed(n_users: usize, weights: Csr) -> Model {
        Box::new(Self::new(n_users, weights))
    }

    /// Reads the model back.
    pub fn load(input: &TensorReader<'_>, n_users: usize, n_items: usize) -> MlResult<Model> {
        Ok(Self::boxed(n_users, input.csr_shaped("model.weights", n_items, n_items)?))
    }

    /// Returns the weight from one item to another.
    fn weight(&self, known: u32, scored: u32) -> f32 {
        let (cols, vals) = self.weights.row(known as usize);
        cols.binary_search(&scored).map_or(0.0, |at| vals[at])
    }

    fn add_row(&self, item: u32, weight: f32, out: &mut [f32]) {
        let (cols, vals) = self.weights.row(item as usize);
        for (&col, &val) in cols.iter().zip(vals) {
            out[col as usize] += weight * val;
        }
    }
}

impl Recommender for SparseSimilarity {
    fn n_users(&self) -> usize {
        self.n_users
    }

    fn n_items(&self) -> usize {
        self.weights.n_cols
    }

    fn score_users(&self, users: &[u32], seen: &Csr, out: &mut [f32]) -> MlResult<()> {
        check_block(self, users, Some(seen), out)?;
        out.fill(0.0);
        for (&user, scores) in users.iter().zip(out.chunks_exact_mut(self.n_items().max(1))) {
            let (items, values) = seen.row(user as usize);
            items.iter().zip(values).for_each(|(&item, &value)| self.add_row(item, value, scores));
        }
        Ok(())
    }

    fn score_history(&self, items: &[u32], out: &mut [f32]) -> MlResult<()> {
        check_items(self, items, out)?;
        out.fill(0.0);
        items.iter().for_each(|&item| self.add_row(item, 1.0, out));
        Ok(())
    }

    fn similar_items(&self, item: u32, out: &mut [f32]) -> MlResult<()> {
        self.score_history(&[item], out)
    }

    /// Returns the weight of each item: the model is linear.
    fn contributions(&self, history: &[u32], items: &[u32]) -> MlResult<Vec<f32>> {
        check_pairs(self, history, items)?;
        let of_item = |&item: &u32| history.iter().map(move |&known| self.weight(known, item));
        Ok(items.iter().flat_map(of_item).collect())
    }

    fn item_weights(&self) -> Option<ItemWeights<'_>> {
        Some(ItemWeights::Sparse(&self.weights))
    }

    fn scores_one_by_one(&self) -> bool {
        true
    }

    fn save<'a>(&'a self, out: &mut TensorWriter<'a>) {
        out.csr("model.weights", &self.weights);
    }

    fn heap_bytes(&self) -> u64 {
        self.weights.bytes()
    }
}

/// A dense matrix of similarity by rows; row: the item known, column: the item scored.
pub(super) struct DenseSimilarity {
    n_users: usize,
    n_items: usize,
    weights: Vec<f32>,
    kernels: Kernels,
}

impl DenseSimilarity {
    /// Creates a model from a square matrix.
    pub fn boxed(n_users: usize, n_items: usize, weights: Vec<f32>) -> Model {
        Box::new(DenseSimilarity { n_users, n_items, weights, kernels: Kernels::detect() })
    }

    /// Reads the model back.
    pub fn load(input: &TensorReader<'_>, n_users: usize, n_items: usize) -> MlResult<Model> {
        let weights = input.f32s_shaped("model.weights", &[n_items, n_items])?;
        Ok(Self::boxed(n_users, n_items, weights))
    }

    /// Sums weighted rows over one strip of columns, the last of which may be narrower.
    fn sum_strip(&self, items: &[u32], values: Option<&[f32]>, start: usize, out: &mut [f32]) {
        if let Ok(out) = out.try_into() {
            self.kernels.sum_strip(&self.weights, self.n_items, start, items, values, out);
            return;
        }
        out.fill(0.0);
        for (at, &item) in items.iter().enumerate() {
            let row = &self.weights[item as usize * self.n_items + start..][..out.len()];
            let weight = values.map_or(1.0, |values| values[at]);
            out.iter_mut().zip(row).for_each(|(sum, &w)| *sum += weight * w);
        }
    }
}

impl Recommender for DenseSimilarity {
    fn n_users(&self) -> usize {
        self.n_users
    }

    fn n_items(&self) -> usize {
        self.n_items
    }

    fn score_users(&self, users: &[u32], seen: &Csr, out: &mut [f32]) -> MlResult<()> {
        check_block(self, users, Some(seen), out)?;
        // A strip of the matrix stays in the cache for the whole block.
        for start in (0..self.n_items).step_by(STRIP) {
            let end = (start + STRIP).min(self.n_items);
            for (&user, scores) in users.iter().zip(out.chunks_exact_mut(self.n_items)) {
                let (items, values) = seen.row(user as usize);
                self.sum_strip(items, Some(values), start, &mut scores[start..end]);
            }
        }
        Ok(())
    }

    fn score_history(&self, items: &[u32], out: &mut [f32]) -> MlResult<()> {
        check_items(self, items, out)?;
        for (strip, scores) in out.chunks_mut(STRIP).enumerate() {
            self.sum_strip(items, None, strip * STRIP, scores);
        }
        Ok(())
    }

    fn similar_items(&self, item: u32, out: &mut [f32]) -> MlResult<()> {
        self.score_history(&[item], out)
    }

    /// Returns the weight of each item: the model is linear.
    fn contributions(&self, history: &[u32], items: &[u32]) -> MlResult<Vec<f32>> {
        check_pairs(self, history, items)?;
        let weight = |known: u32, item: u32| self.weights[known as usize * self.n_items + item as usize];
        Ok(items.iter().flat_map(|&item| history.iter().map(move |&known| weight(known, item))).collect())
    }

    fn item_weights(&self) -> Option<ItemWeights<'_>> {
        Some(ItemWeights::Dense(&self.weights))
    }

    fn save<'a>(&'a self, out: &mut TensorWriter<'a>) {
        out.f32s("model.weights", &[self.n_items, self.n_items], &self.weights);
    }

    fn heap_bytes(&self) -> u64 {
        self.weights.len() as u64 * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contributions_add_up_to_the_score() {
        let dense = vec![0.0, 1.5, -0.5, 0.25, 0.0, 3.0, 0.0, 0.125, 0.0];
        let mut sparse = Csr::from_pairs(3, 3, &[0, 0, 1, 1, 2], &[1, 2, 0, 2, 1]).unwrap();
        sparse.values = dense.iter().copied().filter(|v| *v != 0.0).collect();
        for model in [SparseSimilarity::boxed(1, sparse), DenseSimilarity::boxed(1, 3, dense)] {
            assert_eq!(model.contributions(&[1, 0], &[2, 1]).unwrap(), [3.0, -0.5, 0.0, 1.5]);
            let mut scores = vec![0f32; 3];
            for history in [&[0u32, 1, 2][..], &[2, 1], &[]] {
                model.score_history(history, &mut scores).unwrap();
                for item in 0..3 {
                    let sum: f32 = model.contributions(history, &[item]).unwrap().iter().sum();
                    assert_eq!(sum, scores[item as usize]);
                }
            }
            assert!(model.contributions(&[0], &[3]).is_err() && model.contributions(&[3], &[0]).is_err());
        }
    }
}
