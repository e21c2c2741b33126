//! Models whose scores are products of fixed factors: truncated SVD and NMF.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::padding::{compact, pad};
use super::{Factors, Model, Recommender, check_items, scores_by_factors};
use crate::error::{MlError, MlResult};
use crate::linalg;
use crate::simd::{Kernels, Penalty, padded};
use crate::tensors::{TensorReader, TensorWriter};

/// A way to compute the factors of an unseen user from a history.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum FoldIn {
    /// The sum of the items' factors: the projection, where these are orthonormal.
    Projection,
    /// The best non-negative factors under a penalty.
    NonNegative {
        /// Weight of the sum of the factors.
        l1: f32,
        /// Weight of half the sum of their squares.
        l2: f32,
    },
}

/// Factors by rows, padded with zeros.
pub(super) struct FactorModel {
    k: usize,
    fold_in: FoldIn,
    users: Vec<f32>,
    items: Vec<f32>,
    /// itemsᵀ · items, padded; only where folding in needs it.
    gram: Vec<f32>,
    /// The length of each item, computed when similar items are first requested.
    lengths: OnceLock<Vec<f32>>,
}

/// Most sweeps of coordinate descent for one unseen user.
const SWEEPS: usize = 200;
/// Largest change of a factor, against the largest factor, that ends it.
const SETTLED: f32 = 1e-5;

impl FactorModel {
    /// Creates a model from rows that are padded already; `k` of each row count.
    pub fn new(k: usize, fold_in: FoldIn, users: Vec<f32>, items: Vec<f32>) -> Self {
        let gram = match fold_in {
            FoldIn::Projection => Vec::new(),
            FoldIn::NonNegative { .. } => narrow(&linalg::gram(&items, padded(k))),
        };
        FactorModel { k, fold_in, users, items, gram, lengths: OnceLock::new() }
    }

    /// Reads back a model that folds in by projection.
    pub fn load_projection(input: &TensorReader<'_>, n_users: usize, n_items: usize) -> MlResult<Model> {
        Self::load(input, n_users, n_items, FoldIn::Projection)
    }

    /// Reads back a model that folds in by non-negative least squares.
    pub fn load_non_negative(input: &TensorReader<'_>, n_users: usize, n_items: usize) -> MlResult<Model> {
        let bad = |what: String| MlError::BadArtifact(what);
        let fold_in: FoldIn =
            serde_json::from_str(input.metadata("model.fold_in")?).map_err(|e| bad(format!("folding in: {e}")))?;
        match fold_in {
            FoldIn::NonNegative { l1, l2 } if (0.0..f32::INFINITY).contains(&l1) && (0.0..f32::INFINITY).contains(&l2) => {
                Self::load(input, n_users, n_items, fold_in)
            }
            _ => Err(bad("the penalty of folding in is out of range".into())),
        }
    }

    fn load(input: &TensorReader<'_>, n_users: usize, n_items: usize, fold_in: FoldIn) -> MlResult<Model> {
        let (shape, _) = input.f32s("model.items")?;
        let &[_, k] = shape.as_slice() else {
            return Err(MlError::BadArtifact("factors are not a matrix".into()));
        };
        if !(1..=4096).contains(&k) {
            return Err(MlError::BadArtifact(format!("factors of length {k}")));
        }
        let users = pad(&input.f32s_shaped("model.users", &[n_users, k])?, k, padded(k));
        let items = pad(&input.f32s_shaped("model.items", &[n_items, k])?, k, padded(k));
        Ok(Box::new(FactorModel::new(k, fold_in, users, items)))
    }

    fn width(&self) -> usize {
        padded(self.k)
    }

    fn item(&self, item: u32) -> &[f32] {
        &self.items[item as usize * self.width()..][..self.width()]
    }

    fn as_factors(&self) -> Factors<'_> {
        Factors { users: &self.users, items: &self.items, width: self.width() }
    }

    /// Computes the factors of a user with this history.
    fn fold_in(&self, items: &[u32]) -> MlResult<Vec<f32>> {
        let kernels = Kernels::detect();
        let mut sum = vec![0f32; self.width()];
        kernels.add_rows(&self.items, items, &vec![1.0; items.len()], &mut sum);
        let FoldIn::NonNegative { l1, l2 } = self.fold_in else { return Ok(sum) };
        let penalty = Penalty { l1, l2, positive_only: true };
        let mut user = vec![0f32; self.width()];
        for _ in 0..SWEEPS {
            let change = kernels.sweep(&self.gram, penalty, &mut user, &mut sum);
            if change <= SETTLED * user.iter().fold(0.0, |most, &x| x.max(most)) {
                break;
            }
        }
        Ok(user)
    }
}

/// Converts 64-bit floats to 32-bit ones.
pub(super) fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

impl Recommender for FactorModel {
    scores_by_factors!();

    /// Scores by the cosine of the factors.
    fn similar_items(&self, item: u32, out: &mut [f32]) -> MlResult<()> {
        check_items(self, &[item], out)?;
        self.as_factors().score(self.item(item), out);
        let length = |row: &[f32]| row.iter().map(|v| v * v).sum::<f32>().sqrt();
        let lengths = self.lengths.get_or_init(|| self.items.chunks_exact(self.width()).map(length).collect());
        let own = lengths[item as usize];
        out.iter_mut().zip(lengths).for_each(|(score, length)| *score /= (own * length).max(f32::MIN_POSITIVE));
        Ok(())
    }

    fn save<'a>(&'a self, out: &mut TensorWriter<'a>) {
        out.f32s("model.users", &[self.n_users(), self.k], compact(&self.users, self.k, self.width()));
        out.f32s("model.items", &[self.n_items(), self.k], compact(&self.items, self.k, self.width()));
        // Only numbers and words: this cannot fail.
        out.metadata("model.fold_in", &serde_json::to_string(&self.fold_in).unwrap_or_default());
    }

    fn heap_bytes(&self) -> u64 {
        (self.users.len() + self.items.len() + self.gram.len()) as u64 * 4
    }
}
