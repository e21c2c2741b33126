//! Judging a fitted model by full ranking over all items, with confidence intervals over users.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::ml::algorithms::{Factors, Recommender};
use crate::ml::context::Context;
use crate::ml::error::{MlError, MlResult};
use crate::ml::linalg;
use crate::ml::metrics::{Discounts, ListCounts, Metric, UserMetrics, surprise_of_items};
use crate::ml::ranking::{TopK, mask};
use crate::ml::sparse::Csr;

/// Resamples of a bootstrap.
const RESAMPLES: usize = 1000;
/// Fewer for metrics that have to be recounted from the lists in every resample.
const LIST_RESAMPLES: usize = 200;
/// Scores of one block should stay in the cache that ranking then reads them from.
const BLOCK_SCORES: usize = 1 << 19;
/// Users and items of a tile of scores, for models that are factors: half a megabyte.
const TILE_USERS: usize = 128;
const TILE_ITEMS: usize = 1024;

/// The quality of a model on a split.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Every metric; averages over users where the metric is of one user.
    pub metrics: BTreeMap<Metric, f64>,
    /// Users judged, rising.
    pub users: Vec<u32>,
    /// Accuracy of each user, parallel to `users`.
    pub per_user: Vec<UserMetrics>,
    /// Length of the lists that were asked for.
    pub cutoff: usize,
    lists: Vec<Vec<u32>>,
    surprise: Vec<f64>,
    seed: u64,
}

/// Two models compared user by user on the same split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// Mean of (first − second).
    pub difference: f64,
    /// 95 % interval of that mean.
    pub interval: (f64, f64),
    /// Whether zero lies within the interval: the data cannot tell the two apart.
    pub tied: bool,
}

/// Ranks all items for every user with held-out items and measures the lists.
///
/// What a user has in `train` is never listed.
pub fn evaluate(model: &dyn Recommender, train: &Csr, held_out: &Csr, cutoff: usize, ctx: &Context) -> MlResult<Evaluation> {
    let same = |m: &Csr| m.n_rows == model.n_users() && m.n_cols == model.n_items();
    if !same(train) || !same(held_out) {
        return Err(MlError::BadInput("training and held-out matrices do not fit the model".into()));
    }
    if cutoff == 0 {
        return Err(MlError::BadInput("the cutoff must be at least 1".into()));
    }
    let users: Vec<u32> = (0..held_out.n_rows as u32).filter(|&u| held_out.row_len(u as usize) > 0).collect();
    if users.is_empty() {
        return Err(MlError::EmptyInput("no user has held-out interactions to judge by".into()));
    }
    let judge = Judge { model, train, held_out, cutoff, discounts: Discounts::new(cutoff), ctx };
    let judged = ctx.install(|| {
        let blocks = users.par_chunks(judge.block_len());
        blocks.map_init(Buffers::default, |buffers, block| judge.block(block, buffers)).collect::<MlResult<Vec<_>>>()
    })?;
    let (per_user, lists): (Vec<_>, Vec<_>) = judged.into_iter().flatten().unzip();
    let surprise = surprise_of_items(&train.column_counts(), train.n_rows);
    let mut evaluation = Evaluation { metrics: BTreeMap::new(), users, per_user, cutoff, lists, surprise, seed: ctx.seed };
    evaluation.metrics = evaluation.all_metrics();
    Ok(evaluation)
}

#[derive(Default)]
struct Buffers {
    scores: Vec<f32>,
    rows: Vec<f32>,
    selectors: Vec<TopK>,
}

impl Buffers {
    fn resize(&mut self, n_scores: usize, n_selectors: usize, cutoff: usize) {
        if self.scores.len() < n_scores {
            self.scores.resize(n_scores, 0.0);
        }
        while self.selectors.len() < n_selectors {
            self.selectors.push(TopK::new(cutoff));
        }
    }
}

struct Judge<'a> {
    model: &'a dyn Recommender,
    train: &'a Csr,
    held_out: &'a Csr,
    cutoff: usize,
    discounts: Discounts,
    ctx: &'a Context,
}

impl Judge<'_> {
    fn block_len(&self) -> usize {
        if self.model.factors().is_some() {
            return TILE_USERS;
        }
        (BLOCK_SCORES / self.model.n_items().max(1)).clamp(16, 256)
    }

    fn block(&self, users: &[u32], buffers: &mut Buffers) -> MlResult<Vec<(UserMetrics, Vec<u32>)>> {
        self.ctx.check()?;
        match self.model.factors() {
            Some(factors) => self.rank_in_tiles(users, factors, buffers),
            None => self.rank_whole_rows(users, buffers)?,
        }
        Ok(users.iter().zip(&mut buffers.selectors).map(|(&user, selector)| self.user(user as usize, selector)).collect())
    }

    fn rank_whole_rows(&self, users: &[u32], buffers: &mut Buffers) -> MlResult<()> {
        let n_items = self.model.n_items();
        buffers.resize(users.len() * n_items, users.len(), self.cutoff);
        let scores = &mut buffers.scores[..users.len() * n_items];
        self.model.score_users(users, self.train, scores)?;
        for ((&user, scores), selector) in users.iter().zip(scores.chunks_exact_mut(n_items)).zip(&mut buffers.selectors) {
            mask(scores, self.train.row_indices(user as usize));
            selector.feed(0, scores);
        }
        Ok(())
    }

    fn rank_in_tiles(&self, users: &[u32], factors: Factors<'_>, buffers: &mut Buffers) {
        let width = factors.width;
        buffers.resize(users.len() * TILE_ITEMS, users.len(), self.cutoff);
        buffers.rows.clear();
        users.iter().for_each(|&user| buffers.rows.extend_from_slice(&factors.users[user as usize * width..][..width]));
        for (tile, items) in factors.items.chunks(TILE_ITEMS * width).enumerate() {
            let (first, n) = (tile * TILE_ITEMS, items.len() / width);
            let scores = &mut buffers.scores[..users.len() * n];
            linalg::times_transposed(&buffers.rows, items, width, scores);
            for ((&user, scores), selector) in users.iter().zip(scores.chunks_exact_mut(n)).zip(&mut buffers.selectors) {
                let seen = self.train.row_indices(user as usize);
                let from = seen.partition_point(|&item| (item as usize) < first);
                let here = seen[from..].iter().take_while(|&&item| (item as usize) < first + n);
                here.for_each(|&item| scores[item as usize - first] = f32::NEG_INFINITY);
                selector.feed(first, scores);
            }
        }
    }

    fn user(&self, user: usize, selector: &mut TopK) -> (UserMetrics, Vec<u32>) {
        let list: Vec<u32> = selector.finish().into_iter().map(|(item, _)| item).collect();
        let cutoff = self.cutoff.min(self.model.n_items());
        (UserMetrics::of(&list, self.held_out.row_indices(user), cutoff, &self.discounts), list)
    }
}

impl Evaluation {
    /// The value of one metric.
    pub fn get(&self, metric: Metric) -> f64 {
        self.metrics.get(&metric).copied().unwrap_or(0.0)
    }

    /// The lists that were judged, parallel to `users`, best first.
    pub fn lists(&self) -> &[Vec<u32>] {
        &self.lists
    }

    /// A 95 % interval of a metric over users: percentile bootstrap, the same for the same seed.
    pub fn interval(&self, metric: Metric) -> (f64, f64) {
        match self.values(metric) {
            Some(values) => bootstrap_mean(&values, self.seed),
            None => self.bootstrap_lists(metric),
        }
    }

    /// Compares a per-user metric with that of another model on the same split.
    ///
    /// `None` when the users differ or the metric is not one of single users.
    pub fn compare(&self, other: &Evaluation, metric: Metric) -> Option<Comparison> {
        if self.users != other.users {
            return None;
        }
        let (ours, theirs) = (self.values(metric)?, other.values(metric)?);
        let differences: Vec<f64> = ours.iter().zip(&theirs).map(|(a, b)| a - b).collect();
        let interval = bootstrap_mean(&differences, self.seed);
        let tied = interval.0 <= 0.0 && interval.1 >= 0.0;
        Some(Comparison { difference: mean(&differences), interval, tied })
    }

    fn values(&self, metric: Metric) -> Option<Vec<f64>> {
        self.per_user.iter().map(|user| user.get(metric)).collect()
    }

    fn all_metrics(&self) -> BTreeMap<Metric, f64> {
        let mut counts = self.new_counts();
        self.lists.iter().for_each(|list| counts.add(list, &self.surprise));
        let value = |metric: Metric| match self.values(metric) {
            Some(values) => mean(&values),
            None => counts.get(metric).unwrap_or(0.0),
        };
        Metric::ALL.into_iter().map(|metric| (metric, value(metric))).collect()
    }

    fn new_counts(&self) -> ListCounts {
        ListCounts::new(self.surprise.len())
    }

    fn bootstrap_lists(&self, metric: Metric) -> (f64, f64) {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let resample = |_| {
            let mut counts = self.new_counts();
            for _ in 0..self.lists.len() {
                counts.add(&self.lists[rng.random_range(0..self.lists.len())], &self.surprise);
            }
            counts.get(metric).unwrap_or(0.0)
        };
        percentiles((0..LIST_RESAMPLES).map(resample).collect())
    }
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// A 95 % interval of a mean: percentile bootstrap, the same for the same seed.
pub(super) fn bootstrap_mean(values: &[f64], seed: u64) -> (f64, f64) {
    if values.is_empty() {
        return (0.0, 0.0);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let n = values.len();
    let resample = |_| (0..n).map(|_| values[rng.random_range(0..n as u32) as usize]).sum::<f64>() / n as f64;
    percentiles((0..RESAMPLES).map(resample).collect())
}

/// The 2.5th and 97.5th percentile.
fn percentiles(mut means: Vec<f64>) -> (f64, f64) {
    means.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| means[((means.len() - 1) as f64 * share).round() as usize];
    (at(0.025), at(0.975))
}
