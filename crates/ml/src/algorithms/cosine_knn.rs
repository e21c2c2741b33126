//! Item neighbours by cosine (or by plain dot product).
//!
//! Row i of the matrix keeps the `top_k` items most like i, i itself counted among them and then dropped,
//! as irspack does it. Weighting applies to one side of the product only.

use super::feature_weighting::FeatureWeighting;
use super::item_similarity::SparseSimilarity;
use super::neighbours::{Weighted, top_rows, top_rows_bytes};
use super::{AlgorithmInfo, EpochHook, Kind, MatrixAlgorithm, Model, NewItems, ParameterSpec, Params, TrainInput, TrainShape};
use crate::context::Context;
use crate::error::MlResult;
use crate::search_space::Domain;

pub(super) const INFO: AlgorithmInfo = AlgorithmInfo {
    name: "CosineKNNRecommender",
    short: "CosineKNN",
    summary: "items liked by the same people, by cosine",
    parameters,
    kind: Kind::Matrix(MatrixAlgorithm {
        early_stopping: false,
        new_items: NewItems::ByMap,
        estimate: estimate_item_knn,
        fit,
        load: SparseSimilarity::load,
        warm_start: None,
    }),
};

/// Keeps the denominator from becoming zero.
pub(super) const TINY: f64 = 1e-10;

/// Returns the parameters that every item KNN has.
pub(super) fn knn_parameters() -> Vec<ParameterSpec> {
    vec![
        ParameterSpec::int("top_k", 1, i64::from(u32::MAX), 100).searched(Domain::int(4, 1000)),
        ParameterSpec::float("shrinkage", 0.0, 1e12, 0.0).searched(Domain::float(0.0, 1000.0)),
        ParameterSpec::n_threads(),
    ]
}

fn parameters() -> Vec<ParameterSpec> {
    let mut specs = knn_parameters();
    let normalize = ParameterSpec::bool("normalize", false).searched(Domain::categorical([false, true]));
    specs.push(normalize);
    specs.extend(FeatureWeighting::parameters());
    specs
}

/// Estimates the peak memory of an item KNN.
pub(super) fn estimate_item_knn(params: &Params<'_>, shape: TrainShape) -> MlResult<u64> {
    Ok(top_rows_bytes(shape.nnz, shape.n_items, shape.n_items, params.size("top_k")?, 8))
}

fn fit(params: &Params<'_>, input: &TrainInput<'_>, ctx: &Context, _: &mut EpochHook<'_>) -> MlResult<Model> {
    let train = input.interactions;
    let weighted = FeatureWeighting::from_params(params)?.apply(train);
    let by_item = train.transpose();
    let left = Weighted::plain(&by_item);
    let shrinkage = params.float("shrinkage")?;
    let top_k = params.size("top_k")?;
    let similar = if params.bool("normalize")? {
        let ours = roots(left.row_squares());
        let theirs = roots(weighted.column_squares());
        top_rows(&left, &weighted, top_k, ctx, &|row, col, dot| dot / (theirs[col] * ours[row] + shrinkage + TINY))?
    } else {
        top_rows(&left, &weighted, top_k, ctx, &|_, _, dot| dot)?
    };
    Ok(SparseSimilarity::boxed(train.n_rows, similar.without_diagonal()))
}

fn roots(squares: Vec<f64>) -> Vec<f64> {
    squares.into_iter().map(f64::sqrt).collect()
}
