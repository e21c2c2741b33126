//! Evaluating what a model recommends of items that it was not trained on, beside what any recommendation of them has to beat.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::algorithms::{Base, ColdMap, FixedScores, RandomScores, Recommender, TrainInput, extend, popularity_from_features};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::evaluate::{ByNovelty, Evaluation, evaluate_by_novelty, evaluate_cold};
use crate::registry;
use crate::sparse::Csr;
use crate::splits::Split;

/// Neighbours from features alone.
const CONTENT_KNN: &str = "ContentKNNRecommender";

/// A way to recommend new items that needs no model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColdBaseline {
    /// Any order.
    Random,
    /// The popularity that features predict: the same list for everybody.
    PopularityFromFeatures,
    /// Items with features like those of the items that the user knows.
    ContentKnn,
}

impl ColdBaseline {
    /// All of them, the weakest first.
    pub const ALL: [ColdBaseline; 3] = [Self::Random, Self::PopularityFromFeatures, Self::ContentKnn];

    /// Returns its word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::PopularityFromFeatures => "popularity_from_features",
            Self::ContentKnn => "content_knn",
        }
    }
}

/// The side of a split that models learn from: warm items only, with their features.
pub struct WarmSide<'a> {
    split: &'a Split,
    /// All features, by the numbers of the split.
    features: &'a Csr,
    interactions: Csr,
    warm_features: Csr,
    cold_features: Csr,
    /// The penalty of the map of the last model that was judged, which those of the next one are near: its next epochs.
    penalty: Mutex<Option<f32>>,
}

impl<'a> WarmSide<'a> {
    /// Takes the warm items of a split, from the (weighted) interactions of all its items.
    pub fn new(split: &'a Split, train: &Csr) -> MlResult<Self> {
        let missing = || MlError::BadInput("this split holds out items, so it needs their features; give an item file".into());
        let features = split.item_features().ok_or_else(missing)?;
        Ok(WarmSide {
            split,
            features,
            interactions: train.columns(0..split.n_warm),
            warm_features: features.rows(0..split.n_warm),
            cold_features: features.rows(split.n_warm..features.n_rows),
            penalty: Mutex::new(None),
        })
    }

    /// Returns what a model learns from.
    pub fn input(&self) -> TrainInput<'_> {
        TrainInput { interactions: &self.interactions, items: Some(&self.warm_features), users: None }
    }

    /// Returns the features of all items, the warm ones first.
    pub(crate) fn features(&self) -> &'a Csr {
        self.features
    }

    /// Extends a model, fitted to [`WarmSide::input`], by the cold items and evaluates it. Models that are judged one after another
    /// are those of one training: the penalty of the map is looked for near the one before.
    pub fn judge(&self, model: &dyn Recommender, cutoff: usize, ctx: &Context) -> MlResult<ByNovelty> {
        if let Some(extended) = model.with_new_items(&self.cold_features, ctx)? {
            return self.evaluate(&*extended, cutoff, ctx);
        }
        let near = *self.penalty.lock().unwrap_or_else(PoisonError::into_inner);
        let map = ColdMap::fit_near(model, &self.warm_features, &self.interactions, near, ctx)?;
        *self.penalty.lock().unwrap_or_else(PoisonError::into_inner) = map.as_ref().map(ColdMap::penalty);
        let extended = extend(Base::Borrowed(model), map.as_ref(), &self.cold_features, ctx)?;
        self.evaluate(&*extended, cutoff, ctx)
    }

    /// Evaluates a baseline.
    pub fn judge_baseline(&self, baseline: ColdBaseline, cutoff: usize, ctx: &Context) -> MlResult<ByNovelty> {
        self.evaluate(&*self.baseline(baseline, ctx)?, cutoff, ctx)
    }

    /// Evaluates a baseline for cold items only.
    pub(crate) fn judge_baseline_for_cold(&self, baseline: ColdBaseline, cutoff: usize, ctx: &Context) -> MlResult<Evaluation> {
        self.evaluate_cold(&*self.baseline(baseline, ctx)?, cutoff, ctx)
    }

    /// Evaluates a model of all items of the split for cold items only.
    pub(crate) fn evaluate_cold(&self, model: &dyn Recommender, cutoff: usize, ctx: &Context) -> MlResult<Evaluation> {
        let Split { train, held_out, n_warm, .. } = self.split;
        let found = evaluate_cold(model, train, held_out, *n_warm, cutoff, ctx)?;
        found.ok_or_else(|| MlError::EmptyInput("no user has held-out interactions with new items".into()))
    }

    fn baseline(&self, baseline: ColdBaseline, ctx: &Context) -> MlResult<Box<dyn Recommender>> {
        let (n_users, n_items) = (self.split.train.n_rows, self.features.n_rows);
        match baseline {
            ColdBaseline::Random => Ok(Box::new(RandomScores::new(n_users, n_items, ctx.seed))),
            ColdBaseline::PopularityFromFeatures => {
                let counts = self.interactions.column_counts();
                let mut scores: Vec<f32> = counts.iter().map(|&n| (n as f32).ln_1p()).collect();
                scores.extend(popularity_from_features(&self.warm_features, &counts, &self.cold_features, ctx)?);
                Ok(Box::new(FixedScores::new(n_users, scores)))
            }
            ColdBaseline::ContentKnn => {
                let model = registry::fit(CONTENT_KNN, &Map::new(), self.input(), ctx)?;
                extend(Base::Owned(model), None, &self.cold_features, ctx)
            }
        }
    }

    fn evaluate(&self, model: &dyn Recommender, cutoff: usize, ctx: &Context) -> MlResult<ByNovelty> {
        let Split { train, held_out, n_warm, .. } = self.split;
        evaluate_by_novelty(model, train, held_out, *n_warm, cutoff, ctx)
    }
}
