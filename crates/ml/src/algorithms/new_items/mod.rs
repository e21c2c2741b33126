//! Items that a model was not trained on: what it would have learnt about them is predicted from their features, without another
//! training.
//!
//! An extended model numbers its own items first and the new ones behind them; everything that works with a model works with an
//! extended one.

mod cold_map;
mod factors;
mod penalty;
mod ridge;
mod sides;
mod similarity;
mod target;
#[cfg(test)]
mod tests;

use std::ops::Deref;

pub use cold_map::ColdMap;
pub(super) use ridge::Ridge;
pub(super) use target::predict_one;

use super::recommender::Recommender;
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::sparse::Csr;
use factors::ExtendedFactors;
use similarity::ExtendedSimilarity;

/// The model that an extended one adds items to.
pub enum Base<'a> {
    /// The extended model keeps it.
    Owned(Box<dyn Recommender>),
    /// The caller keeps it.
    Borrowed(&'a dyn Recommender),
}

impl<'a> Deref for Base<'a> {
    type Target = dyn Recommender + 'a;

    fn deref(&self) -> &Self::Target {
        match self {
            Base::Owned(model) => &**model,
            Base::Borrowed(model) => *model,
        }
    }
}

/// Extends a model by items with these encoded features. A model that learnt from features itself needs no map.
///
/// Fails for models that neither have a map nor learn from features.
pub fn extend<'a>(base: Base<'a>, map: Option<&ColdMap>, features: &Csr, ctx: &Context) -> MlResult<Box<dyn Recommender + 'a>> {
    if let Some(model) = base.with_new_items(features, ctx)? {
        return Ok(model);
    }
    let unable = || MlError::BadInput("this model cannot recommend items that it was not trained on".into());
    if let (Some(weights), Some(factors)) = (base.item_feature_map(), base.factors()) {
        let width = factors.width;
        let vectors = cold_map::predict(weights, width, features)?;
        return Ok(Box::new(ExtendedFactors::new(base, &vectors, width).ok_or_else(unable)?));
    }
    let map = map.ok_or_else(unable)?;
    let vectors = map.vectors(features)?;
    match &map.sides {
        Some(sides) => Ok(Box::new(ExtendedSimilarity::new(base, sides, &vectors))),
        None => Ok(Box::new(ExtendedFactors::new(base, &vectors, map.width()).ok_or_else(unable)?)),
    }
}

/// Predicts the popularity of items from their features: regresses the logarithm of the interactions of trained items, and
/// returns a score for each of the new ones. The same for all users, this is what recommendations of new items have to beat.
pub fn popularity_from_features(trained: &Csr, counts: &[u32], new: &Csr, ctx: &Context) -> MlResult<Vec<f32>> {
    /// As strong as what predicts vectors best on common data.
    const PENALTY: f32 = 10.0;
    let ridge = Ridge::new(trained, &vec![1.0; trained.n_rows]);
    let targets: Vec<f32> = counts.iter().map(|&n| (n as f32).ln_1p()).collect();
    let start = vec![0f32; ridge.n_coefficients()];
    let weights = ridge.solve(&targets, 1, PENALTY, &start, ctx)?;
    let score = |row: usize| {
        let (indices, values) = new.row(row);
        let sum: f32 = indices.iter().zip(values).map(|(&index, value)| value * weights[index as usize]).sum();
        sum + weights[new.n_cols]
    };
    Ok((0..new.n_rows).map(score).collect())
}
