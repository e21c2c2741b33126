//! Random walks of three steps, user → item → user → item, in which popular ends are penalised.
//!
//! P3alpha: Cooper, Lee, Radinsky & Siang 2014. RP3beta: Paudel, Christoffel, Newell & Bernstein 2017, as an item model after
//! Ferrari Dacrema, Cremonesi & Jannach 2019. Each end of a walk keeps its `top_k` starts.

use super::item_similarity::SparseSimilarity;
use super::neighbours::{Weighted, top_rows, top_rows_bytes};
use super::{AlgorithmInfo, EpochHook, Kind, MatrixAlgorithm, Model, NewItems, ParameterSpec, Params, TrainShape};
use crate::context::Context;
use crate::error::MlResult;
use crate::search_space::Domain;
use crate::sparse::Csr;

pub(super) const RP3BETA: AlgorithmInfo = AlgorithmInfo {
    name: "RP3betaRecommender",
    short: "RP3beta",
    summary: "random walks over users and items, popular items held back",
    parameters: || {
        let mut specs = walk_parameters(2);
        specs.push(ParameterSpec::float("beta", 0.0, 100.0, 0.6).searched(Domain::log_float(1e-5, 0.5)));
        specs
    },
    kind: Kind::Matrix(MatrixAlgorithm {
        early_stopping: false,
        new_items: NewItems::ByMap,
        estimate: estimate_walk,
        fit: |params, input, ctx, _: &mut EpochHook<'_>| fit_walk(params, params.float("beta")?, input.interactions, ctx),
        load: SparseSimilarity::load,
        warm_start: None,
    }),
};

pub(super) const P3ALPHA: AlgorithmInfo = AlgorithmInfo {
    name: "P3alphaRecommender",
    short: "P3alpha",
    summary: "random walks over users and items",
    parameters: || walk_parameters(10),
    kind: Kind::Matrix(MatrixAlgorithm {
        early_stopping: false,
        new_items: NewItems::ByMap,
        estimate: estimate_walk,
        fit: |params, input, ctx, _: &mut EpochHook<'_>| fit_walk(params, 0.0, input.interactions, ctx),
        load: SparseSimilarity::load,
        warm_start: None,
    }),
};

/// Returns the parameters of both walks; `least` is the lower bound of the search of `top_k`.
fn walk_parameters(least: i64) -> Vec<ParameterSpec> {
    vec![
        ParameterSpec::optional_int("top_k", 1, i64::from(u32::MAX)).searched(Domain::int(least, 1000)),
        ParameterSpec::float("alpha", 0.0, 100.0, 1.0),
        ParameterSpec::bool("normalize_weight", false).searched(Domain::categorical([true, false])),
        ParameterSpec::n_threads(),
    ]
}

/// Estimates the peak memory of a walk.
fn estimate_walk(params: &Params<'_>, shape: TrainShape) -> MlResult<u64> {
    let top_k = params.optional_size("top_k")?.unwrap_or(shape.n_items);
    // Counted again for the transposed result.
    let kept = (shape.n_items * top_k.min(shape.n_items)) as u64 * 8;
    Ok(kept + top_rows_bytes(shape.nnz, shape.n_items, shape.n_items, top_k, 8))
}

/// Fits a walk whose ends are divided by their popularity to the power of `beta`.
fn fit_walk(params: &Params<'_>, beta: f64, train: &Csr, ctx: &Context) -> MlResult<Model> {
    let alpha = params.float("alpha")?;
    let top_k = params.optional_size("top_k")?.unwrap_or(train.n_cols);
    let by_item = train.transpose();
    let power = |value: f64| if value == 1.0 { value } else { value.powf(alpha) };
    let row_sums =
        |m: &Csr| -> Vec<f64> { (0..m.n_rows).map(|row| m.row(row).1.iter().map(|&v| power(f64::from(v))).sum()).collect() };
    let (per_user, per_item) = (row_sums(train), row_sums(&by_item));
    let held_back: Vec<f64> = train.column_sums().into_iter().map(|popularity| popularity.powf(beta)).collect();
    // From the item where a walk ends back to a user, and from there to the item where it began. What depends only on the two
    // items comes last: without it, interactions that all count the same are a matrix of ones.
    let to_user = Weighted::map(&by_item, |_, user, value| power(value) / per_user[user]);
    let to_start = Weighted::map(train, |_, _, value| power(value));
    let ends = top_rows(&to_user, &to_start, top_k, ctx, &|end, start, dot| dot / (held_back[end] * per_item[start]))?;
    let mut weights = ctx.install(|| ends.transpose_in_pool(ctx.threads));
    drop(ends);
    if params.bool("normalize_weight")? {
        weights.normalize_rows();
    }
    Ok(SparseSimilarity::boxed(train.n_rows, weights))
}
