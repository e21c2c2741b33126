//! Implicit alternating least squares (Hu, Koren & Volinsky 2008), in the form of Rendle, Krichene, Zhang &
//! Koren 2021 ("Revisiting the performance of iALS on item recommendation benchmarks").
//!
//! Minimises ½ Σ_observed c (p·q − 1)² + α0/2 Σ_all (p·q)² + reg/2 [Σ_u (α0·I + N_u)^nu ‖p_u‖² + the corresponding sum over
//! items]. With `loss_type` ORIGINAL observed pairs carry the weight c + α0 instead of c.
//!
//! An epoch, step by step:
//! 1. `axes`: rotate users and items to the eigenvectors of itemsᵀ·items, so that α0 Σ_all becomes a diagonal.
//! 2. `half_step`: solve every user independently, items fixed, from the last solution:
//!    `conjugate_gradients` takes a few steps (CG), `blocks` solves exactly, all components at once (CHOLESKY) or
//!    one block after another (IALSPP).
//! 3. and 4. The same with users and items swapped.
//!
//! The loops over vectors are in `simd`; `sides` holds the interactions by users and by items.
//!
//! Departures from the papers: the rotation, which changes neither scores nor penalties nor, except for rounding, the steps of
//! conjugate gradients; and rows without interactions, which are set to zero without solving.

mod axes;
mod blocks;
mod conjugate_gradients;
mod explain;
mod features;
mod half_step;
mod model;
mod problem;
mod settings;
mod sides;
pub(super) mod warm_start;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use self::features::Pulls;
use self::model::Ials;
use self::problem::HalfStep;
use self::settings::Settings;
use self::sides::Side;
use super::{
    AlgorithmInfo, Control, EpochHook, Kind, MatrixAlgorithm, Model, NewItems, ParameterSpec, Params, TrainInput, TrainShape,
};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::search_space::Domain;
use crate::simd::padded;
use crate::sparse::Csr;

pub(super) const INFO: AlgorithmInfo = AlgorithmInfo {
    name: "IALSRecommender",
    short: "IALS",
    summary: "matrix factorisation for implicit feedback; a good first choice on most data",
    parameters,
    kind: Kind::Matrix(MatrixAlgorithm {
        early_stopping: true,
        new_items: NewItems::ByMap,
        estimate,
        fit,
        load: model::load,
        warm_start: Some(warm_start::fit),
    }),
};

fn parameters() -> Vec<ParameterSpec> {
    vec![
        ParameterSpec::int("n_components", 1, 4096, 20).searched(Domain::int(4, 300)),
        ParameterSpec::float("alpha0", 0.0, 1e6, 0.0).searched(Domain::log_float(3e-3, 1.0)),
        ParameterSpec::float("reg", 0.0, 1e9, 1e-3).searched(Domain::log_float(1e-4, 0.1)),
        ParameterSpec::float("nu", 0.0, 10.0, 1.0),
        ParameterSpec::choice("confidence_scaling", &["none", "log"], "none"),
        ParameterSpec::float("epsilon", 1e-9, 1e9, 1.0),
        ParameterSpec::float("init_std", 0.0, 1e3, 0.1),
        ParameterSpec::choice("solver_type", &["CG", "CHOLESKY", "IALSPP"], "CG"),
        ParameterSpec::int("max_cg_steps", 0, 10_000, 3),
        ParameterSpec::int("ialspp_subspace_dimension", 1, 4096, 64),
        ParameterSpec::choice("loss_type", &["IALSPP", "ORIGINAL"], "IALSPP"),
        ParameterSpec::optional_float("nu_star", 0.0, 10.0),
        ParameterSpec::int("random_seed", 0, i64::MAX, 42),
        ParameterSpec::int("train_epochs", 1, 100_000, 16),
        ParameterSpec::int("prediction_time_max_cg_steps", 0, 10_000, 5),
        ParameterSpec::int("prediction_time_ialspp_iteration", 1, 10_000, 7),
        ParameterSpec::optional_float("lambda_item_feature", 0.0, 1e9),
        ParameterSpec::optional_float("lambda_user_feature", 0.0, 1e9),
        ParameterSpec::int("feature_warmup_epochs", 0, 100_000, 0),
        ParameterSpec::n_threads(),
    ]
}

/// Number of threads that scratch memory is estimated for.
const THREADS: u64 = 16;

fn estimate(params: &Params<'_>, shape: TrainShape) -> MlResult<u64> {
    let width = padded(params.size("n_components")?);
    let (k, users, items, nnz) = (width as u64, shape.n_users as u64, shape.n_items as u64, shape.nnz as u64);
    let factors = (users + items) * k * 4;
    // By item: a number and, unless all are equal, a confidence for each; scaled confidences also by user.
    let scaled = if params.word("confidence_scaling")? == "log" { 4 } else { 0 };
    let interactions = nnz * (8 + scaled) + (items + 1) * 16;
    let exact = params.word("solver_type")? != "CG";
    // Rotating takes a copy of some rows, exact solutions a few matrices, conjugate gradients a weight for each interaction.
    let of_thread = axes::ROWS_AT_A_TIME as u64 * k * 4 + if exact { 16 * k * k + 1024 * k } else { 4 * users.max(items) };
    let grams = axes::gram_bytes(shape.n_users.max(shape.n_items), width) + 24 * k * k;
    Ok(factors + interactions + THREADS * of_thread + grams + features::estimate(params, width, shape)?)
}

fn fit(params: &Params<'_>, input: &TrainInput<'_>, ctx: &Context, hook: &mut EpochHook<'_>) -> MlResult<Model> {
    let train = input.interactions;
    let settings = Settings::read(params, train)?;
    let pulls = Pulls::read(params, input, &settings)?;
    let epochs = params.size("train_epochs")? as u32;
    let start = random_start(params, settings.k, train, ctx)?;
    improve(settings, start, Training { train, pulls, epochs }, ctx, hook)
}

/// What is learnt from, and for how long.
struct Training<'a> {
    train: &'a Csr,
    pulls: Pulls<'a>,
    epochs: u32,
}

/// Runs epochs from these factors of users and items.
fn improve(
    settings: Settings,
    (users, items): (Vec<f32>, Vec<f32>),
    Training { train, pulls, epochs }: Training<'_>,
    ctx: &Context,
    hook: &mut EpochHook<'_>,
) -> MlResult<Model> {
    let by_user = Side::of_users(train, &settings);
    let by_item = by_user.transposed(train.n_cols);
    let mut model = ctx.install(|| Ials::new(settings.clone(), users, items))?;
    model.maps.users = pulls.users.as_ref().map(|users| users.zero_map(model.k_padded()));
    model.maps.items = pulls.items.as_ref().map(|items| items.zero_map(model.k_padded()));
    for epoch in 1..=epochs {
        ctx.check()?;
        ctx.install(|| run_epoch(&mut model, &by_user, &by_item, (&pulls, epoch), ctx))?;
        ctx.progress(u64::from(epoch), u64::from(epochs));
        if hook(epoch, &model)? != Control::Continue {
            break;
        }
    }
    model.require_finite()?;
    Ok(Box::new(model))
}

/// Runs one epoch, whose number says which features pull yet.
fn run_epoch(
    model: &mut Ials,
    by_user: &Side<'_>,
    by_item: &Side<'_>,
    (pulls, epoch): (&Pulls<'_>, u32),
    ctx: &Context,
) -> MlResult<()> {
    let width = model.k_padded();
    let Ials { settings, users, items, item_energy, maps, .. } = model;
    let user_map = maps.users.as_deref_mut().unwrap_or_default();
    let item_map = maps.items.as_deref_mut().unwrap_or_default();
    let priors = pulls.users.as_ref().map(|of_users| of_users.priors(user_map, width, epoch)).unwrap_or_default();
    HalfStep::new(settings, items, item_energy).pulled_to(&priors).run(by_user, users, ctx)?;
    if let Some(of_users) = &pulls.users {
        of_users.learn(users, user_map, ctx)?;
    }
    let user_energy = axes::align(users, [items.as_mut_slice(), user_map, &mut *item_map], settings.k, settings.alpha0)?;
    let priors = pulls.items.as_ref().map(|of_items| of_items.priors(item_map, width, epoch)).unwrap_or_default();
    HalfStep::new(settings, users, &user_energy).pulled_to(&priors).run(by_item, items, ctx)?;
    if let Some(of_items) = &pulls.items {
        of_items.learn(items, item_map, ctx)?;
    }
    model.align()?;
    let Ials { users, items, maps, .. } = model;
    if let (Some(of_users), Some(map)) = (&pulls.users, &maps.users) {
        of_users.fill_unknown(users, map, by_user);
    }
    if let (Some(of_items), Some(map)) = (&pulls.items, &maps.items) {
        of_items.fill_unknown(items, map, by_item);
    }
    Ok(())
}

/// Creates random factors of users and items.
fn random_start(params: &Params<'_>, k: usize, train: &Csr, ctx: &Context) -> MlResult<(Vec<f32>, Vec<f32>)> {
    let deviation = (params.float("init_std")? / (k as f64).sqrt()) as f32;
    let seed = params.size("random_seed")? as u64;
    ctx.install(|| {
        let users = random_factors(train.n_rows, k, deviation, seed, 0);
        let items = random_factors(train.n_cols, k, deviation, seed, 1 << 32);
        Ok((users, items))
    })
}

/// Rows drawn from one stream of random numbers: fixed, so that the number of threads does not matter.
const ROWS_PER_STREAM: usize = 256;

/// Creates factors of (nearly) normal distribution, padded with zeros.
///
/// A sum of four uniform numbers of 16 bits stands for a normal one: starting values need no more.
fn random_factors(n: usize, k: usize, deviation: f32, seed: u64, first_stream: u64) -> Vec<f32> {
    let width = padded(k);
    let mut factors = vec![0f32; n * width];
    // Four uniform numbers on 0..65536 have this standard deviation.
    let scale = deviation / (65536.0 * (4.0f32 / 12.0).sqrt());
    factors.par_chunks_mut(ROWS_PER_STREAM * width).enumerate().for_each(|(block, rows)| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(first_stream + block as u64);
        for row in rows.chunks_exact_mut(width) {
            for value in &mut row[..k] {
                let bits = rng.next_u64();
                let sum: u64 = (0..4).map(|part| (bits >> (16 * part)) & 0xffff).sum();
                *value = (sum as f32 - 131_070.0) * scale;
            }
        }
    });
    factors
}

fn not_finite() -> MlError {
    MlError::NotFinite("iALS".into())
}

#[cfg(test)]
mod tests;
