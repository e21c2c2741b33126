//! Bayesian personalised ranking (Rendle, Freudenthaler, Gantner & Schmidt-Thieme 2009) by matrix factorisation with item biases,
//! and with `loss` warp the weighted approximate-rank pairwise loss (Weston, Bengio & Usunier 2011) in its place. Named after
//! LightFM (Kula 2015), which implemented it in Recotem 1.x; like there, learning rates follow Adagrad (Duchi, Hazan & Singer
//! 2011), here with one rate for each row instead of each number.
//!
//! For every interaction of a user with an item, one step raises the item's score over that of an item drawn from those the user
//! has not interacted with. BPR takes any such item; WARP draws until one scores above the first less a margin of one, and steps
//! further the sooner it finds one, because then many rank too high.
//!
//! Steps run in parallel without racing (Gemulla, Nijkamp, Haas & Sismanis 2011): users and items are cut into as many blocks,
//! and at any time each block of users learns with another block of items. Items are assigned to blocks again in every epoch, so
//! that any two items meet; the number of blocks depends on the data only, and the result not on threads.
//!
//! With `item_feature_rate` or `user_feature_rate`, rows are sums of own rows and of those of features (`described`).
//!
//! Parameters beyond LightFM's in irspack: `learning_rate`, `random_seed` and those of features. New users are folded in by the same steps, taken for
//! this user alone. The similarity of items is the cosine of their factors without the bias.

mod blocks;
mod described;
mod model;
mod settings;
mod steps;
mod trainer;

use self::blocks::n_blocks;
use self::described::Described;
use self::model::row_width;
use self::settings::Settings;
use self::trainer::Trainer;
use super::{
    AlgorithmInfo, Control, EpochHook, Kind, MatrixAlgorithm, Model, NewItems, ParameterSpec, Params, TrainInput, TrainShape,
};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::search_space::Domain;

pub(super) const INFO: AlgorithmInfo = AlgorithmInfo {
    name: "BPRFMRecommender",
    short: "BPRFM",
    summary: "matrix factorisation that learns pairwise rankings (BPR or WARP)",
    parameters,
    kind: Kind::Matrix(MatrixAlgorithm {
        early_stopping: true,
        new_items: NewItems::ByMap,
        estimate,
        fit,
        load: model::load,
        warm_start: None,
    }),
};

fn parameters() -> Vec<ParameterSpec> {
    vec![
        ParameterSpec::int("n_components", 1, 4096, 128).searched(Domain::int(4, 256)),
        ParameterSpec::float("item_alpha", 0.0, 10.0, 1e-9).searched(Domain::log_float(1e-9, 1e-2)),
        ParameterSpec::float("user_alpha", 0.0, 10.0, 1e-9).searched(Domain::log_float(1e-9, 1e-2)),
        ParameterSpec::choice("loss", &["bpr", "warp"], "bpr").searched(Domain::categorical(["bpr", "warp"])),
        ParameterSpec::float("learning_rate", 1e-9, 10.0, 0.05),
        ParameterSpec::int("train_epochs", 1, 100_000, 128),
        ParameterSpec::int("random_seed", 0, i64::MAX, 42),
        ParameterSpec::optional_float("item_feature_rate", 0.0, 10.0),
        ParameterSpec::optional_float("user_feature_rate", 0.0, 10.0),
        ParameterSpec::float("feature_dropout", 0.0, 1.0, 0.0),
        ParameterSpec::n_threads(),
    ]
}

fn estimate(params: &Params<'_>, shape: TrainShape) -> MlResult<u64> {
    let width = row_width(params.size("n_components")?) as u64;
    let (users, items, nnz) = (shape.n_users as u64, shape.n_items as u64, shape.nnz as u64);
    let described = described::estimate(params, width, shape)?;
    // Items are copied into their blocks; interactions are assigned to cells.
    let cells = (n_blocks(shape.n_users, shape.n_items) as u64).pow(2) * 8;
    Ok(4 * (width + 4) * (users + 2 * items) + 20 * nnz + cells + described)
}

fn fit(params: &Params<'_>, input: &TrainInput<'_>, ctx: &Context, hook: &mut EpochHook<'_>) -> MlResult<Model> {
    let train = input.interactions;
    let settings = Settings::read(params)?;
    let epochs = params.size("train_epochs")? as u32;
    let width = row_width(settings.k);
    let (users, items) = (Described::of_users(params, input, width)?, Described::of_items(params, input, width)?);
    let mut trainer = ctx.install(|| Trainer::new(settings, train, users, items));
    for epoch in 1..=epochs {
        ctx.install(|| trainer.epoch(epoch, ctx))?;
        if !trainer.model().is_finite() {
            return Err(MlError::NotFinite("BPRFM".into()));
        }
        ctx.progress(u64::from(epoch), u64::from(epochs));
        if hook(epoch, trainer.model())? != Control::Continue {
            break;
        }
    }
    Ok(Box::new(trainer.into_model()))
}

#[cfg(test)]
mod tests;
