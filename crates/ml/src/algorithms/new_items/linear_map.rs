//! A linear map from encoded features to vectors, with a constant.

use std::ops::Range;

use super::ridge::Ridge;
use super::target::predict_one;
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::sparse::Csr;
use crate::tensors::{TensorReader, TensorWriter};

/// Rows that are predicted between two checks for interruption.
const AT_A_TIME: usize = 64;

/// A fitted map.
pub(in crate::algorithms) struct LinearMap {
    n_features: usize,
    /// Length of what is predicted.
    pub width: usize,
    /// A row of `width` for each feature, and one for the constant.
    weights: Vec<f32>,
    /// The penalty of the weights.
    pub penalty: f32,
}

/// What a map is learnt from.
#[derive(Clone, Copy)]
pub(in crate::algorithms) struct Lesson<'a> {
    /// A row for each item or user.
    pub features: &'a Csr,
    /// The vectors to predict, by rows.
    pub vectors: &'a [f32],
    /// Length of the vectors.
    pub width: usize,
    /// How much each row counts.
    pub weights: &'a [f32],
}

impl LinearMap {
    /// Takes a map that was learnt elsewhere: a row of `width` for each feature, and one for the constant.
    pub fn of(weights: Vec<f32>, n_features: usize, width: usize) -> MlResult<Self> {
        match weights.len() == (n_features + 1) * width {
            true => Ok(LinearMap { n_features, width, weights, penalty: 0.0 }),
            false => Err(MlError::BadInput("the model has learnt from other features".into())),
        }
    }

    /// Returns about how many bytes it takes at most to learn a map of this width from rows of features.
    pub fn bytes_to_fit(features: &Csr, width: usize, threads: usize) -> u64 {
        // Weights to start from, of each group, and joined; the best so far; and the features with their weights, by row and column.
        let maps = 4 * (features.n_cols + 1) as u64 * width as u64 * 4;
        maps + Ridge::bytes(features, threads)
    }

    /// Learns a map.
    pub fn fit(lesson: Lesson<'_>, penalty: f32, ctx: &Context) -> MlResult<Self> {
        let Lesson { features, vectors, width, weights } = lesson;
        let ridge = Ridge::new(features, weights);
        let start = vec![0f32; ridge.n_coefficients() * width];
        let weights = ridge.solve(vectors, width, penalty, &start, ctx)?;
        Ok(LinearMap { n_features: features.n_cols, width, weights, penalty })
    }

    /// Returns the map with a range of what it predicts multiplied by a number.
    pub fn scaled(mut self, range: Range<usize>, scale: f32) -> Self {
        let rows = self.weights.chunks_exact_mut(self.width);
        rows.flat_map(|row| &mut row[range.clone()]).for_each(|weight| *weight *= scale);
        self
    }

    /// Computes the vectors of rows of features.
    pub fn vectors(&self, features: &Csr) -> MlResult<Vec<f32>> {
        self.vectors_within(features, &Context::new(0, 1))
    }

    /// Computes the vectors of rows of features, unless it has to stop.
    pub fn vectors_within(&self, features: &Csr, ctx: &Context) -> MlResult<Vec<f32>> {
        predict(&self.weights, self.width, features, ctx)
    }

    /// Adds the map to a container, under names that begin with `prefix`.
    pub fn save<'a>(&'a self, out: &mut TensorWriter<'a>, prefix: &str) {
        out.f32s(&format!("{prefix}.weights"), &[self.n_features + 1, self.width], &self.weights);
        out.metadata(&format!("{prefix}.penalty"), &self.penalty.to_string());
    }

    /// Reads back the map with a prefix; `None` where the container has none.
    pub fn load(input: &TensorReader<'_>, prefix: &str, n_features: usize) -> MlResult<Option<Self>> {
        let name = format!("{prefix}.weights");
        if !input.has(&name) {
            return Ok(None);
        }
        let bad = |what: &str| MlError::BadArtifact(format!("the map {name} {what}"));
        let (shape, weights) = input.f32s(&name)?;
        let &[rows, width] = shape.as_slice() else { return Err(bad("is not a matrix")) };
        if rows != n_features + 1 || width == 0 {
            return Err(bad("does not fit the features"));
        }
        let penalty = input.metadata(&format!("{prefix}.penalty"))?;
        let penalty = penalty.parse().map_err(|_| bad("has a penalty that is not a number"))?;
        Ok(Some(LinearMap { n_features, width, weights, penalty }))
    }

    /// Returns the bytes held on the heap.
    pub fn heap_bytes(&self) -> u64 {
        self.weights.len() as u64 * 4
    }
}

/// Computes the vectors of items with these features, by rows.
pub(super) fn predict(weights: &[f32], width: usize, features: &Csr, ctx: &Context) -> MlResult<Vec<f32>> {
    let known = (weights.len() / width).saturating_sub(1);
    if features.n_cols != known {
        return Err(MlError::BadInput(format!("{} features, the map has {known}", features.n_cols)));
    }
    let mut vectors = vec![0f32; features.n_rows * width];
    for (row, vector) in vectors.chunks_exact_mut(width).enumerate() {
        if row.is_multiple_of(AT_A_TIME) {
            ctx.check()?;
        }
        predict_one(weights, features.row(row), vector);
    }
    Ok(vectors)
}
