//! What a model learnt about its items, as vectors that features can predict.

use std::ops::Range;
use std::sync::Arc;

use super::sides::Sides;
use crate::algorithms::recommender::{Factors, Recommender};
use crate::context::Context;
use crate::error::MlResult;
use crate::simd::Kernels;

/// What is predicted from features.
pub(super) struct Target {
    /// By rows, one for each item.
    pub vectors: Vec<f32>,
    /// Length of the rows.
    pub width: usize,
    /// The part of a row whose product with the vector of a user is the score.
    pub scored: Range<usize>,
    /// For models of weights between items.
    pub sides: Option<Arc<Sides>>,
}

impl Target {
    /// Takes what a model learnt about its items; `None` for models without vectors of items.
    pub fn of(model: &dyn Recommender, ctx: &Context) -> MlResult<Option<Self>> {
        if let Some(Factors { items, width, .. }) = model.factors() {
            return Ok(Some(Target { vectors: items.to_vec(), width, scored: 0..width, sides: None }));
        }
        let Some(weights) = model.item_weights() else { return Ok(None) };
        let sides = Sides::of(weights, model.n_items(), ctx)?;
        let width = sides.width;
        let rows = sides.known.chunks_exact(width).zip(sides.scored.chunks_exact(width));
        let vectors = rows.flat_map(|(known, scored)| [known, scored]).flatten().copied().collect();
        Ok(Some(Target { vectors, width: 2 * width, scored: width..2 * width, sides: Some(Arc::new(sides)) }))
    }

    /// Computes the vector of a user with this history.
    pub fn user(&self, model: &dyn Recommender, history: &[u32]) -> MlResult<Option<Vec<f32>>> {
        match &self.sides {
            Some(sides) => Ok(Some(sides.meaning(history, &vec![1.0; history.len()]))),
            None => model.user_vector(history),
        }
    }
}

/// Computes the vector of an item with these features.
pub(in crate::algorithms) fn predict_one(weights: &[f32], (indices, values): (&[u32], &[f32]), vector: &mut [f32]) {
    vector.copy_from_slice(&weights[weights.len() - vector.len()..]);
    Kernels::detect().add_rows(weights, indices, values, vector);
}
