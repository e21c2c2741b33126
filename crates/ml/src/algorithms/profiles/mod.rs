//! Users who are described by features: what a model would have learnt about a user is predicted from them.
//!
//! After any fit, ridge regression finds the map from the features of the users to their vectors, weighted by n / (n + κ) with n
//! the interactions of a user. The vectors are the factors of the users, or for models of weights between items the sum of what
//! knowing each item of the history means, divided by a power of its length: undivided, users with many interactions decide what
//! is popular, which suits EASE; divided by the length, all users count alike, which suits cosines. The power is chosen with the
//! penalty, by how well users held out are served. A user without interactions gets the vector that the features predict, and one
//! with few a blend: the profile counts as some interactions.

use std::borrow::Cow;
use std::sync::Arc;

use rayon::prelude::*;

use super::new_items::{ColdMap, Lesson, LinearMap, Sides, penalty_for_users};
use super::recommender::{ItemWeights, Recommender};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::simd::Kernels;
use crate::sparse::Csr;
use crate::tensors::{TensorReader, TensorWriter};

/// Interactions at which a user's vector counts half when the map is learnt.
const KAPPA: f32 = 1.0;
/// Interactions that a profile counts as beside a history, in models of factors. Like the next, it is what served users of MovieLens
/// 100K with 1 to 20 interactions best.
const COUNTS_BESIDE_FACTORS: f32 = 1.0;
/// The same in models of weights between items.
const COUNTS_BESIDE_WEIGHTS: f32 = 8.0;
/// Powers of the length of a history that vectors are divided by.
const POWERS: [f32; 3] = [1.0, 0.5, 0.0];
/// Prefix of the tensors.
const PREFIX: &str = "profile";

/// The fitted map from the features of a user to a vector.
pub struct UserMap {
    map: LinearMap,
    /// For models of weights between items.
    scoring: Option<Scoring>,
}

/// What scores the vector of a user, in models of weights between items.
struct Scoring {
    /// Of the items that the model was trained on.
    own: Arc<Sides>,
    /// What each item behind these is scored by.
    new: Vec<f32>,
}

impl std::fmt::Debug for UserMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserMap").field("width", &self.map.width).finish_non_exhaustive()
    }
}

/// Returns the sides that a map of new items has already found for the weights of its model.
fn found_sides(cold: Option<&ColdMap>) -> Option<&Arc<Sides>> {
    cold.and_then(|cold| cold.sides.as_ref())
}

impl UserMap {
    /// Learns the map from the users of a model: their encoded features, by rows, and the interactions that the model learnt
    /// from. Returns `None` for models without vectors of users, and where no user has interactions. `cold` is the map of new
    /// items of the same model, if there is one.
    pub fn fit(
        model: &dyn Recommender,
        features: &Csr,
        interactions: &Csr,
        cold: Option<&ColdMap>,
        ctx: &Context,
    ) -> MlResult<Option<Self>> {
        let n_users = interactions.n_rows;
        if features.n_rows != n_users || model.n_users() != n_users || model.n_items() != interactions.n_cols {
            return Err(MlError::BadInput("features, interactions and users of the model differ in number".into()));
        }
        if interactions.nnz() == 0 {
            return Ok(None);
        }
        let counts = interactions.indptr.windows(2).map(|ends| (ends[1] - ends[0]) as f32);
        let weights: Vec<f32> = counts.map(|n| n / (n + KAPPA)).collect();
        if let (Some(own), Some(factors)) = (model.user_feature_map(), model.factors()) {
            return Ok(Some(UserMap { map: LinearMap::of(own.to_vec(), features.n_cols, factors.width)?, scoring: None }));
        }
        if let Some(factors) = model.factors() {
            let lesson = Lesson { features, vectors: factors.users, width: factors.width, weights: &weights };
            let (penalty, _) = penalty_for_users(lesson, factors.items, interactions, ctx)?;
            return Ok(Some(UserMap { map: LinearMap::fit(lesson, penalty, ctx)?, scoring: None }));
        }
        let own = match (found_sides(cold), model.item_weights()) {
            (Some(sides), _) => Arc::clone(sides),
            (None, Some(weights)) => Arc::new(Sides::of(weights, model.n_items(), ctx)?),
            (None, None) => return Ok(None),
        };
        let map = fit_to_sides(&own, features, &weights, interactions, ctx)?;
        Ok(Some(UserMap { map, scoring: Some(Scoring { own, new: Vec::new() }) }))
    }

    /// Takes in the items behind those that the model was trained on: `model` is the extended one, `features` are those of the new
    /// items.
    pub fn extend(&mut self, model: &dyn Recommender, cold: Option<&ColdMap>, features: &Csr) -> MlResult<()> {
        let Some(Scoring { own, new }) = &mut self.scoring else { return Ok(()) };
        *new = match (cold, model.item_weights()) {
            (Some(map), _) => {
                let vectors = map.vectors(features)?;
                vectors.chunks_exact(2 * own.width).flat_map(|both| &both[own.width..]).copied().collect()
            }
            (None, Some(ItemWeights::Sparse(weights))) => own.scored_behind(weights),
            (None, _) => return Err(MlError::BadInput("profiles cannot score the new items of this model".into())),
        };
        Ok(())
    }

    /// Computes the vector that a profile predicts, from its encoded features in the first row.
    pub fn vector(&self, profile: &Csr) -> MlResult<Vec<f32>> {
        self.map.vectors(profile)
    }

    /// Blends the vector of a profile with that of a history, for models of factors.
    pub fn factors<'v>(&self, model: &dyn Recommender, vector: &'v [f32], history: &[u32]) -> MlResult<Option<Cow<'v, [f32]>>> {
        if history.is_empty() {
            return Ok(Some(Cow::Borrowed(vector)));
        }
        let Some(mut known) = model.user_vector(history)? else { return Ok(None) };
        blend(&mut known, history.len() as f32, vector, COUNTS_BESIDE_FACTORS);
        Ok(Some(Cow::Owned(known)))
    }

    /// Scores all items for the vector of a profile and a history, which may be empty.
    pub fn score(&self, model: &dyn Recommender, vector: &[f32], history: &[u32], out: &mut [f32]) -> MlResult<()> {
        let misfit = || MlError::BadInput("the profile does not fit the model".into());
        let n_items = model.n_items();
        if out.len() != n_items || vector.len() != self.map.width {
            return Err(misfit());
        }
        let Some(Scoring { own, new }) = &self.scoring else {
            let user = self.factors(model, vector, history)?.ok_or_else(misfit)?;
            model.factors().ok_or_else(misfit)?.score(&user, out);
            return Ok(());
        };
        let n_own = own.scored.len() / own.width;
        if n_items != n_own + new.len() / own.width {
            return Err(misfit());
        }
        let mut of_profile = vec![0f32; n_items];
        Kernels::detect().products(&own.scored, vector, &mut of_profile[..n_own]);
        Kernels::detect().products(new, vector, &mut of_profile[n_own..]);
        if history.is_empty() {
            out.copy_from_slice(&of_profile);
            return Ok(());
        }
        model.score_history(history, out)?;
        // The scores of a history are sums over its items, those of a profile are for one.
        let n = history.len() as f32;
        out.iter_mut().for_each(|score| *score /= n);
        blend(out, n, &of_profile, COUNTS_BESIDE_WEIGHTS);
        Ok(())
    }

    /// Adds the map to a container that has, or has not, a map of new items.
    pub fn save<'a>(&'a self, out: &mut TensorWriter<'a>, cold: Option<&ColdMap>) {
        self.map.save(out, PREFIX);
        if let (Some(scoring), None) = (&self.scoring, found_sides(cold)) {
            scoring.own.save(out, PREFIX);
        }
    }

    /// Reads back the map of a model, which is not extended yet.
    pub fn load(input: &TensorReader<'_>, model: &dyn Recommender, cold: Option<&ColdMap>, n_features: usize) -> MlResult<Self> {
        let bad = |what: &str| MlError::BadArtifact(format!("the map of profiles {what}"));
        let map = LinearMap::load(input, PREFIX, n_features)?.ok_or_else(|| bad("is missing"))?;
        if let Some(factors) = model.factors() {
            let fits = factors.width == map.width;
            return if fits { Ok(UserMap { map, scoring: None }) } else { Err(bad("does not fit the model")) };
        }
        let own = match found_sides(cold) {
            Some(sides) => Arc::clone(sides),
            None => Arc::new(Sides::load(input, PREFIX, model.n_items(), map.width)?),
        };
        if own.width != map.width {
            return Err(bad("does not fit the model"));
        }
        Ok(UserMap { map, scoring: Some(Scoring { own, new: Vec::new() }) })
    }

    /// Returns the bytes held on the heap, without what the map of new items holds already.
    pub fn heap_bytes(&self, cold: Option<&ColdMap>) -> u64 {
        let scoring = self.scoring.as_ref().map_or(0, |Scoring { own, new }| {
            let own = if found_sides(cold).is_some() { 0 } else { own.heap_bytes() };
            own + new.len() as u64 * 4
        });
        self.map.heap_bytes() + scoring
    }
}

/// Learns the map to what the histories of users mean, as of one interaction.
fn fit_to_sides(sides: &Sides, features: &Csr, weights: &[f32], interactions: &Csr, ctx: &Context) -> MlResult<LinearMap> {
    let width = sides.width;
    let mut vectors = vec![0f32; interactions.n_rows * width];
    ctx.install(|| {
        let rows = vectors.par_chunks_mut(width).enumerate();
        rows.for_each(|(user, vector)| {
            let (items, values) = interactions.row(user);
            vector.copy_from_slice(&sides.meaning(items, values));
        });
    });
    let lengths: Vec<f32> = (0..interactions.n_rows).map(|user| interactions.row(user).1.iter().sum()).collect();
    let mut divided_by = 0.0;
    let mut best: Option<(f32, f32, f64)> = None;
    for power in POWERS {
        scale(&mut vectors, width, &lengths, divided_by - power);
        divided_by = power;
        let lesson = Lesson { features, vectors: &vectors, width, weights };
        let (penalty, quality) = penalty_for_users(lesson, &sides.scored, interactions, ctx)?;
        if best.is_none_or(|(_, _, before)| quality > before) {
            best = Some((power, penalty, quality));
        }
    }
    let (power, penalty, _) = best.unwrap_or((divided_by, 0.0, 0.0));
    scale(&mut vectors, width, &lengths, divided_by - power);
    // The mean of what is left of the lengths.
    let left = lengths.iter().zip(weights).filter(|(length, _)| **length > 0.0);
    let (sum, total) =
        left.fold((0f32, 0f32), |(sum, total), (length, weight)| (sum + weight * length.powf(1.0 - power), total + weight));
    if sum > 0.0 {
        vectors.iter_mut().for_each(|value| *value *= total / sum);
    }
    LinearMap::fit(Lesson { features, vectors: &vectors, width, weights }, penalty, ctx)
}

/// Multiplies rows by a power of the lengths.
fn scale(rows: &mut [f32], width: usize, lengths: &[f32], power: f32) {
    for (row, length) in rows.chunks_exact_mut(width).zip(lengths) {
        if *length > 0.0 && power != 0.0 {
            let factor = length.powf(power);
            row.iter_mut().for_each(|value| *value *= factor);
        }
    }
}

/// Replaces what `n` interactions say by (n · it + κ · what the profile says) / (n + κ), with κ the interactions that the profile
/// counts as.
fn blend(of_history: &mut [f32], n: f32, of_profile: &[f32], counts: f32) {
    for (known, profile) in of_history.iter_mut().zip(of_profile) {
        *known = (n * *known + counts * profile) / (n + counts);
    }
}
