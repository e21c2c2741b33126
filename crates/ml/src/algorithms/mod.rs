//! The algorithms: each file holds the parameters, default search space, fitting and scoring of one.

mod asymmetric_cosine_knn;
mod bprfm;
mod cosine_knn;
mod dense_slim;
mod factor_model;
mod feature_weighting;
mod ials;
mod item_similarity;
mod jaccard_knn;
mod multvae;
mod neighbours;
mod nmf;
mod noise;
mod params;
mod random_walks;
mod singular;
mod slim;
mod top_pop;
mod truncated_svd;
mod user_knn;
mod user_similarity;

pub use params::{ParameterKind, ParameterSpec, Params};

use serde_json::{Map, Value};

use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::search_space::SearchSpace;
use crate::simd::Kernels;
use crate::sparse::Csr;
use crate::tensors::{TensorReader, TensorWriter};

/// A fitted model. Scores are comparable within one user only.
pub trait Recommender: Send + Sync {
    /// Returns the number of users it was fitted on.
    fn n_users(&self) -> usize;

    /// Returns the number of items it was fitted on.
    fn n_items(&self) -> usize;

    /// Scores all items for some users it was fitted on: `out` is `users.len()` × `n_items`, by rows.
    ///
    /// `seen` holds the rows the model was fitted on. Runs on the calling thread; callers parallelise over blocks.
    fn score_users(&self, users: &[u32], seen: &Csr, out: &mut [f32]) -> MlResult<()>;

    /// Scores all items for a user known only by items (distinct, in any order).
    fn score_history(&self, items: &[u32], out: &mut [f32]) -> MlResult<()>;

    /// Scores all items by similarity to one; the value of the item itself means nothing.
    fn similar_items(&self, item: u32, out: &mut [f32]) -> MlResult<()>;

    /// Computes what each item of a history (distinct) adds to the scores of some items for a user known only by that history:
    /// `items.len()` × `history.len()`, by rows.
    ///
    /// The result is exact, so that it sums up to the score, for models that are linear in the history and for least squares. All
    /// others leave one out: the score of the whole history minus that without the item, which costs one scoring for each item of
    /// the history, for any number of items asked about.
    fn contributions(&self, history: &[u32], items: &[u32]) -> MlResult<Vec<f32>> {
        if let Some(item) = items.iter().find(|item| **item as usize >= self.n_items()) {
            return Err(MlError::BadInput(format!("the model has no item number {item}")));
        }
        let (mut whole, mut without) = (vec![0f32; self.n_items()], vec![0f32; self.n_items()]);
        self.score_history(history, &mut whole)?;
        let mut contributions = vec![0f32; items.len() * history.len()];
        for at in 0..history.len() {
            self.score_history(&[&history[..at], &history[at + 1..]].concat(), &mut without)?;
            for (&item, row) in items.iter().zip(contributions.chunks_exact_mut(history.len())) {
                row[at] = whole[item as usize] - without[item as usize];
            }
        }
        Ok(contributions)
    }

    /// Returns the factors whose products are the scores of known users, for models that consist of nothing else.
    ///
    /// Ranking can then go through the items in tiles that stay in the cache, or score only few of them exactly.
    fn factors(&self) -> Option<Factors<'_>> {
        None
    }

    /// Computes the factors of a user known only by items (distinct, in any order), for models that have
    /// [`Recommender::factors`]; their products with those of the items are what [`Recommender::score_history`] gives.
    fn user_vector(&self, items: &[u32]) -> MlResult<Option<Vec<f32>>> {
        let _ = items;
        Ok(None)
    }

    /// Returns whether scoring a block takes as long as scoring its users one by one; small blocks, whose scores stay in the
    /// cache, are best then.
    fn scores_one_by_one(&self) -> bool {
        false
    }

    /// Adds what the model learnt to a container, from which its algorithm can read it back.
    fn save<'a>(&'a self, out: &mut TensorWriter<'a>);

    /// Returns the bytes held on the heap, approximately.
    fn heap_bytes(&self) -> u64;
}

/// Two matrices by rows, `width` long, whose products are scores.
#[derive(Debug, Clone, Copy)]
pub struct Factors<'a> {
    /// A row for each user.
    pub users: &'a [f32],
    /// A row for each item.
    pub items: &'a [f32],
    /// Length of a row, a multiple of [`crate::simd::PAD`].
    pub width: usize,
}

impl<'a> Factors<'a> {
    /// Returns the row of a user, if there is one.
    pub fn user(&self, user: u32) -> Option<&'a [f32]> {
        self.users.get(user as usize * self.width..)?.get(..self.width)
    }

    /// Scores all items for a user with these factors. Every score of a single user is computed here or with the same kernel, so
    /// that all ways to a list give the same one.
    pub fn score(&self, user: &[f32], out: &mut [f32]) {
        Kernels::detect().products(self.items, user, out);
    }

    /// Scores all items for some users, by rows.
    fn score_users(&self, users: &[u32], out: &mut [f32]) {
        let n_items = self.items.len() / self.width.max(1);
        for (&user, out) in users.iter().zip(out.chunks_exact_mut(n_items.max(1))) {
            self.score(&self.users[user as usize * self.width..][..self.width], out);
        }
    }
}

/// An earlier model of the same algorithm to start from.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// Its parameters.
    pub parameters: &'a Map<String, Value>,
    /// Its learnt factors.
    pub factors: Factors<'a>,
    /// For each user of the training matrix, the row of that user in those factors, if there is one.
    pub users: &'a [Option<u32>],
    /// For each item of the training matrix, the row of that item in those factors, if there is one.
    pub items: &'a [Option<u32>],
}

/// The decision after an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Continue.
    Continue,
    /// Enough learnt; the model as it is now is the result.
    Stop,
    /// Not worth finishing; the model as it is now is the result.
    Prune,
}

/// A hook that is called after each epoch, counted from 1, with the model as it is then.
pub type EpochHook<'a> = dyn FnMut(u32, &dyn Recommender) -> MlResult<Control> + 'a;

/// The size of a training matrix, from which memory is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrainShape {
    /// Rows.
    pub n_users: usize,
    /// Columns.
    pub n_items: usize,
    /// Entries.
    pub nnz: usize,
}

impl TrainShape {
    /// Returns the size of a matrix.
    pub fn of(train: &Csr) -> Self {
        TrainShape { n_users: train.n_rows, n_items: train.n_cols, nnz: train.nnz() }
    }
}

type Model = Box<dyn Recommender>;

/// An entry of the registry: one algorithm.
pub struct AlgorithmInfo {
    /// Class name, as on the wire.
    pub name: &'static str,
    /// Short form, also accepted.
    pub short: &'static str,
    /// One line that helps a user choose.
    pub summary: &'static str,
    early_stopping: bool,
    parameters: fn() -> Vec<ParameterSpec>,
    estimate: fn(&Params<'_>, TrainShape) -> MlResult<u64>,
    fit: fn(&Params<'_>, &Csr, &Context, &mut EpochHook<'_>) -> MlResult<Model>,
    load: fn(&TensorReader<'_>, n_users: usize, n_items: usize) -> MlResult<Model>,
}

impl std::fmt::Debug for AlgorithmInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AlgorithmInfo").field("name", &self.name).finish_non_exhaustive()
    }
}

impl AlgorithmInfo {
    /// Returns every parameter with its type, default and range.
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        (self.parameters)()
    }

    /// Returns what a search tries by default.
    pub fn search_space(&self) -> SearchSpace {
        let searched = |spec: ParameterSpec| spec.search.map(|domain| (spec.name, domain));
        self.parameters().into_iter().filter_map(searched).collect()
    }

    /// Returns whether the algorithm learns in epochs, so that it can be stopped early or pruned.
    pub fn early_stopping(&self) -> bool {
        self.early_stopping
    }

    /// Refuses unknown parameters and values outside their domain, naming them.
    pub fn check(&self, params: &Map<String, Value>) -> MlResult<()> {
        Params::check(self.name, self.parameters(), params).map(|_| ())
    }

    /// Estimates the peak memory of fitting, in bytes, beyond the training matrix.
    pub fn estimate_memory_bytes(&self, params: &Map<String, Value>, shape: TrainShape) -> MlResult<u64> {
        (self.estimate)(&Params::check(self.name, self.parameters(), params)?, shape)
    }

    /// Rebuilds a fitted model from a container, and trusts nothing in it.
    pub fn load(&self, input: &TensorReader<'_>, n_users: usize, n_items: usize) -> MlResult<Model> {
        (self.load)(input, n_users, n_items)
    }
}

static REGISTRY: &[AlgorithmInfo] = &[
    top_pop::INFO,
    cosine_knn::INFO,
    asymmetric_cosine_knn::INFO,
    jaccard_knn::JACCARD,
    jaccard_knn::TVERSKY,
    user_knn::COSINE,
    user_knn::ASYMMETRIC_COSINE,
    random_walks::P3ALPHA,
    random_walks::RP3BETA,
    dense_slim::DENSE_SLIM,
    dense_slim::EDLAE,
    slim::INFO,
    truncated_svd::INFO,
    nmf::INFO,
    ials::INFO,
    bprfm::INFO,
    multvae::INFO,
];

/// Returns all algorithms.
pub fn registry() -> &'static [AlgorithmInfo] {
    REGISTRY
}

/// Finds an algorithm by class name, by the name of its 0.x optimizer class, or by short form.
pub fn find(name: &str) -> MlResult<&'static AlgorithmInfo> {
    let short = name.strip_suffix("Recommender").or_else(|| name.strip_suffix("Optimizer")).unwrap_or(name);
    REGISTRY.iter().find(|info| info.short == short).ok_or_else(|| MlError::UnknownAlgorithm {
        name: name.to_owned(),
        known: REGISTRY.iter().map(|info| info.name.to_owned()).collect(),
    })
}

/// Fits an algorithm to a training matrix.
pub fn fit(algorithm: &str, params: &Map<String, Value>, train: &Csr, ctx: &Context) -> MlResult<Model> {
    fit_with_validation(algorithm, params, train, ctx, &mut |_, _| Ok(Control::Continue))
}

/// Fits, and calls `hook` with the model after each epoch of an algorithm that has epochs.
pub fn fit_with_validation(
    algorithm: &str,
    params: &Map<String, Value>,
    train: &Csr,
    ctx: &Context,
    hook: &mut EpochHook<'_>,
) -> MlResult<Model> {
    let info = find(algorithm)?;
    let params = Params::check(info.name, info.parameters(), params)?;
    if train.nnz() == 0 {
        return Err(MlError::EmptyInput("there are no interactions to learn from".into()));
    }
    ctx.require_memory(&format!("fitting {}", info.name), (info.estimate)(&params, TrainShape::of(train))?)?;
    ctx.check()?;
    (info.fit)(&params, train, ctx, hook)
}

/// Fits from an earlier model in a part of the epochs. Returns `None` without doing anything when the algorithm cannot or the two
/// models differ in shape: then the caller uses [`fit`]. The result depends on that model; it is as good as that of [`fit`], but
/// not the same.
pub fn fit_from(
    algorithm: &str,
    params: &Map<String, Value>,
    train: &Csr,
    before: &Before<'_>,
    ctx: &Context,
) -> MlResult<Option<Model>> {
    let info = find(algorithm)?;
    if info.name != ials::INFO.name || train.nnz() == 0 {
        return Ok(None);
    }
    let params = Params::check(info.name, info.parameters(), params)?;
    ctx.require_memory(&format!("fitting {}", info.name), (info.estimate)(&params, TrainShape::of(train))?)?;
    ctx.check()?;
    ials::warm_start::fit(&params, train, before, ctx)
}

/// Checks the arguments of [`Recommender::score_users`], so that implementations may index freely.
fn check_block(model: &dyn Recommender, users: &[u32], seen: Option<&Csr>, out: &[f32]) -> MlResult<()> {
    let fits = out.len() == users.len() * model.n_items()
        && users.iter().all(|&user| (user as usize) < model.n_users())
        && seen.is_none_or(|m| m.n_rows == model.n_users() && m.n_cols == model.n_items());
    if fits { Ok(()) } else { Err(MlError::BadInput("users, interactions or buffer do not fit the model".into())) }
}

/// Checks the arguments of [`Recommender::score_history`] and [`Recommender::similar_items`].
fn check_items(model: &dyn Recommender, items: &[u32], out: &[f32]) -> MlResult<()> {
    let fits = out.len() == model.n_items() && items.iter().all(|&item| (item as usize) < model.n_items());
    if fits { Ok(()) } else { Err(MlError::BadInput("items or buffer do not fit the model".into())) }
}

/// Checks the argument of [`Recommender::user_vector`].
fn check_history(model: &dyn Recommender, history: &[u32]) -> MlResult<()> {
    let known = |&item: &u32| (item as usize) < model.n_items();
    if history.iter().all(known) { Ok(()) } else { Err(MlError::BadInput("items do not fit the model".into())) }
}

/// Checks the arguments of [`Recommender::contributions`].
fn check_pairs(model: &dyn Recommender, history: &[u32], items: &[u32]) -> MlResult<()> {
    check_history(model, history)?;
    check_history(model, items)
}
