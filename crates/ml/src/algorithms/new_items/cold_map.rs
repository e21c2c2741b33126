//! A linear map from the features of an item to what a model would have learnt about it.
//!
//! After any fit, ridge regression finds the map from the features of the items to their vectors, weighted by n / (n + κ) with n
//! the interactions of an item: the vector of an item that few users know is mostly noise. An item without interactions then gets
//! the vector that its features predict (Gantner, Drumond, Freudenthaler, Rendle & Schmidt-Thieme 2010, "Learning
//! attribute-to-feature mappings for cold-start recommendations", there for factors learnt by BPR).

use super::penalty::best_penalty;
use super::ridge::Ridge;
use super::sides::Sides;
use super::target::{Target, predict_one};
use crate::algorithms::recommender::Recommender;
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::sparse::Csr;
use crate::tensors::{TensorReader, TensorWriter};

/// Interactions at which an item's vector counts half.
const KAPPA: f32 = 1.0;

/// The fitted map.
pub struct ColdMap {
    n_features: usize,
    /// Length of what is predicted.
    width: usize,
    /// A row of `width` for each feature, and one for the constant.
    weights: Vec<f32>,
    /// For models of weights between items: the two sides that stand for the weights, by rows of half the width.
    pub(super) sides: Option<Sides>,
    /// The penalty that ranks items held out best.
    pub penalty: f32,
}

impl std::fmt::Debug for ColdMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ColdMap").field("n_features", &self.n_features).field("width", &self.width).finish_non_exhaustive()
    }
}

impl ColdMap {
    /// Learns the map from the items of a model: their encoded features, by rows, and the interactions that the model learnt
    /// from. Returns `None` for models without vectors of items, and for those that learnt such a map themselves.
    pub fn fit(model: &dyn Recommender, features: &Csr, interactions: &Csr, ctx: &Context) -> MlResult<Option<Self>> {
        if features.n_rows != model.n_items() || interactions.n_cols != model.n_items() {
            return Err(MlError::BadInput("features and items of the model differ in number".into()));
        }
        if model.item_feature_map().is_some() {
            return Ok(None);
        }
        let Some(target) = Target::of(model, ctx)? else { return Ok(None) };
        let counts = interactions.column_counts();
        let weights: Vec<f32> = counts.iter().map(|&n| n as f32 / (n as f32 + KAPPA)).collect();
        let penalty = best_penalty(model, &target, features, &weights, interactions, ctx)?;
        let ridge = Ridge::new(features, &weights);
        let start = vec![0f32; ridge.n_coefficients() * target.width];
        let weights = ridge.solve(&target.vectors, target.width, penalty, &start, ctx)?;
        Ok(Some(ColdMap { n_features: features.n_cols, width: target.width, weights, sides: target.sides, penalty }))
    }

    /// Computes the vectors of items with these features, by rows.
    pub fn vectors(&self, features: &Csr) -> MlResult<Vec<f32>> {
        predict(&self.weights, self.width, features)
    }

    /// Returns the length of a predicted vector.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Adds the map to a container.
    pub fn save<'a>(&'a self, out: &mut TensorWriter<'a>) {
        out.f32s("cold.weights", &[self.n_features + 1, self.width], &self.weights);
        out.metadata("cold.penalty", &self.penalty.to_string());
        if let Some(Sides { known, scored, width }) = &self.sides {
            out.f32s("cold.known", &[known.len() / width, *width], known);
            out.f32s("cold.scored", &[scored.len() / width, *width], scored);
        }
    }

    /// Reads back the map of a model; `None` where the container has none.
    pub fn load(input: &TensorReader<'_>, model: &dyn Recommender, n_features: usize) -> MlResult<Option<Self>> {
        if !input.has("cold.weights") {
            return Ok(None);
        }
        let bad = |what: &str| MlError::BadArtifact(format!("the map of new items {what}"));
        let (shape, weights) = input.f32s("cold.weights")?;
        let &[rows, width] = shape.as_slice() else { return Err(bad("is not a matrix")) };
        if rows != n_features + 1 || width == 0 {
            return Err(bad("does not fit the features"));
        }
        let penalty = input.metadata("cold.penalty")?.parse().map_err(|_| bad("has a penalty that is not a number"))?;
        let sides = match model.factors() {
            Some(factors) if factors.width == width => None,
            None if width % 2 == 0 && (width / 2).is_multiple_of(crate::simd::PAD) => {
                let shape = [model.n_items(), width / 2];
                let side = |name: &str| input.f32s_shaped(name, &shape);
                Some(Sides { known: side("cold.known")?, scored: side("cold.scored")?, width: width / 2 })
            }
            _ => return Err(bad("does not fit the model")),
        };
        Ok(Some(ColdMap { n_features, width, weights, sides, penalty }))
    }

    /// Returns the bytes held on the heap.
    pub fn heap_bytes(&self) -> u64 {
        let sides = self.sides.as_ref().map_or(0, |sides| sides.known.len() + sides.scored.len());
        (self.weights.len() + sides) as u64 * 4
    }
}

/// Computes the vectors of items with these features, by rows.
pub(super) fn predict(weights: &[f32], width: usize, features: &Csr) -> MlResult<Vec<f32>> {
    let known = (weights.len() / width).saturating_sub(1);
    if features.n_cols != known {
        return Err(MlError::BadInput(format!("{} features, the map has {known}", features.n_cols)));
    }
    let mut vectors = vec![0f32; features.n_rows * width];
    let rows = vectors.chunks_exact_mut(width).enumerate();
    rows.for_each(|(row, vector)| predict_one(weights, features.row(row), vector));
    Ok(vectors)
}
