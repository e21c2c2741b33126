//! Evaluating a fitted model by full ranking over all items, with confidence intervals over users.

mod bootstrap;
mod factor_ranking;
mod novelty;
mod segments;

pub use novelty::{ByNovelty, evaluate_by_novelty, evaluate_cold};
pub use segments::{Segment, Segments};

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use factor_ranking::{FactorRanking, Scratch};

use crate::algorithms::Recommender;
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::metrics::{Discounts, ListCounts, Metric, UserMetrics, surprise_of_items};
use crate::ranking::{TopK, mask};
use crate::sparse::Csr;

/// Resamples of a bootstrap.
const RESAMPLES: usize = 1000;
/// Scores of one block: half a megabyte, which stays in the cache that ranking then reads them from ...
const SMALL_BLOCK: usize = 1 << 17;
/// ... or 16 megabytes, where many users share one pass over the model.
const LARGE_BLOCK: usize = 1 << 22;
/// Users ranked at once, for models that are factors.
const FACTOR_BLOCK: usize = 240;

/// The quality of a model on a split.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Every metric; averages over users where the metric is of one user.
    pub metrics: BTreeMap<Metric, f64>,
    /// Evaluated users, rising.
    pub users: Vec<u32>,
    /// Accuracy of each user, parallel to `users`.
    pub per_user: Vec<UserMetrics>,
    /// Requested length of the lists.
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
    /// Whether zero lies within the interval: the data cannot distinguish the two models.
    pub tied: bool,
}

/// Ranks all items for every user with held-out items and measures the lists.
///
/// Items that a user has in `train` are never listed.
pub fn evaluate(model: &dyn Recommender, train: &Csr, held_out: &Csr, cutoff: usize, ctx: &Context) -> MlResult<Evaluation> {
    evaluate_with(model, (train, held_out), cutoff, Ties::ByNumber, ctx)
}

/// How equal scores are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ties {
    /// The smaller number first.
    ByNumber,
    /// From an item on that is drawn for each user: over all users, an order of its own for each would tell no more.
    Drawn,
}

impl Ties {
    /// Returns the item from which on equal scores of a user are taken.
    fn first(self, user: u32, n_items: usize, seed: u64) -> u32 {
        match self {
            Self::ByNumber => 0,
            // A stream of its own for each user: the same on any number of threads.
            Self::Drawn => {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                rng.set_stream(u64::from(user));
                rng.random_range(0..n_items as u32)
            }
        }
    }
}

/// Evaluates a model as [`evaluate`] does, on its training and its held-out matrix.
fn evaluate_with(
    model: &dyn Recommender,
    (train, held_out): (&Csr, &Csr),
    cutoff: usize,
    ties: Ties,
    ctx: &Context,
) -> MlResult<Evaluation> {
    let same = |m: &Csr| m.n_rows == model.n_users() && m.n_cols == model.n_items();
    if !same(train) || !same(held_out) {
        return Err(MlError::BadInput("training and held-out matrices do not fit the model".into()));
    }
    if cutoff == 0 {
        return Err(MlError::BadInput("the cutoff must be at least 1".into()));
    }
    let users: Vec<u32> = (0..held_out.n_rows as u32).filter(|&u| held_out.row_len(u as usize) > 0).collect();
    if users.is_empty() {
        return Err(MlError::EmptyInput("no user has held-out interactions; nothing can be evaluated".into()));
    }
    let discounts = Discounts::new(cutoff.min(model.n_items()));
    let judged = ctx.install(|| {
        let factors = model.factors().map(FactorRanking::new);
        let judge = Judge { model, train, held_out, cutoff, ties, discounts, factors, ctx };
        let blocks = users.par_chunks(judge.block_len(users.len()));
        blocks.map_init(Buffers::default, |buffers, block| judge.block(block, buffers)).collect::<MlResult<Vec<_>>>()
    })?;
    let (per_user, lists): (Vec<_>, Vec<_>) = judged.into_iter().flatten().unzip();
    let surprise = surprise_of_items(&train.column_counts(), train.n_rows);
    let mut evaluation = Evaluation { metrics: BTreeMap::new(), users, per_user, cutoff, lists, surprise, seed: ctx.seed };
    evaluation.metrics = evaluation.all_metrics();
    Ok(evaluation)
}

/// Returns how many users' scores of all items make up one block.
fn users_at_once(model: &dyn Recommender) -> usize {
    let scores = if model.scores_one_by_one() { SMALL_BLOCK } else { LARGE_BLOCK };
    (scores / model.n_items().max(1)).clamp(4, 256)
}

#[derive(Default)]
struct Buffers {
    scores: Vec<f32>,
    factors: Scratch,
    selectors: Vec<TopK>,
}

struct Judge<'a> {
    model: &'a dyn Recommender,
    train: &'a Csr,
    held_out: &'a Csr,
    cutoff: usize,
    ties: Ties,
    discounts: Discounts,
    factors: Option<FactorRanking<'a>>,
    ctx: &'a Context,
}

impl Judge<'_> {
    fn block_len(&self, n_users: usize) -> usize {
        let fitting = if self.factors.is_some() { FACTOR_BLOCK } else { users_at_once(self.model) };
        // Several blocks for every thread.
        fitting.min(n_users.div_ceil(self.ctx.threads * 4)).max(1)
    }

    fn block(&self, users: &[u32], buffers: &mut Buffers) -> MlResult<Vec<(UserMetrics, Vec<u32>)>> {
        self.ctx.check()?;
        while buffers.selectors.len() < users.len() {
            buffers.selectors.push(TopK::new(self.cutoff));
        }
        for (user, selector) in users.iter().zip(&mut buffers.selectors) {
            selector.turn_to(self.ties.first(*user, self.model.n_items(), self.ctx.seed), self.model.n_items());
        }
        match &self.factors {
            Some(factors) => factors.rank(users, self.train, &mut buffers.selectors, &mut buffers.factors, self.ctx)?,
            None => self.rank_whole_rows(users, buffers)?,
        }
        Ok(users.iter().zip(&mut buffers.selectors).map(|(&user, selector)| self.user(user as usize, selector)).collect())
    }

    fn rank_whole_rows(&self, users: &[u32], buffers: &mut Buffers) -> MlResult<()> {
        let n_items = self.model.n_items();
        if buffers.scores.len() < users.len() * n_items {
            buffers.scores.resize(users.len() * n_items, 0.0);
        }
        let scores = &mut buffers.scores[..users.len() * n_items];
        self.model.score_users(users, self.train, scores)?;
        for ((&user, scores), selector) in users.iter().zip(scores.chunks_exact_mut(n_items)).zip(&mut buffers.selectors) {
            mask(scores, self.train.row_indices(user as usize));
            selector.feed_all(scores);
        }
        Ok(())
    }

    fn user(&self, user: usize, selector: &mut TopK) -> (UserMetrics, Vec<u32>) {
        let list: Vec<u32> = selector.finish().into_iter().map(|(item, _)| item).collect();
        let cutoff = self.cutoff.min(self.model.n_items());
        let listable = self.model.n_items() - self.train.row_len(user);
        (UserMetrics::of(&list, self.held_out.row_indices(user), cutoff, listable, &self.discounts), list)
    }
}

impl Evaluation {
    /// Returns the value of one metric.
    pub fn get(&self, metric: Metric) -> f64 {
        self.metrics.get(&metric).copied().unwrap_or(0.0)
    }

    /// Returns the evaluated lists, parallel to `users`, best first.
    pub fn lists(&self) -> &[Vec<u32>] {
        &self.lists
    }

    /// Returns a 95 % interval of a metric over users: percentile bootstrap, the same for the same seed. `None` for metrics of
    /// all lists together: a resample has some users twice and others not at all, so it covers fewer items than the lists do.
    pub fn interval(&self, metric: Metric) -> Option<(f64, f64)> {
        self.values(metric).map(|values| bootstrap_mean(&values, self.seed))
    }

    /// Returns the interval of every metric that has one, sooner than one after the other.
    pub fn intervals(&self) -> BTreeMap<Metric, (f64, f64)> {
        let values = |user: &UserMetrics| Metric::PER_USER.map(|metric| user.get(metric).unwrap_or(0.0));
        let per_user = mean_intervals(&self.per_user.iter().map(values).collect::<Vec<_>>(), self.seed);
        Metric::PER_USER.into_iter().zip(per_user).collect()
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
}

/// Returns the mean, zero for no values.
pub(crate) fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Computes a 95 % interval of a mean: percentile bootstrap, the same for the same seed; zeros for no values.
pub(crate) fn bootstrap_mean(values: &[f64], seed: u64) -> (f64, f64) {
    let alone: Vec<[f64; 1]> = values.iter().map(|&value| [value]).collect();
    mean_intervals(&alone, seed).first().copied().unwrap_or_default()
}

/// Computes the interval of the mean of each of several columns of values.
fn mean_intervals<const N: usize>(values: &[[f64; N]], seed: u64) -> Vec<(f64, f64)> {
    bootstrap::intervals(values.len(), RESAMPLES, seed, |drawn| {
        let mut sums = [0f64; N];
        drawn.iter().for_each(|&at| sums.iter_mut().zip(&values[at as usize]).for_each(|(sum, value)| *sum += value));
        sums.iter().map(|sum| sum / values.len() as f64).collect()
    })
}
