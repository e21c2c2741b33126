//! SLIM (Ning & Karypis 2011, "Sparse linear methods for top-N recommender systems").
//!
//! Each item's column x of the training matrix X is explained by the other columns with an elastic net: ½‖x − X·w‖² + l2/2 ‖w‖² +
//! l1 ‖w‖₁ where l1 = alpha · l1_ratio · users and l2 = alpha · (1 − l1_ratio) · users, as irspack scales them. Solved by
//! coordinate descent on the Gram matrix XᵀX with working sets (Friedman, Hastie & Tibshirani 2010; Johnson & Guestrin 2015): see
//! [`column`]. In irspack `n_iter` counts sweeps over all items, here sweeps over one working set; both stop earlier when no
//! weight changes by more than `tol`.

mod column;
mod gram;

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use self::column::{ColumnSolver, Settings};
use self::gram::Gram;
use super::item_similarity::SparseSimilarity;
use super::{AlgorithmInfo, EpochHook, Kind, MatrixAlgorithm, Model, NewItems, ParameterSpec, Params, TrainInput, TrainShape};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::search_space::Domain;
use crate::simd::Penalty;
use crate::sparse::Csr;

pub(super) const INFO: AlgorithmInfo = AlgorithmInfo {
    name: "SLIMRecommender",
    short: "SLIM",
    summary: "sparse linear item model: close to EASE, small enough for many items",
    parameters,
    kind: Kind::Matrix(MatrixAlgorithm {
        early_stopping: false,
        new_items: NewItems::ByMap,
        estimate,
        fit,
        load: SparseSimilarity::load,
        warm_start: None,
    }),
};

fn parameters() -> Vec<ParameterSpec> {
    vec![
        ParameterSpec::float("alpha", 0.0, 1e9, 0.05).searched(Domain::log_float(1e-5, 1.0)),
        ParameterSpec::float("l1_ratio", 0.0, 1.0, 0.01).searched(Domain::float(0.0, 1.0)),
        ParameterSpec::bool("positive_only", true),
        ParameterSpec::int("n_iter", 1, 1_000_000, 100),
        ParameterSpec::float("tol", 0.0, 1.0, 1e-4),
        ParameterSpec::optional_int("top_k", 1, i64::from(u32::MAX)),
        ParameterSpec::n_threads(),
    ]
}

/// Typical number of an item's weights that are not zero; more are rare.
const USUAL_WEIGHTS: usize = 256;

/// Estimates the peak memory. The size of the Gram matrix depends on which users know which items; the estimate assumes that
/// items occur together three times as often as they would among equal users. Fitting counts exactly before it allocates
/// anything.
fn estimate(params: &Params<'_>, shape: TrainShape) -> MlResult<u64> {
    let (users, items, nnz) = (shape.n_users.max(1) as u64, shape.n_items as u64, shape.nnz as u64);
    let gram = (3 * nnz * nnz / users * 8).min(4 * items * items);
    Ok(gram + other_bytes(params, shape)?)
}

/// Estimates the peak memory in addition to the Gram matrix.
fn other_bytes(params: &Params<'_>, shape: TrainShape) -> MlResult<u64> {
    let kept = params.optional_size("top_k")?.unwrap_or(USUAL_WEIGHTS).min(shape.n_items);
    // Weights by column, joined and transposed; the transposed interactions; a working set for each of eight threads.
    Ok((shape.n_items * (kept * 24 + 200) + shape.nnz * 8 + 8 * 4 * USUAL_WEIGHTS * USUAL_WEIGHTS) as u64)
}

fn fit(params: &Params<'_>, input: &TrainInput<'_>, ctx: &Context, _: &mut EpochHook<'_>) -> MlResult<Model> {
    let train = input.interactions;
    let (alpha, l1_ratio) = (params.float("alpha")? * train.n_rows as f64, params.float("l1_ratio")?);
    let settings = Settings {
        penalty: Penalty {
            l1: (alpha * l1_ratio) as f32,
            l2: (alpha * (1.0 - l1_ratio)) as f32,
            positive_only: params.bool("positive_only")?,
        },
        sweeps: params.size("n_iter")?,
        tolerance: params.float("tol")? as f32,
        top_k: params.optional_size("top_k")?.unwrap_or(usize::MAX),
    };
    let others = other_bytes(params, TrainShape::of(train))?;
    ctx.require_memory("fitting SLIMRecommender", Gram::bytes_at_most(train) + others)?;
    let gram = Gram::new(train, ctx)?;
    let weights = solve(&gram, settings, ctx)?;
    Ok(SparseSimilarity::boxed(train.n_rows, weights.transpose()))
}

/// Columns that a thread takes at a time.
const COLUMNS_AT_A_TIME: usize = 8;

/// Computes the weights of all items; row: the item explained, column: the item that explains.
fn solve(gram: &Gram, settings: Settings, ctx: &Context) -> MlResult<Csr> {
    let n = gram.n_items();
    let starts: Vec<usize> = (0..n).step_by(COLUMNS_AT_A_TIME).collect();
    let done = AtomicU64::new(0);
    let work = |solver: &mut ColumnSolver<'_>, &start: &usize| {
        ctx.check()?;
        let columns = (start..(start + COLUMNS_AT_A_TIME).min(n)).map(|item| solver.solve(item as u32));
        let columns: Vec<Vec<(u32, f32)>> = columns.collect();
        ctx.progress(done.fetch_add(1, Ordering::Relaxed) + 1, starts.len() as u64);
        Ok(columns)
    };
    let blocks: MlResult<Vec<_>> =
        ctx.install(|| starts.par_iter().map_init(|| ColumnSolver::new(gram, settings), work).collect());
    let mut weights = Csr::empty(n, n);
    for (item, column) in blocks?.into_iter().flatten().enumerate() {
        weights.indices.extend(column.iter().map(|&(other, _)| other));
        weights.values.extend(column.iter().map(|&(_, weight)| weight));
        weights.indptr[item + 1] = weights.indices.len();
    }
    if weights.values.iter().any(|weight| !weight.is_finite()) {
        return Err(MlError::NotFinite("SLIM".into()));
    }
    Ok(weights)
}

#[cfg(test)]
mod tests;
