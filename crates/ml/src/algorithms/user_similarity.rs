//! The model of user neighbours: a user's score for an item is the sum of the similarities of the neighbours who know it.

use serde::{Deserialize, Serialize};

use super::cosine_knn::TINY;
use super::feature_weighting::FeatureWeighting;
use super::neighbours::Weighted;
use super::{Model, Recommender, check_block, check_items};
use crate::error::{MlError, MlResult};
use crate::sparse::Csr;
use crate::tensors::{TensorReader, TensorWriter};

/// The measure of similarity between two users.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Likeness {
    /// Neighbours of a user, the user included.
    pub top_k: usize,
    /// Added to the denominator.
    pub shrinkage: f64,
    /// Powers of the squared lengths of the user and of the neighbour in the denominator; `None` for no denominator.
    pub powers: Option<(f64, f64)>,
    /// Weighting of items on the neighbour's side.
    pub weighting: FeatureWeighting,
}

/// Users, their neighbours and the items they know.
pub(super) struct UserSimilarity {
    likeness: Likeness,
    /// Row: the user scored, column: the neighbour.
    pub neighbours: Csr,
    train: Csr,
    by_item: Csr,
    /// Weighted interactions, parallel to `by_item`.
    weights: Vec<f64>,
    /// Each neighbour's part of the denominator.
    lengths: Vec<f64>,
    /// Whether every interaction counts as one, so that values need not be read.
    all_ones: bool,
}

impl UserSimilarity {
    /// Creates a model in which no user has neighbours yet.
    pub fn without_neighbours(likeness: Likeness, train: Csr) -> Self {
        let by_item = train.transpose();
        let weighted = likeness.weighting.apply(&train);
        let power = likeness.powers.map_or(0.0, |(_, theirs)| theirs);
        let lengths = weighted.row_squares().into_iter().map(|square| square.powf(power)).collect();
        let weights = transposed(&weighted, &by_item);
        let all_ones = train.values.iter().all(|&value| value == 1.0);
        UserSimilarity {
            likeness,
            neighbours: Csr::empty(train.n_rows, train.n_rows),
            train,
            by_item,
            weights,
            lengths,
            all_ones,
        }
    }

    /// Reads the model back.
    pub fn load(input: &TensorReader<'_>, n_users: usize, n_items: usize) -> MlResult<Model> {
        let bad = |what: String| MlError::BadArtifact(what);
        let likeness: Likeness =
            serde_json::from_str(input.metadata("model.likeness")?).map_err(|e| bad(format!("likeness of users: {e}")))?;
        let (ours, theirs) = likeness.powers.unwrap_or_default();
        if !(likeness.shrinkage >= 0.0 && (0.0..=1.0).contains(&ours) && (0.0..=1.0).contains(&theirs)) {
            return Err(bad("likeness of users is out of range".into()));
        }
        let mut model = Self::without_neighbours(likeness, input.csr_shaped("model.train", n_users, n_items)?);
        if model.weights.iter().chain(&model.lengths).any(|value| !value.is_finite()) {
            return Err(bad("weighted interactions are not finite".into()));
        }
        model.neighbours = input.csr_shaped("model.neighbours", n_users, n_users)?;
        Ok(Box::new(model))
    }

    /// Returns items × users, weighted.
    pub fn weighted(&self) -> Weighted<'_> {
        Weighted { pattern: &self.by_item, values: self.weights.clone() }
    }

    /// Returns the part of the denominator of a user with these interactions.
    pub fn own_length(&self, values: &[f32]) -> f64 {
        let square: f64 = values.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
        square.powf(self.likeness.powers.map_or(0.0, |(ours, _)| ours))
    }

    /// Returns the similarity to one neighbour, given the dot product.
    pub fn similarity(&self, own_length: f64, neighbour: usize, dot: f64) -> f64 {
        match self.likeness.powers {
            Some(_) => dot / (self.lengths[neighbour] * own_length + self.likeness.shrinkage + TINY),
            None => dot,
        }
    }

    /// Finds the neighbours of a user with these items, in the way those of known users were found.
    fn neighbours_of(&self, items: &[u32]) -> Vec<(f64, u32)> {
        let mut dots = vec![0f64; self.n_users()];
        for &item in items {
            let range = self.by_item.indptr[item as usize]..self.by_item.indptr[item as usize + 1];
            let users = &self.by_item.indices[range.clone()];
            users.iter().zip(&self.weights[range]).for_each(|(&user, &weight)| dots[user as usize] += weight);
        }
        let length = self.own_length(&vec![1.0; items.len()]);
        let found = dots.iter().enumerate().filter(|(_, dot)| **dot != 0.0);
        let mut found: Vec<(f64, u32)> = found.map(|(user, &dot)| (self.similarity(length, user, dot), user as u32)).collect();
        let top_k = self.likeness.top_k;
        if (1..found.len()).contains(&top_k) {
            found.select_nth_unstable_by(top_k - 1, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            found.truncate(top_k);
        }
        found.sort_unstable_by_key(|&(_, user)| user);
        found
    }

    /// Adds the items that one neighbour knows.
    fn add(&self, neighbour: u32, likeness: f32, out: &mut [f32]) {
        let (items, values) = self.train.row(neighbour as usize);
        if self.all_ones {
            items.iter().for_each(|&item| out[item as usize] += likeness);
        } else {
            items.iter().zip(values).for_each(|(&item, &value)| out[item as usize] += likeness * value);
        }
    }
}

/// Returns the values of a matrix in the order of its transposed pattern.
fn transposed(matrix: &Weighted<'_>, pattern: &Csr) -> Vec<f64> {
    let mut next = pattern.indptr.clone();
    let mut values = vec![0f64; matrix.values.len()];
    for (&col, &value) in matrix.pattern.indices.iter().zip(&matrix.values) {
        values[next[col as usize]] = value;
        next[col as usize] += 1;
    }
    values
}

impl Recommender for UserSimilarity {
    fn n_users(&self) -> usize {
        self.train.n_rows
    }

    fn n_items(&self) -> usize {
        self.train.n_cols
    }

    fn score_users(&self, users: &[u32], seen: &Csr, out: &mut [f32]) -> MlResult<()> {
        check_block(self, users, Some(seen), out)?;
        out.fill(0.0);
        for (&user, scores) in users.iter().zip(out.chunks_exact_mut(self.n_items().max(1))) {
            let (neighbours, likeness) = self.neighbours.row(user as usize);
            neighbours.iter().zip(likeness).for_each(|(&neighbour, &likeness)| self.add(neighbour, likeness, scores));
        }
        Ok(())
    }

    fn score_history(&self, items: &[u32], out: &mut [f32]) -> MlResult<()> {
        check_items(self, items, out)?;
        out.fill(0.0);
        self.neighbours_of(items).into_iter().for_each(|(likeness, user)| self.add(user, likeness as f32, out));
        Ok(())
    }

    /// Scores by the cosine of the items' columns.
    fn similar_items(&self, item: u32, out: &mut [f32]) -> MlResult<()> {
        check_items(self, &[item], out)?;
        out.fill(0.0);
        let (users, values) = self.by_item.row(item as usize);
        users.iter().zip(values).for_each(|(&user, &value)| self.add(user, value, out));
        let length = |item: usize| self.by_item.row(item).1.iter().map(|v| v * v).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        let own = length(item as usize);
        out.iter_mut().enumerate().filter(|(_, dot)| **dot != 0.0).for_each(|(other, dot)| *dot /= own * length(other));
        Ok(())
    }

    fn save<'a>(&'a self, out: &mut TensorWriter<'a>) {
        out.csr("model.neighbours", &self.neighbours);
        out.csr("model.train", &self.train);
        // Only numbers and words: this cannot fail.
        out.metadata("model.likeness", &serde_json::to_string(&self.likeness).unwrap_or_default());
    }

    fn heap_bytes(&self) -> u64 {
        let floats = (self.weights.len() + self.lengths.len()) as u64 * 8;
        self.neighbours.bytes() + self.train.bytes() + self.by_item.bytes() + floats
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Context;
    use crate::registry::fit;
    use serde_json::json;

    fn people() -> Csr {
        let rows = [0, 0, 0, 1, 1, 2, 2, 2, 3];
        let cols = [0, 1, 2, 0, 1, 1, 2, 3, 4];
        Csr::from_pairs(4, 5, &rows, &cols).unwrap()
    }

    fn fitted(algorithm: &str, params: serde_json::Value) -> Model {
        fit(algorithm, params.as_object().unwrap(), &people(), &Context::new(0, 1)).unwrap()
    }

    #[test]
    fn scores_are_sums_of_the_neighbours_cosines() {
        let model = fitted("CosineUserKNN", json!({}));
        let mut out = vec![0f32; 5];
        model.score_users(&[0], &people(), &mut out).unwrap();
        let (first, second) = (2.0 / 6f32.sqrt(), 2.0 / 3.0);
        let wanted = [first, first + second, second, second, 0.0];
        assert!(out.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-6), "{out:?}");
    }

    #[test]
    fn the_user_takes_one_of_the_places() {
        let model = fitted("CosineUserKNN", json!({"top_k": 2}));
        let mut out = vec![0f32; 5];
        model.score_users(&[0], &people(), &mut out).unwrap();
        assert_eq!(out[3], 0.0, "the second neighbour is the third place");
    }

    #[test]
    fn a_history_is_scored_like_a_user_with_that_history() {
        let schemes = ["NONE", "TF_IDF", "BM_25"];
        for scheme in schemes {
            for (algorithm, own) in [("CosineUserKNN", json!({})), ("AsymmetricCosineUserKNN", json!({"alpha": 0.3}))] {
                let mut params = json!({"feature_weighting": scheme, "shrinkage": 0.5});
                params.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
                let model = fitted(algorithm, params);
                let (mut known, mut folded) = (vec![0f32; 5], vec![0f32; 5]);
                model.score_users(&[1], &people(), &mut known).unwrap();
                model.score_history(&[0, 1], &mut folded).unwrap();
                // Folded in, the user is their own neighbour; that adds the same to both items and nothing else.
                let own = folded[0] - known[0];
                assert!((folded[1] - known[1] - own).abs() < 1e-5, "{algorithm} {scheme}");
                assert!((2..5).all(|item| (folded[item] - known[item]).abs() < 1e-6), "{algorithm} {scheme}");
            }
        }
    }

    #[test]
    fn similar_items_are_by_cosine_of_columns() {
        let mut out = vec![0f32; 5];
        fitted("CosineUserKNN", json!({})).similar_items(0, &mut out).unwrap();
        let wanted = [1.0, 2.0 / 6f32.sqrt(), 0.5, 0.0, 0.0];
        assert!(out.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-6), "{out:?}");
    }
}
