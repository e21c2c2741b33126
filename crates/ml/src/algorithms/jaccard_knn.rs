//! Item neighbours by the share of users in common: Jaccard's index, and Tversky's (1977), which weights the users of only one of
//! the two items by alpha and beta.

use super::cosine_knn::{TINY, estimate_item_knn, knn_parameters};
use super::item_similarity::SparseSimilarity;
use super::neighbours::{Weighted, top_rows};
use super::{AlgorithmInfo, EpochHook, Kind, MatrixAlgorithm, Model, NewItems, ParameterSpec, Params};
use crate::context::Context;
use crate::error::MlResult;
use crate::search_space::Domain;
use crate::sparse::Csr;

pub(super) const JACCARD: AlgorithmInfo = AlgorithmInfo {
    name: "JaccardKNNRecommender",
    short: "JaccardKNN",
    summary: "items liked by the same people, by the share in common",
    parameters: knn_parameters,
    kind: Kind::Matrix(MatrixAlgorithm {
        early_stopping: false,
        new_items: NewItems::ByMap,
        estimate: estimate_item_knn,
        fit: |params, input, ctx, _: &mut EpochHook<'_>| fit_tversky(params, 1.0, 1.0, input.interactions, ctx),
        load: SparseSimilarity::load,
        warm_start: None,
    }),
};

pub(super) const TVERSKY: AlgorithmInfo = AlgorithmInfo {
    name: "TverskyIndexKNNRecommender",
    short: "TverskyIndexKNN",
    summary: "items liked by the same people, with the two sides weighed apart",
    parameters: || {
        let side = |name| ParameterSpec::float(name, 0.0, 1e6, 0.5).searched(Domain::float(0.0, 2.0));
        let mut specs = knn_parameters();
        specs.extend([side("alpha"), side("beta")]);
        specs
    },
    kind: Kind::Matrix(MatrixAlgorithm {
        early_stopping: false,
        new_items: NewItems::ByMap,
        estimate: estimate_item_knn,
        fit: |params, input, ctx, _: &mut EpochHook<'_>| {
            let train = input.interactions;
            fit_tversky(params, params.float("alpha")?, params.float("beta")?, train, ctx)
        },
        load: SparseSimilarity::load,
        warm_start: None,
    }),
};

/// Fits by Tversky's index, which is Jaccard's with both weights at one. Values count as present or absent.
fn fit_tversky(params: &Params<'_>, alpha: f64, beta: f64, train: &Csr, ctx: &Context) -> MlResult<Model> {
    let by_item = train.transpose();
    let left = Weighted::map(&by_item, |_, _, _| 1.0);
    let right = Weighted::map(train, |_, _, _| 1.0);
    let counts: Vec<f64> = train.column_counts().into_iter().map(f64::from).collect();
    let shrinkage = params.float("shrinkage")?;
    let similarity = |row: usize, col: usize, common: f64| {
        let apart = alpha * (counts[row] - common) + beta * (counts[col] - common);
        common / (common + apart + shrinkage + TINY)
    };
    let similar = top_rows(&left, &right, params.size("top_k")?, ctx, &similarity)?;
    Ok(SparseSimilarity::boxed(train.n_rows, similar.without_diagonal()))
}
