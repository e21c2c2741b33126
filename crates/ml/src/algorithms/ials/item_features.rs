//! Factors of items that are pulled towards what their features predict (Agarwal & Chen 2009, "Regression-based latent factor
//! models"; for this objective irspack 0.5, whose names the parameters have).
//!
//! The penalty of an item becomes ½ r_i ‖q_i − B g_i‖² + ½ λ ‖B‖², with r_i the strength that it has anyway and λ
//! `lambda_item_feature`. After every half step of the items, B is solved by ridge regression from their factors.
//!
//! Departures from irspack:
//! - An item without interactions gets B g itself, not the solution for an empty history, which unknown users pull to zero:
//!   recommendations of new items are better.
//! - B has a constant without a penalty, so that items that nothing is known about are pulled to the mean.
//! - `feature_warmup_epochs` only delays the pull: B is learnt in all epochs.
//! - B is solved by conjugate gradients on sparse features.

use rayon::prelude::*;

use super::super::new_items::{Ridge, predict_one};
use super::super::{Params, TrainInput, TrainShape};
use super::INFO;
use super::model::Ials;
use super::settings::{Settings, SolverKind};
use super::sides::Side;
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::sparse::Csr;

/// The features of the items, and how strongly they pull.
pub(super) struct ItemFeatures<'a> {
    features: &'a Csr,
    ridge: Ridge,
    lambda: f32,
    warmup_epochs: u32,
}

/// Returns the penalty of the map; `None` for a model that does not learn from features.
pub(super) fn penalty(params: &Params<'_>) -> MlResult<Option<f64>> {
    // Zero is irspack's word for none.
    Ok(params.optional_float("lambda_item_feature")?.filter(|lambda| *lambda > 0.0))
}

/// Items whose priors a thread computes at a time.
const ROWS_AT_A_TIME: usize = 256;

impl<'a> ItemFeatures<'a> {
    /// Takes the features of what a model learns from; `None` for a model that does not learn from them.
    pub fn read(params: &Params<'_>, input: &TrainInput<'a>, settings: &Settings) -> MlResult<Option<Self>> {
        let Some(lambda) = penalty(params)? else { return Ok(None) };
        if settings.solver == SolverKind::Subspaces {
            let reason = "cannot be IALSPP together with lambda_item_feature; choose CG or CHOLESKY";
            return Err(MlError::bad_parameter(INFO.name, "solver_type", reason));
        }
        let features = input.item_features(&format!("{} with lambda_item_feature", INFO.name))?;
        let n_users = input.interactions.n_rows;
        // The factors of an item without interactions say nothing.
        let weight = |n: u32| if n == 0 { 0.0 } else { settings.penalty(n as usize, n_users) };
        let weights: Vec<f32> = input.interactions.column_counts().into_iter().map(weight).collect();
        let warmup_epochs = params.size("feature_warmup_epochs")? as u32;
        Ok(Some(ItemFeatures { features, ridge: Ridge::new(features, &weights), lambda: lambda as f32, warmup_epochs }))
    }

    /// Returns whether features pull in an epoch, counted from 1.
    pub fn pull_in(&self, epoch: u32) -> bool {
        epoch > self.warmup_epochs
    }

    /// Creates a map that predicts zeros, by rows of `width`.
    pub fn zero_map(&self, width: usize) -> Vec<f32> {
        vec![0f32; self.ridge.n_coefficients() * width]
    }

    /// Computes what the features of each item predict, by rows of `width`.
    pub fn priors(&self, map: &[f32], width: usize) -> Vec<f32> {
        let mut priors = vec![0f32; self.features.n_rows * width];
        priors.par_chunks_mut(ROWS_AT_A_TIME * width).enumerate().for_each(|(block, rows)| {
            for (at, row) in rows.chunks_exact_mut(width).enumerate() {
                predict_one(map, self.features.row(block * ROWS_AT_A_TIME + at), row);
            }
        });
        priors
    }

    /// Replaces the map by the solution for these factors of the items.
    pub fn learn(&self, items: &[f32], map: &mut [f32], ctx: &Context) -> MlResult<()> {
        let width = map.len() / self.ridge.n_coefficients();
        let solved = self.ridge.solve(items, width, self.lambda, map, ctx)?;
        map.copy_from_slice(&solved);
        Ok(())
    }

    /// Replaces the factors of items without interactions by what their features predict. Runs after the items were aligned, so that
    /// these items do not count as ones that users turned down.
    pub fn fill_unknown(&self, model: &mut Ials, by_item: &Side<'_>) {
        let width = model.k_padded();
        let Ials { items, item_feature_map: Some(map), .. } = model else { return };
        for (at, row) in items.chunks_exact_mut(width).enumerate() {
            if by_item.row(at).indices.is_empty() {
                predict_one(map, self.features.row(at), row);
            }
        }
    }
}

/// Features of an item that memory is estimated for.
const TERMS: u64 = 32;
/// Most features that memory is estimated for: the terms of a column of text.
const FEATURES: u64 = 30_000;

/// Estimates the peak memory of learning from features, with rows of `width`.
pub(super) fn estimate(params: &Params<'_>, width: usize, shape: TrainShape) -> MlResult<u64> {
    if penalty(params)?.is_none() {
        return Ok(0);
    }
    let (width, items) = (width as u64, shape.n_items as u64);
    let features = FEATURES.min(items * TERMS) + 1;
    // Features by items and by themselves, priors, two maps, and what conjugate gradients hold of both sides.
    Ok(items * TERMS * 16 + items * width * 4 + 2 * features * width * 4 + (3 * items + 9 * features) * width.max(32) * 4)
}
