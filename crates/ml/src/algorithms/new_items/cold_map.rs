//! A linear map from the features of an item to what a model would have learnt about it.
//!
//! After any fit, ridge regression finds the map from the features of the items to their vectors, weighted by n / (n + κ) with n
//! the interactions of an item: the vector of an item that few users know is mostly noise. An item without interactions then gets
//! the vector that its features predict (Gantner, Drumond, Freudenthaler, Rendle & Schmidt-Thieme 2010, "Learning
//! attribute-to-feature mappings for cold-start recommendations", there for factors learnt by BPR), in the length in which it is
//! listed as often as trained items are.

use std::sync::Arc;

use super::linear_map::{Lesson, LinearMap};
use super::penalty::{Comparison, for_items};
use super::sides::Sides;
use super::target::Target;
use crate::algorithms::recommender::Recommender;
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::sparse::Csr;
use crate::tensors::{TensorReader, TensorWriter};

/// Interactions at which an item's vector counts half.
const KAPPA: f32 = 1.0;

/// The fitted map.
pub struct ColdMap {
    map: LinearMap,
    /// For models of weights between items: the two sides that stand for the weights, by rows of half the width.
    pub(in crate::algorithms) sides: Option<Arc<Sides>>,
}

impl std::fmt::Debug for ColdMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ColdMap").field("width", &self.width()).finish_non_exhaustive()
    }
}

impl ColdMap {
    /// Learns the map from the items of a model: their encoded features, by rows, and the interactions that the model learnt
    /// from. Of models that learnt such a map themselves it is that one. Returns `None` for models without vectors of items.
    pub fn fit(model: &dyn Recommender, features: &Csr, interactions: &Csr, ctx: &Context) -> MlResult<Option<Self>> {
        Self::fit_near(model, features, interactions, None, ctx)
    }

    /// Learns the map as [`ColdMap::fit`] does, but compares only penalties next to one that was best for a model much like this,
    /// such as the same some epochs before.
    pub fn fit_near(
        model: &dyn Recommender,
        features: &Csr,
        interactions: &Csr,
        penalty: Option<f32>,
        ctx: &Context,
    ) -> MlResult<Option<Self>> {
        ColdMapFitter::new(model, interactions, ctx)?.map(|fitter| fitter.fit(features, penalty, ctx)).transpose()
    }

    /// Computes the vectors of items with these features, by rows.
    pub fn vectors(&self, features: &Csr) -> MlResult<Vec<f32>> {
        self.map.vectors(features)
    }

    /// Computes the vectors of items with these features, by rows, unless it has to stop.
    pub(super) fn vectors_within(&self, features: &Csr, ctx: &Context) -> MlResult<Vec<f32>> {
        self.map.vectors_within(features, ctx)
    }

    /// Returns the penalty that ranks items held out best.
    pub fn penalty(&self) -> f32 {
        self.map.penalty
    }

    /// Returns the length of a predicted vector.
    pub(super) fn width(&self) -> usize {
        self.map.width
    }

    /// Adds the map to a container.
    pub fn save<'a>(&'a self, out: &mut TensorWriter<'a>) {
        self.map.save(out, "cold");
        if let Some(sides) = &self.sides {
            sides.save(out, "cold");
        }
    }

    /// Reads back the map of a model; `None` where the container has none.
    pub fn load(input: &TensorReader<'_>, model: &dyn Recommender, n_features: usize) -> MlResult<Option<Self>> {
        let Some(map) = LinearMap::load(input, "cold", n_features)? else { return Ok(None) };
        let sides = match model.factors() {
            Some(factors) if factors.width == map.width => None,
            None if map.width % 2 == 0 => Some(Arc::new(Sides::load(input, "cold", model.n_items(), map.width / 2)?)),
            _ => return Err(MlError::BadArtifact("the map of new items does not fit the model".into())),
        };
        Ok(Some(ColdMap { map, sides }))
    }

    /// Returns the bytes held on the heap.
    pub fn heap_bytes(&self) -> u64 {
        self.map.heap_bytes() + self.sides.as_ref().map_or(0, |sides| sides.heap_bytes())
    }
}

/// What maps of one model from several sets of features have in common.
pub struct ColdMapFitter {
    target: Target,
    /// The weight of each item.
    weights: Vec<f32>,
    comparison: Comparison,
    /// The map that the model learnt together with the vectors.
    own: Option<Vec<f32>>,
}

impl std::fmt::Debug for ColdMapFitter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ColdMapFitter").field("n_items", &self.weights.len()).finish_non_exhaustive()
    }
}

impl ColdMapFitter {
    /// Takes what a model learnt about its items from these interactions. Returns `None` where [`ColdMap::fit`] does.
    pub fn new(model: &dyn Recommender, interactions: &Csr, ctx: &Context) -> MlResult<Option<Self>> {
        if interactions.n_cols != model.n_items() {
            return Err(MlError::BadInput("interactions and items of the model differ in number".into()));
        }
        let Some(target) = Target::of(model, ctx)? else { return Ok(None) };
        let counts = interactions.column_counts();
        let weights: Vec<f32> = counts.iter().map(|&n| n as f32 / (n as f32 + KAPPA)).collect();
        let comparison = Comparison::of_items(model, &target, &weights, interactions, ctx)?;
        let own = model.item_feature_map().map(<[f32]>::to_vec);
        Ok(Some(ColdMapFitter { target, weights, comparison, own }))
    }

    /// Learns the map from these features of the items, with the penalty that is best for them, or the best near one. Features
    /// other than those that the model has learnt from are refused, if it has.
    pub fn fit(&self, features: &Csr, near: Option<f32>, ctx: &Context) -> MlResult<ColdMap> {
        if features.n_rows != self.weights.len() {
            return Err(MlError::BadInput("features and items of the model differ in number".into()));
        }
        let Target { vectors, width, scored, sides } = &self.target;
        if let Some(own) = &self.own {
            let map = LinearMap::of(own.clone(), features.n_cols, *width)?;
            let scale = ctx.install(|| self.comparison.scale_of_map(own, *width, features));
            return Ok(ColdMap { map: map.scaled(scored.clone(), scale), sides: None });
        }
        let bytes = LinearMap::bytes_to_fit(features, *width, ctx.threads);
        ctx.require_memory("the map from the features of items", bytes)?;
        let best = for_items(&self.comparison, &self.target, features, near, ctx)?;
        let lesson = Lesson { features, vectors, width: *width, weights: &self.weights };
        let map = LinearMap::fit(lesson, best.penalty, ctx)?.scaled(scored.clone(), best.scale);
        Ok(ColdMap { map, sides: sides.clone() })
    }
}
