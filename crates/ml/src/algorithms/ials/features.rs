//! Factors of items or users that are pulled towards what their features predict (Agarwal & Chen 2009, "Regression-based latent
//! factor models"; for this objective irspack 0.5, whose names the parameters have).
//!
//! The penalty of an item becomes ½ r_i ‖q_i − B g_i‖² + ½ λ ‖B‖², with r_i the strength that it has anyway and λ
//! `lambda_item_feature`, and that of a user the same with `lambda_user_feature`. After every half step of a side, its map is solved
//! by ridge regression from the factors.
//!
//! Departures from irspack:
//! - An item or user without interactions gets what the map predicts, not the solution for an empty history, which pulls it to
//!   zero: recommendations of new items, and to new users, are better.
//! - A map has a constant without a penalty, so that what nothing is known about is pulled to the mean.
//! - `feature_warmup_epochs` only delays the pull: maps are learnt in all epochs.
//! - Maps are solved by conjugate gradients on sparse features.

use rayon::prelude::*;

use super::super::new_items::{Ridge, predict_one};
use super::super::{Params, TrainInput, TrainShape};
use super::INFO;
use super::settings::{Settings, SolverKind};
use super::sides::Side;
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::sparse::Csr;

/// The features of one side, and how strongly they pull.
pub(super) struct Pull<'a> {
    features: &'a Csr,
    ridge: Ridge,
    lambda: f32,
    warmup_epochs: u32,
}

/// The features of both sides, of those that a model learns from.
#[derive(Default)]
pub(super) struct Pulls<'a> {
    pub users: Option<Pull<'a>>,
    pub items: Option<Pull<'a>>,
}

/// Parameters that are the penalty of a map, of users and of items.
const PENALTIES: [&str; 2] = ["lambda_user_feature", "lambda_item_feature"];

/// Returns the penalty of a map; `None` for a model that does not learn from these features.
fn penalty(params: &Params<'_>, name: &str) -> MlResult<Option<f64>> {
    // Zero is irspack's word for none.
    Ok(params.optional_float(name)?.filter(|lambda| *lambda > 0.0))
}

/// Returns whether a model learns from any features.
pub(super) fn are_wanted(params: &Params<'_>) -> MlResult<bool> {
    PENALTIES.iter().try_fold(false, |wanted, name| Ok(wanted || penalty(params, name)?.is_some()))
}

/// Rows whose priors a thread computes at a time.
const ROWS_AT_A_TIME: usize = 256;

impl<'a> Pulls<'a> {
    /// Takes the features of what a model learns from.
    pub fn read(params: &Params<'_>, input: &TrainInput<'a>, settings: &Settings) -> MlResult<Self> {
        let [of_users, of_items] = PENALTIES;
        let train = input.interactions;
        let users = match Pull::lambda(params, of_users, settings)? {
            Some(lambda) => {
                let counts = (0..train.n_rows).map(|user| train.row_len(user)).collect();
                let features = input.user_features(&format!("{} with {of_users}", INFO.name))?;
                Some(Pull::new(params, features, lambda, counts, |n| settings.penalty(n, train.n_cols))?)
            }
            None => None,
        };
        let items = match Pull::lambda(params, of_items, settings)? {
            Some(lambda) => {
                let counts = train.column_counts().into_iter().map(|n| n as usize).collect();
                let features = input.item_features(&format!("{} with {of_items}", INFO.name))?;
                Some(Pull::new(params, features, lambda, counts, |n| settings.penalty(n, train.n_rows))?)
            }
            None => None,
        };
        Ok(Pulls { users, items })
    }
}

impl<'a> Pull<'a> {
    /// Reads the penalty of a map, which one of the solvers does not support.
    fn lambda(params: &Params<'_>, name: &str, settings: &Settings) -> MlResult<Option<f32>> {
        let lambda = penalty(params, name)?.map(|lambda| lambda as f32);
        if lambda.is_some() && settings.solver == SolverKind::Subspaces {
            let reason = format!("cannot be IALSPP together with {name}; choose CG or CHOLESKY");
            return Err(MlError::bad_parameter(INFO.name, "solver_type", reason));
        }
        Ok(lambda)
    }

    /// Creates the problem of one side, whose rows have so many interactions.
    fn new(
        params: &Params<'_>,
        features: &'a Csr,
        lambda: f32,
        counts: Vec<usize>,
        strength: impl Fn(usize) -> f32,
    ) -> MlResult<Self> {
        // The factors of a row without interactions say nothing.
        let weights: Vec<f32> = counts.into_iter().map(|n| if n == 0 { 0.0 } else { strength(n) }).collect();
        let warmup_epochs = params.size("feature_warmup_epochs")? as u32;
        Ok(Pull { features, ridge: Ridge::new(features, &weights), lambda, warmup_epochs })
    }

    /// Returns whether features pull in an epoch, counted from 1.
    fn pull_in(&self, epoch: u32) -> bool {
        epoch > self.warmup_epochs
    }

    /// Creates a map that predicts zeros, by rows of `width`.
    pub fn zero_map(&self, width: usize) -> Vec<f32> {
        vec![0f32; self.ridge.n_coefficients() * width]
    }

    /// Computes what the features of each row predict in an epoch, by rows of `width`; nothing while they do not pull yet.
    pub fn priors(&self, map: &[f32], width: usize, epoch: u32) -> Vec<f32> {
        if !self.pull_in(epoch) {
            return Vec::new();
        }
        let mut priors = vec![0f32; self.features.n_rows * width];
        priors.par_chunks_mut(ROWS_AT_A_TIME * width).enumerate().for_each(|(block, rows)| {
            for (at, row) in rows.chunks_exact_mut(width).enumerate() {
                predict_one(map, self.features.row(block * ROWS_AT_A_TIME + at), row);
            }
        });
        priors
    }

    /// Replaces the map by the solution for these factors.
    pub fn learn(&self, factors: &[f32], map: &mut [f32], ctx: &Context) -> MlResult<()> {
        let width = map.len() / self.ridge.n_coefficients();
        let solved = self.ridge.solve(factors, width, self.lambda, map, ctx)?;
        map.copy_from_slice(&solved);
        Ok(())
    }

    /// Replaces the factors of rows without interactions by what their features predict. Runs after the items were aligned, so that
    /// items do not count as ones that users turned down.
    pub fn fill_unknown(&self, factors: &mut [f32], map: &[f32], side: &Side<'_>) {
        let width = map.len() / self.ridge.n_coefficients();
        for (at, row) in factors.chunks_exact_mut(width).enumerate() {
            if side.row(at).indices.is_empty() {
                predict_one(map, self.features.row(at), row);
            }
        }
    }
}

/// Features of a row that memory is estimated for.
const TERMS: u64 = 32;
/// Most features that memory is estimated for: the terms of a column of text.
const FEATURES: u64 = 30_000;

/// Estimates the peak memory of learning from features, with rows of `width`.
pub(super) fn estimate(params: &Params<'_>, width: usize, shape: TrainShape) -> MlResult<u64> {
    let mut bytes = 0;
    for (name, n) in PENALTIES.into_iter().zip([shape.n_users, shape.n_items]) {
        if penalty(params, name)?.is_some() {
            bytes += estimate_side(width as u64, n as u64);
        }
    }
    Ok(bytes)
}

fn estimate_side(width: u64, n: u64) -> u64 {
    let features = FEATURES.min(n * TERMS) + 1;
    // Features by rows and by themselves, priors, two maps, and what conjugate gradients hold of both sides.
    n * TERMS * 16 + n * width * 4 + 2 * features * width * 4 + (3 * n + 9 * features) * width.max(32) * 4
}
