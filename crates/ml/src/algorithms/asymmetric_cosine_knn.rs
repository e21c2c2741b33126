//! Item neighbours by asymmetric cosine (Aiolli 2013): the two lengths count with the powers alpha and 1 − alpha.

use super::cosine_knn::{TINY, estimate_item_knn, knn_parameters};
use super::feature_weighting::FeatureWeighting;
use super::item_similarity::SparseSimilarity;
use super::neighbours::{Weighted, top_rows};
use super::{AlgorithmInfo, EpochHook, Kind, MatrixAlgorithm, Model, NewItems, ParameterSpec, Params, TrainInput};
use crate::context::Context;
use crate::error::MlResult;
use crate::search_space::Domain;

pub(super) const INFO: AlgorithmInfo = AlgorithmInfo {
    name: "AsymmetricCosineKNNRecommender",
    short: "AsymmetricCosineKNN",
    summary: "items liked by the same people, leaning to the more or the less popular",
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

fn parameters() -> Vec<ParameterSpec> {
    let mut specs = knn_parameters();
    specs.push(ParameterSpec::float("alpha", 0.0, 1.0, 0.5).searched(Domain::float(0.0, 1.0)));
    specs.extend(FeatureWeighting::parameters());
    specs
}

fn fit(params: &Params<'_>, input: &TrainInput<'_>, ctx: &Context, _: &mut EpochHook<'_>) -> MlResult<Model> {
    let train = input.interactions;
    let weighted = FeatureWeighting::from_params(params)?.apply(train);
    let by_item = train.transpose();
    let left = Weighted::plain(&by_item);
    let (alpha, shrinkage) = (params.float("alpha")?, params.float("shrinkage")?);
    let powers = |squares: Vec<f64>, power: f64| -> Vec<f64> { squares.into_iter().map(|s| s.powf(power)).collect() };
    let ours = powers(left.row_squares(), alpha);
    let theirs = powers(weighted.column_squares(), 1.0 - alpha);
    let similarity = |row: usize, col: usize, dot: f64| dot / (theirs[col] * ours[row] + shrinkage + TINY);
    let similar = top_rows(&left, &weighted, params.size("top_k")?, ctx, &similarity)?;
    Ok(SparseSimilarity::boxed(train.n_rows, similar.without_diagonal()))
}
