//! EASE^R (Steck 2019, "Embarrassingly shallow autoencoders for sparse data"): the best linear item model
//! without a diagonal, in closed form. Called DenseSLIM after irspack. And EDLAE (Steck 2020, "Autoencoders that
//! don't overfit towards the identity"): the same with a penalty for dropout, which grows with popularity.

use rayon::prelude::*;

use super::item_similarity::DenseSimilarity;
use super::{AlgorithmInfo, EpochHook, Model, ParameterSpec, Params, TrainShape};
use crate::ml::context::Context;
use crate::ml::error::{MlError, MlResult};
use crate::ml::linalg;
use crate::ml::search_space::Domain;
use crate::ml::sparse::Csr;

pub(super) const DENSE_SLIM: AlgorithmInfo = AlgorithmInfo {
    name: "DenseSLIMRecommender",
    short: "DenseSLIM",
    summary: "EASE: linear item model in closed form; strong, memory grows with items squared",
    early_stopping: false,
    parameters: || vec![reg_parameter()],
    estimate,
    fit,
    load: DenseSimilarity::load,
};

pub(super) const EDLAE: AlgorithmInfo = AlgorithmInfo {
    name: "EDLAERecommender",
    short: "EDLAE",
    summary: "EASE with dropout: often the best of the linear models; memory grows with items squared",
    early_stopping: false,
    parameters: || {
        let dropout = ParameterSpec::float("dropout_p", 0.0, 0.999, 0.1).searched(Domain::float(0.0, 0.99));
        vec![reg_parameter(), dropout]
    },
    estimate,
    fit: |params, train, ctx, _: &mut EpochHook<'_>| {
        let (reg, p) = (params.float("reg")? as f32, params.float("dropout_p")? as f32);
        fit_linear(train, ctx, |diagonal| p / (1.0 - p) * diagonal + reg)
    },
    load: DenseSimilarity::load,
};

/// The regularisation of both dense linear models.
fn reg_parameter() -> ParameterSpec {
    ParameterSpec::float("reg", 1e-6, 1e12, 1.0).searched(Domain::log_float(1.0, 1e4))
}

/// Peak memory of a dense linear model.
fn estimate(_: &Params<'_>, shape: TrainShape) -> MlResult<u64> {
    Ok(linalg::inversion_bytes(shape.n_items) + shape.nnz as u64 * 8)
}

fn fit(params: &Params<'_>, train: &Csr, ctx: &Context, _: &mut EpochHook<'_>) -> MlResult<Model> {
    let reg = params.float("reg")? as f32;
    fit_linear(train, ctx, |_| reg)
}

/// Fits with a penalty that may depend on the item's entry of the Gram matrix.
fn fit_linear(train: &Csr, ctx: &Context, penalty: impl Fn(f32) -> f32 + Sync) -> MlResult<Model> {
    let n = train.n_cols;
    let mut weights = gram(train, ctx)?;
    for item in 0..n {
        let diagonal = &mut weights[item * n + item];
        *diagonal += penalty(*diagonal);
    }
    ctx.progress(1, 3);
    ctx.check()?;
    ctx.install(|| linalg::invert_in_place(&mut weights, n, ctx.threads))?;
    ctx.progress(2, 3);
    ctx.check()?;
    let diagonal: Vec<f32> = (0..n).map(|item| weights[item * n + item]).collect();
    ctx.install(|| {
        weights.par_chunks_exact_mut(n.max(1)).enumerate().for_each(|(item, row)| {
            row.iter_mut().zip(&diagonal).for_each(|(weight, d)| *weight *= -1.0 / d);
            row[item] = 0.0;
        });
    });
    if weights.iter().any(|w| !w.is_finite()) {
        return Err(MlError::NotFinite("EASE".into()));
    }
    ctx.progress(3, 3);
    Ok(DenseSimilarity::boxed(train.n_rows, n, weights))
}

/// `trainᵀ · train`, dense.
fn gram(train: &Csr, ctx: &Context) -> MlResult<Vec<f32>> {
    let n = train.n_cols;
    let by_item = train.transpose();
    let mut gram = vec![0f32; n * n];
    ctx.install(|| {
        gram.par_chunks_exact_mut(n.max(1)).enumerate().with_max_len(16).try_for_each(|(item, row)| {
            ctx.check()?;
            let (users, values) = by_item.row(item);
            for (&user, &value) in users.iter().zip(values) {
                let (items, others) = train.row(user as usize);
                items.iter().zip(others).for_each(|(&other, &v)| row[other as usize] += value * v);
            }
            Ok(())
        })
    })?;
    Ok(gram)
}
