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

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use serde_json::json;

    use super::*;
    use crate::features::{FeatureSpec, FeatureTable, FeatureTableBuilder};
    use crate::interactions::{InteractionLog, InteractionLogBuilder};
    use crate::metrics::Metric;
    use crate::splits::{SplitConfig, SplitScheme, split};

    const USERS: usize = 60;
    const ITEMS: usize = 80;
    const SEEDS: u64 = 60;

    /// A shop of which the first items are the most popular ones, with a name of each and one of two colours.
    struct Shop {
        log: InteractionLog,
        table: FeatureTable,
    }

    /// Creates the shop with ids that `rank` puts in order; all else is the same.
    fn shop(rank: impl Fn(usize) -> usize) -> Shop {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut log = InteractionLogBuilder::new(true);
        let mut items = FeatureTableBuilder::new(["name", "colour"].map(str::to_owned).to_vec());
        for item in 0..ITEMS {
            let id = format!("i{:03}", rank(item));
            let colour = ["red", "blue"][rng.random_range(0..2)];
            items.push(&id, [(0, json!(format!("n{item}"))), (1, json!(colour))]);
            for user in 0..USERS {
                if rng.random_bool((1.5 / (item as f64 + 2.0)).min(0.9)) {
                    log.push(&format!("u{user:02}"), &id, Some((item * 37 % ITEMS) as i64));
                }
            }
        }
        Shop { log: log.finish(), table: items.finish().0 }
    }

    impl Shop {
        /// Returns the cold ndcg of a model and of a random order.
        fn ndcg(&self, algorithm: &str, column: &str, scheme: SplitScheme, random_seed: u64) -> (f64, f64) {
            let ctx = Context::new(random_seed, 1 + random_seed as usize % 2);
            let spec =
                json!({ "version": 1, "fields": [{ "column": column, "kind": "category", "options": { "min_count": 1 } }] });
            let spec: FeatureSpec = serde_json::from_value(spec).unwrap();
            let cfg = SplitConfig { scheme, random_seed, ..SplitConfig::default() };
            let divided = split(&self.log, &cfg).unwrap();
            let divided = divided.with_item_features(&spec, &self.table, &self.log.items, 0, &ctx).unwrap();
            let side = WarmSide::new(&divided, &divided.train).unwrap();
            let random = side.judge_baseline(ColdBaseline::Random, 10, &ctx).unwrap();
            let found = match algorithm {
                "popularity" => side.judge_baseline(ColdBaseline::PopularityFromFeatures, 10, &ctx).unwrap(),
                _ => {
                    let params = json!({ "n_components": 4, "train_epochs": 2 });
                    let params = if algorithm == "IALS" { params.as_object().unwrap().clone() } else { Map::new() };
                    side.judge(&*registry::fit(algorithm, &params, side.input(), &ctx).unwrap(), 10, &ctx).unwrap()
                }
            };
            let cold = |found: ByNovelty| found.cold.unwrap().get(Metric::Ndcg);
            (cold(found), cold(random))
        }
    }

    /// Returns the mean of some differences in units of its standard error.
    fn errors(differences: &[f64]) -> f64 {
        let n = differences.len() as f64;
        let mean = differences.iter().sum::<f64>() / n;
        let variance = differences.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        mean / (variance / n).sqrt()
    }

    #[test]
    fn features_that_tell_nothing_are_level_with_any_order_however_ids_are_ordered() {
        for (shop, order) in [(shop(|item| item), "the popular first"), (shop(|item| ITEMS - 1 - item), "the popular last")] {
            for algorithm in ["IALS", "RP3beta", "ContentKNN", "popularity"] {
                let difference = |seed| {
                    let (model, random) = shop.ndcg(algorithm, "name", SplitScheme::CI, seed);
                    model - random
                };
                let found = errors(&(0..SEEDS).map(difference).collect::<Vec<_>>());
                assert!(found.abs() < 3.5, "{algorithm}, ids with {order}: {found} standard errors from any order");
            }
        }
    }

    #[test]
    fn one_evaluation_is_enough_to_see_that_features_tell_nothing() {
        let (shop, ctx) = (shop(|item| item), Context::new(5, 2));
        let spec = json!({ "version": 1, "fields": [{ "column": "name", "kind": "category", "options": { "min_count": 1 } }] });
        let spec: FeatureSpec = serde_json::from_value(spec).unwrap();
        let n_tied = |seed: &u64| {
            let cfg = SplitConfig { scheme: SplitScheme::CI, random_seed: *seed, ..SplitConfig::default() };
            let divided = split(&shop.log, &cfg).unwrap();
            let divided = divided.with_item_features(&spec, &shop.table, &shop.log.items, 0, &ctx).unwrap();
            let side = WarmSide::new(&divided, &divided.train).unwrap();
            let model = registry::fit("RP3beta", &Map::new(), side.input(), &ctx).unwrap();
            let cold = side.judge(&*model, 10, &ctx).unwrap().cold.unwrap();
            let random = side.judge_baseline(ColdBaseline::Random, 10, &ctx).unwrap().cold.unwrap();
            cold.compare(&random, Metric::Ndcg).unwrap().tied
        };
        // An interval of 95 % is wrong once in twenty times.
        let n = (0..40).filter(n_tied).count();
        assert!(n >= 34, "level with any order with {n} of 40 seeds");
    }

    #[test]
    fn names_of_items_change_no_quality() {
        let (first, last) = (shop(|item| item), shop(|item| ITEMS - 1 - item));
        for (algorithm, scheme) in [
            ("IALS", SplitScheme::CI),
            ("RP3beta", SplitScheme::CI),
            ("popularity", SplitScheme::CI),
            ("ContentKNN", SplitScheme::CI),
            ("IALS", SplitScheme::TI),
        ] {
            let difference = |seed| {
                let ndcg = |shop: &Shop| shop.ndcg(algorithm, "colour", scheme, seed).0;
                ndcg(&first) - ndcg(&last)
            };
            let found = errors(&(0..SEEDS).map(difference).collect::<Vec<_>>());
            assert!(found.abs() < 3.5, "{algorithm}, {scheme:?}: {found} standard errors apart");
        }
    }
}
