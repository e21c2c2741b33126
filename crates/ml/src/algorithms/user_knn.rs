//! User neighbours by cosine, plain or asymmetric (Aiolli 2013): users are recommended the items that similar users know.
//!
//! As irspack does it, a user is counted among their own `top_k` neighbours and then dropped, and the weighting of
//! items applies to one side of the product only.

use super::cosine_knn::knn_parameters;
use super::feature_weighting::FeatureWeighting;
use super::neighbours::{Weighted, top_rows, top_rows_bytes};
use super::user_similarity::{Likeness, UserSimilarity};
use super::{AlgorithmInfo, EpochHook, Kind, MatrixAlgorithm, Model, NewItems, ParameterSpec, Params, TrainShape};
use crate::context::Context;
use crate::error::MlResult;
use crate::search_space::Domain;
use crate::sparse::Csr;

pub(super) const COSINE: AlgorithmInfo = AlgorithmInfo {
    name: "CosineUserKNNRecommender",
    short: "CosineUserKNN",
    summary: "what people with similar histories like, by cosine",
    parameters: || {
        let normalize = ParameterSpec::bool("normalize", true).searched(Domain::categorical([false, true]));
        parameters(normalize)
    },
    kind: Kind::Matrix(MatrixAlgorithm {
        early_stopping: false,
        new_items: NewItems::Never,
        estimate,
        fit: |params, input, ctx, _: &mut EpochHook<'_>| {
            let train = input.interactions;
            let powers = if params.bool("normalize")? { Some((0.5, 0.5)) } else { None };
            fit(params, powers, train, ctx)
        },
        load: UserSimilarity::load,
        warm_start: None,
    }),
};

pub(super) const ASYMMETRIC_COSINE: AlgorithmInfo = AlgorithmInfo {
    name: "AsymmetricCosineUserKNNRecommender",
    short: "AsymmetricCosineUserKNN",
    summary: "what people with similar histories like, leaning to those with long or with short histories",
    parameters: || parameters(ParameterSpec::float("alpha", 0.0, 1.0, 0.5).searched(Domain::float(0.0, 1.0))),
    kind: Kind::Matrix(MatrixAlgorithm {
        early_stopping: false,
        new_items: NewItems::Never,
        estimate,
        fit: |params, input, ctx, _: &mut EpochHook<'_>| {
            let train = input.interactions;
            let alpha = params.float("alpha")?;
            fit(params, Some((alpha, 1.0 - alpha)), train, ctx)
        },
        load: UserSimilarity::load,
        warm_start: None,
    }),
};

/// Returns the parameters shared with the item models, and those of user neighbours.
fn parameters(own: ParameterSpec) -> Vec<ParameterSpec> {
    let mut specs = knn_parameters();
    specs.push(own);
    specs.extend(FeatureWeighting::parameters());
    specs
}

/// Estimates the peak memory of a user KNN: the product, and the interactions twice more within the model.
fn estimate(params: &Params<'_>, shape: TrainShape) -> MlResult<u64> {
    let product = top_rows_bytes(shape.nnz, shape.n_users, shape.n_users, params.size("top_k")?, 8);
    Ok(product + shape.nnz as u64 * 24 + (shape.n_users + shape.n_items) as u64 * 24)
}

/// Fits with these powers of the two squared lengths in the denominator; without them, similarity is the dot product.
fn fit(params: &Params<'_>, powers: Option<(f64, f64)>, train: &Csr, ctx: &Context) -> MlResult<Model> {
    let likeness = Likeness {
        top_k: params.size("top_k")?,
        shrinkage: params.float("shrinkage")?,
        powers,
        weighting: FeatureWeighting::from_params(params)?,
    };
    let mut model = UserSimilarity::without_neighbours(likeness, train.clone());
    let ours: Vec<f64> = (0..train.n_rows).map(|user| model.own_length(train.row(user).1)).collect();
    let similarity = |row: usize, col: usize, dot: f64| model.similarity(ours[row], col, dot);
    let (left, right) = (Weighted::plain(train), model.weighted());
    let similar = top_rows(&left, &right, likeness.top_k, ctx, &similarity)?;
    model.neighbours = similar.without_diagonal();
    Ok(Box::new(model))
}
