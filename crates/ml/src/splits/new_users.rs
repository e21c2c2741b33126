//! A split some of whose users are new to the models.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::Split;
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::features::{Encoder, FeatureSpec, FeatureTable, FieldNote};
use crate::ids::Ids;
use crate::sparse::Csr;

/// Users of a split that a model is not trained on, and the features of all users.
#[derive(Debug, Clone, PartialEq)]
pub struct NewUsers {
    is_new: Vec<bool>,
    /// The held-out interactions of the new users.
    held_out: Csr,
    /// Of all users, by rows.
    features: Csr,
    notes: Vec<FieldNote>,
}

/// What is known of users beside their interactions.
#[derive(Debug, Clone, Copy)]
pub struct UserFeatures<'a> {
    /// What the columns mean.
    pub spec: &'a FeatureSpec,
    /// The values.
    pub table: &'a FeatureTable,
    /// The users of the log that was split.
    pub users: &'a Ids,
    /// The moment in microseconds against which ages are measured; without one, the latest date of the users to learn from.
    pub now: Option<i64>,
}

impl NewUsers {
    /// Chooses the new users: those with held-out interactions who have nothing else, or without any such, this share of those
    /// with held-out interactions. What encoding the features takes is learnt from the others.
    pub fn choose(split: &Split, share: f64, known: UserFeatures<'_>, ctx: &Context) -> MlResult<Self> {
        let has_no_history = |user: &&u32| split.train.row_len(**user as usize) == 0;
        let mut new: Vec<u32> = split.test_users.iter().filter(has_no_history).copied().collect();
        if new.is_empty() {
            new = drawn_users(&split.test_users, share, ctx.seed);
        }
        let mut is_new = vec![false; split.train.n_rows];
        new.iter().for_each(|&user| is_new[user as usize] = true);
        let learns_from = |user: usize| !is_new[user] && split.train.row_len(user) > 0;
        if !(0..split.train.n_rows).any(learns_from) {
            return Err(MlError::BadSplit("nothing is left to learn from; choose a smaller share of new users".into()));
        }
        let UserFeatures { spec, table, users, now } = known;
        let rows: Vec<Option<u32>> = users.iter().map(|user| table.ids().find(user)).collect();
        let lessons: Vec<Option<u32>> = (0..rows.len()).filter(|user| learns_from(*user)).map(|user| rows[user]).collect();
        let (encoder, features) = Encoder::fit_and_encode(spec, table, (&lessons, &rows), now, ctx)?;
        let held_out = only(&split.held_out, |user| is_new[user]);
        Ok(NewUsers { is_new, held_out, features, notes: encoder.notes().to_vec() })
    }

    /// Returns the number of new users.
    pub fn n_new(&self) -> usize {
        self.is_new.iter().filter(|is_new| **is_new).count()
    }

    /// Returns the number of interactions that their lists are judged by.
    pub fn n_held_out(&self) -> usize {
        self.held_out.nnz()
    }

    /// Returns what should be known of how the features were encoded.
    pub fn notes(&self) -> &[FieldNote] {
        &self.notes
    }

    /// Returns the number of features.
    pub fn n_features(&self) -> usize {
        self.features.n_cols
    }

    /// Returns the (weighted) training interactions of the other users, from those of all.
    pub fn others(&self, train: &Csr) -> Csr {
        only(train, |user| !self.is_new[user])
    }

    /// Returns the encoded features of all users.
    pub fn features(&self) -> &Csr {
        &self.features
    }

    /// Returns the held-out interactions of the new users.
    pub(crate) fn held_out(&self) -> &Csr {
        &self.held_out
    }
}

/// Returns a matrix with only the rows of some users; the others are empty.
pub(crate) fn only(matrix: &Csr, is_kept: impl Fn(usize) -> bool) -> Csr {
    let mut kept = Csr::empty(matrix.n_rows, matrix.n_cols);
    for user in 0..matrix.n_rows {
        if is_kept(user) {
            let (items, values) = matrix.row(user);
            kept.indices.extend_from_slice(items);
            kept.values.extend_from_slice(values);
        }
        kept.indptr[user + 1] = kept.indices.len();
    }
    kept
}

/// Draws a share of some users (rounded to the nearest, at least one), rising.
fn drawn_users(users: &[u32], share: f64, seed: u64) -> Vec<u32> {
    let wanted = ((users.len() as f64 * share).round() as usize).clamp(1, users.len().max(1));
    let mut order = users.to_vec();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    order.truncate(wanted);
    order.sort_unstable();
    order
}
