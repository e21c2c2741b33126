//! What features add to the rows of users and items (Kula 2015): a row is the sum of a row of its own and of the rows of its
//! features, each times its value. Both learn to rank, and the features alone rank what a model was not trained on.
//!
//! In some steps, drawn with the probability `feature_dropout`, own rows are left out (Volkovs, Yu & Poutanen 2017, "DropoutNet"),
//! so that features learn to rank alone. That has not helped on the data of `make bench-cold`, so it is zero by default. The rows of
//! features are the same in all blocks: gradients by them are summed, and they move once for each round of blocks, by Adagrad as
//! well.

use rayon::prelude::*;

use super::super::new_items::predict_one;
use super::super::{Params, TrainInput, TrainShape};
use super::steps::FIRST_SQUARES;
use crate::context::Context;
use crate::error::MlResult;
use crate::simd::Kernels;
use crate::sparse::Csr;

/// Rows that a thread takes at a time.
const ROWS_AT_A_TIME: usize = 256;

/// The features of the users or the items, and what they add.
pub(super) struct Described<'a> {
    features: &'a Csr,
    by_feature: Csr,
    rate: f32,
    width: usize,
    /// A row for each feature, and one for the constant.
    pub map: Vec<f32>,
    /// Sums of squared gradients of those rows.
    squares: Vec<f32>,
    /// What the features of each object add, by rows.
    pub bases: Vec<f32>,
    /// Sums of what the rows of the objects were pulled by since the last move.
    pub pulls: Vec<f32>,
}

impl<'a> Described<'a> {
    /// Creates the rows of features, which add nothing yet.
    fn new(features: &'a Csr, rate: f32, width: usize) -> Self {
        let (n, n_rows) = (features.n_rows, features.n_cols + 1);
        Described {
            features,
            by_feature: features.transpose(),
            rate,
            width,
            map: vec![0f32; n_rows * width],
            squares: vec![FIRST_SQUARES; n_rows],
            bases: vec![0f32; n * width],
            pulls: vec![0f32; n * width],
        }
    }

    /// Reads the features of the items that a model learns from; `None` if it learns from none.
    pub fn of_items(params: &Params<'_>, input: &TrainInput<'a>, width: usize) -> MlResult<Option<Self>> {
        let Some(rate) = rate(params, "item_feature_rate")? else { return Ok(None) };
        Ok(Some(Self::new(input.item_features("BPRFMRecommender with item_feature_rate")?, rate, width)))
    }

    /// Reads the features of the users that a model learns from; `None` if it learns from none.
    pub fn of_users(params: &Params<'_>, input: &TrainInput<'a>, width: usize) -> MlResult<Option<Self>> {
        let Some(rate) = rate(params, "user_feature_rate")? else { return Ok(None) };
        let mut users = Self::new(input.user_features("BPRFMRecommender with user_feature_rate")?, rate, width);
        // Every user has a one, by which the bias of an item is multiplied.
        let (one, constant) = (params.size("n_components")?, users.map.len() - width);
        users.map[constant + one] = 1.0;
        users.bases.chunks_exact_mut(width).for_each(|row| row[one] = 1.0);
        Ok(Some(users))
    }

    /// Moves the rows of the features, and what they add to each object.
    pub fn advance(&mut self, ctx: &Context) -> MlResult<()> {
        ctx.check()?;
        let kernels = Kernels::detect();
        let (width, rate, pulls) = (self.width, self.rate, &self.pulls);
        let n_features = self.by_feature.n_rows;
        let all: Vec<u32> = (0..self.features.n_rows as u32).collect();
        let ones = vec![1.0; all.len()];
        let rows = self.map.par_chunks_mut(width).zip(&mut self.squares).enumerate();
        rows.for_each_init(
            || vec![0f32; width],
            |sum, (feature, (row, squares))| {
                let (objects, values) = if feature < n_features { self.by_feature.row(feature) } else { (&all[..], &ones[..]) };
                sum.fill(0.0);
                kernels.add_rows(pulls, objects, values, sum);
                *squares += kernels.dot(sum, sum) / width as f32;
                let length = rate / squares.sqrt();
                row.iter_mut().zip(&*sum).for_each(|(to, pull)| *to += length * pull);
            },
        );
        let (map, features) = (&self.map, self.features);
        self.bases.par_chunks_mut(ROWS_AT_A_TIME * width).enumerate().for_each(|(block, rows)| {
            for (at, row) in rows.chunks_exact_mut(width).enumerate() {
                predict_one(map, features.row(block * ROWS_AT_A_TIME + at), row);
            }
        });
        self.pulls.fill(0.0);
        Ok(())
    }
}

/// Features of a row that memory is estimated for.
const TERMS: u64 = 32;
/// Most features that memory is estimated for: the terms of a column of text.
const FEATURES: u64 = 30_000;

/// Estimates the peak memory of learning from features, with rows of `width`.
pub(super) fn estimate(params: &Params<'_>, width: u64, shape: TrainShape) -> MlResult<u64> {
    let mut bytes = 0;
    for (name, n) in [("user_feature_rate", shape.n_users as u64), ("item_feature_rate", shape.n_items as u64)] {
        if rate(params, name)?.is_some() {
            let features = FEATURES.min(n * TERMS) + 1;
            // Features by feature, their rows twice, and twice what they add and are pulled by: items have these in blocks too.
            bytes += n * TERMS * 8 + 2 * features * width * 4 + 4 * n * width * 4;
        }
    }
    Ok(bytes)
}

/// Returns the rate at which features learn; `None` for a model that does not learn from them.
fn rate(params: &Params<'_>, name: &str) -> MlResult<Option<f32>> {
    Ok(params.optional_float(name)?.filter(|rate| *rate > 0.0).map(|rate| rate as f32))
}
