//! Truncated singular value decomposition ("PureSVD", Cremonesi, Koren & Turrin 2010): scores are U·Σ·Vᵀ.
//!
//! The reference's randomised decomposition stops after a few steps and depends on its seed a little; ours continues until the
//! singular values have settled, see [`super::singular`].

use super::factor_model::{FactorModel, FoldIn};
use super::singular::{singular_bytes, top_singular};
use super::{AlgorithmInfo, EpochHook, Kind, MatrixAlgorithm, Model, NewItems, ParameterSpec, Params, TrainInput, TrainShape};
use crate::context::Context;
use crate::error::MlResult;
use crate::search_space::Domain;

pub(super) const INFO: AlgorithmInfo = AlgorithmInfo {
    name: "TruncatedSVDRecommender",
    short: "TruncatedSVD",
    summary: "matrix factorisation by singular values: quick, little to tune",
    parameters: || {
        vec![
            ParameterSpec::int("n_components", 1, 4096, 4).searched(Domain::int(4, 512)),
            ParameterSpec::int("random_seed", 0, i64::MAX, 0),
        ]
    },
    kind: Kind::Matrix(MatrixAlgorithm {
        early_stopping: false,
        new_items: NewItems::ByMap,
        estimate,
        fit,
        load: FactorModel::load_projection,
        warm_start: None,
    }),
};

fn estimate(params: &Params<'_>, shape: TrainShape) -> MlResult<u64> {
    Ok(singular_bytes(params.size("n_components")?, shape))
}

fn fit(params: &Params<'_>, input: &TrainInput<'_>, ctx: &Context, _: &mut EpochHook<'_>) -> MlResult<Model> {
    let train = input.interactions;
    let seed = params.size("random_seed")? as u64;
    let found = top_singular(train, &train.transpose(), params.size("n_components")?, seed, ctx)?;
    Ok(Box::new(FactorModel::new(found.k, FoldIn::Projection, found.users, found.items)))
}
