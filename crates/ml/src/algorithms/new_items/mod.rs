//! Items that a model was not trained on: what it would have learnt about them is predicted from their features, without another
//! training.
//!
//! An extended model numbers its own items first and the new ones behind them; everything that works with a model works with an
//! extended one.

mod cold_map;
mod exposure;
mod factors;
mod linear_map;
mod penalty;
mod ridge;
mod sides;
mod similarity;
mod target;
#[cfg(test)]
mod tests;

use std::ops::Deref;

pub use cold_map::{ColdMap, ColdMapFitter};
pub(super) use linear_map::{Lesson, LinearMap};
pub(super) use penalty::penalty_for_users;
pub(super) use ridge::Ridge;
pub(super) use sides::Sides;
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

/// What a model needs to know about new items, computed before it is changed.
pub struct Extension(Found);

enum Found {
    /// The whole model with them.
    Model(Box<dyn Recommender>),
    /// Their factors, of this width.
    Factors(Vec<f32>, usize),
    /// For models of weights between items: both vectors of each.
    Sides(Vec<f32>),
}

impl Extension {
    /// Computes what it takes to extend a model by items with these encoded features. A model that learnt from features itself
    /// needs no map, but with its [`ColdMap`] new items are listed as often as others. Asks for the memory of the extended model first.
    ///
    /// Fails for models that neither have a map nor learn from features.
    pub fn of(base: &dyn Recommender, map: Option<&ColdMap>, features: &Csr, ctx: &Context) -> MlResult<Self> {
        if let Some(model) = base.with_new_items(features, ctx)? {
            return Ok(Extension(Found::Model(model)));
        }
        let require = |width: usize| {
            // The vectors, and those of all items.
            let rows = 2 * features.n_rows + base.n_items();
            ctx.require_memory("the vectors of new items", rows as u64 * width as u64 * 4)
        };
        if let (None, Some(weights), Some(factors)) = (map, base.item_feature_map(), base.factors()) {
            require(factors.width)?;
            let vectors = linear_map::predict(weights, factors.width, features, ctx)?;
            return Ok(Extension(Found::Factors(vectors, factors.width)));
        }
        let map = map.ok_or_else(unable)?;
        require(map.width())?;
        let vectors = map.vectors_within(features, ctx)?;
        match &map.sides {
            Some(_) => Ok(Extension(Found::Sides(vectors))),
            None if base.factors().is_some_and(|own| own.width == map.width()) => {
                Ok(Extension(Found::Factors(vectors, map.width())))
            }
            None => Err(unable()),
        }
    }

    /// Adds the items to the model that it was computed for, with the same map.
    pub fn add_to<'a>(self, base: Base<'a>, map: Option<&ColdMap>) -> MlResult<Box<dyn Recommender + 'a>> {
        match (self.0, map.and_then(|map| map.sides.as_deref())) {
            (Found::Model(model), _) => Ok(model),
            (Found::Factors(vectors, width), _) => Ok(Box::new(ExtendedFactors::new(base, &vectors, width).ok_or_else(unable)?)),
            (Found::Sides(vectors), Some(sides)) => Ok(Box::new(ExtendedSimilarity::new(base, sides, &vectors))),
            (Found::Sides(_), None) => Err(unable()),
        }
    }
}

fn unable() -> MlError {
    MlError::BadInput("this model cannot recommend items that it was not trained on".into())
}

/// Extends a model by items with these encoded features, see [`Extension::of`].
pub fn extend<'a>(base: Base<'a>, map: Option<&ColdMap>, features: &Csr, ctx: &Context) -> MlResult<Box<dyn Recommender + 'a>> {
    Extension::of(&*base, map, features, ctx)?.add_to(base, map)
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
