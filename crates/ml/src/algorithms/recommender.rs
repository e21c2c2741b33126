//! The interface of a fitted model.

use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::simd::Kernels;
use crate::sparse::Csr;
use crate::tensors::TensorWriter;

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
    /// others use leave-one-out: the score of the whole history minus that without the item, which costs one scoring for each
    /// item of the history, for any number of requested items.
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
    /// [`Recommender::factors`]; their products with the factors of the items equal [`Recommender::score_history`].
    fn user_vector(&self, items: &[u32]) -> MlResult<Option<Vec<f32>>> {
        let _ = items;
        Ok(None)
    }

    /// Returns the weights between items of which the scores are sums, for models that consist of nothing else.
    fn item_weights(&self) -> Option<ItemWeights<'_>> {
        None
    }

    /// Returns the model with more items behind its own, for models that are made of the features of items alone; see
    /// [`super::extend`] for all others.
    fn with_new_items(&self, features: &Csr, ctx: &Context) -> MlResult<Option<Box<dyn Recommender>>> {
        let _ = (features, ctx);
        Ok(None)
    }

    /// Returns the map from the features of an item to its factors, for models of factors that learnt it together with them: a
    /// row as long as the factors for each feature, and one for the constant.
    fn item_feature_map(&self) -> Option<&[f32]> {
        None
    }

    /// Returns the same map from the features of a user.
    fn user_feature_map(&self) -> Option<&[f32]> {
        None
    }

    /// Returns whether scoring a block takes as long as scoring its users one by one; small blocks, whose scores stay in the
    /// cache, are best then.
    fn scores_one_by_one(&self) -> bool {
        false
    }

    /// Adds the learnt parameters to a container, from which its algorithm can read them back.
    fn save<'a>(&'a self, out: &mut TensorWriter<'a>);

    /// Returns the bytes held on the heap, approximately.
    fn heap_bytes(&self) -> u64;
}

/// Weights between items; row: the item known, column: the item scored.
#[derive(Debug, Clone, Copy)]
pub enum ItemWeights<'a> {
    /// Most are zero.
    Sparse(&'a Csr),
    /// All, by rows.
    Dense(&'a [f32]),
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
    pub(super) fn n_users(&self) -> usize {
        self.users.len() / self.width
    }

    pub(super) fn n_items(&self) -> usize {
        self.items.len() / self.width
    }

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
    pub(super) fn score_users(&self, users: &[u32], out: &mut [f32]) {
        let n_items = self.items.len() / self.width.max(1);
        for (&user, out) in users.iter().zip(out.chunks_exact_mut(n_items.max(1))) {
            self.score(&self.users[user as usize * self.width..][..self.width], out);
        }
    }
}

/// Writes the functions of [`Recommender`] that are the same for all models that consist of factors. Such a model has two functions
/// of its own: `as_factors`, and `fold_in`, which computes the factors of a user with a history.
macro_rules! scores_by_factors {
    () => {
        fn n_users(&self) -> usize {
            self.as_factors().n_users()
        }

        fn n_items(&self) -> usize {
            self.as_factors().n_items()
        }

        fn score_users(&self, users: &[u32], _: &$crate::sparse::Csr, out: &mut [f32]) -> $crate::error::MlResult<()> {
            $crate::algorithms::recommender::check_block(self, users, None, out)?;
            self.as_factors().score_users(users, out);
            Ok(())
        }

        fn score_history(&self, items: &[u32], out: &mut [f32]) -> $crate::error::MlResult<()> {
            $crate::algorithms::recommender::check_items(self, items, out)?;
            self.as_factors().score(&self.fold_in(items)?, out);
            Ok(())
        }

        fn factors(&self) -> Option<$crate::algorithms::Factors<'_>> {
            Some(self.as_factors())
        }

        fn user_vector(&self, items: &[u32]) -> $crate::error::MlResult<Option<Vec<f32>>> {
            $crate::algorithms::recommender::check_history(self, items)?;
            self.fold_in(items).map(Some)
        }
    };
}
pub(super) use scores_by_factors;

/// Checks the arguments of [`Recommender::score_users`], so that implementations may index freely.
pub(super) fn check_block(model: &dyn Recommender, users: &[u32], seen: Option<&Csr>, out: &[f32]) -> MlResult<()> {
    let fits = out.len() == users.len() * model.n_items()
        && users.iter().all(|&user| (user as usize) < model.n_users())
        && seen.is_none_or(|m| m.n_rows == model.n_users() && users.iter().all(|&user| row_fits(m, user, model)));
    if fits { Ok(()) } else { Err(MlError::BadInput("users, interactions or buffer do not fit the model".into())) }
}

/// Returns whether a user has interacted only with items of the model: the matrix may have more items behind them.
fn row_fits(seen: &Csr, user: u32, model: &dyn Recommender) -> bool {
    seen.row_indices(user as usize).last().is_none_or(|&item| (item as usize) < model.n_items())
}

/// Checks the arguments of [`Recommender::score_history`] and [`Recommender::similar_items`].
pub(super) fn check_items(model: &dyn Recommender, items: &[u32], out: &[f32]) -> MlResult<()> {
    let fits = out.len() == model.n_items() && items.iter().all(|&item| (item as usize) < model.n_items());
    if fits { Ok(()) } else { Err(MlError::BadInput("items or buffer do not fit the model".into())) }
}

/// Checks the argument of [`Recommender::user_vector`].
pub(super) fn check_history(model: &dyn Recommender, history: &[u32]) -> MlResult<()> {
    let known = |&item: &u32| (item as usize) < model.n_items();
    if history.iter().all(known) { Ok(()) } else { Err(MlError::BadInput("items do not fit the model".into())) }
}

/// Checks the arguments of [`Recommender::contributions`].
pub(super) fn check_pairs(model: &dyn Recommender, history: &[u32], items: &[u32]) -> MlResult<()> {
    check_history(model, history)?;
    check_history(model, items)
}
