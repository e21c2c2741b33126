//! The variational autoencoder with multinomial likelihood of Liang, Krishnan, Hoffman & Jebara 2018 ("Variational autoencoders
//! for collaborative filtering"): a user's interactions, normalised and thinned by dropout, go through one hidden layer to the
//! mean and the variance of a latent vector, and a draw from that through another hidden layer to a distribution over all items.
//! Adam, and a weight of the Kullback–Leibler term that grows from zero.
//!
//! Departures: the latent draw is a sum of four uniform numbers instead of a normal one; weights start with deviation
//! 1/√(inputs), those of the items 0.1, and biases at zero; and in training the products of the output layer, which are most of
//! the work, multiply numbers rounded to bfloat16. Scores come from a mean of the weights at the ends of epochs that gives late
//! ones more weight (Shamir & Zhang 2013, "Stochastic gradient descent for non-smooth optimization"): the last weights alone owe
//! much to chance where users are few. A model's score is the logit. New users are folded in, and known ones scored, by a forward
//! pass with the mean of the latent vector. The similarity of items is the cosine of their output weights.

mod adam;
mod batch;
mod model;
mod network;
mod settings;
mod trainer;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use self::network::Sizes;
use self::settings::Settings;
use self::trainer::Trainer;
use super::{
    AlgorithmInfo, Control, EpochHook, Kind, MatrixAlgorithm, Model, NewItems, ParameterSpec, Params, TrainInput, TrainShape,
};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::search_space::Domain;

pub(super) const INFO: AlgorithmInfo = AlgorithmInfo {
    name: "MultVAERecommender",
    short: "MultVAE",
    summary: "variational autoencoder: a neural network over whole histories; strong, slow to fit",
    parameters,
    kind: Kind::Matrix(MatrixAlgorithm {
        early_stopping: true,
        new_items: NewItems::Never,
        estimate,
        fit,
        load: model::load,
        warm_start: None,
    }),
};

fn parameters() -> Vec<ParameterSpec> {
    vec![
        ParameterSpec::int("dim_z", 1, 4096, 16).searched(Domain::categorical([32, 64, 128, 256])),
        ParameterSpec::int("enc_hidden_dims", 1, 16_384, 256).searched(Domain::categorical([128, 256, 512])),
        ParameterSpec::optional_int("dec_hidden_dims", 1, 16_384),
        ParameterSpec::float("dropout_p", 0.0, 0.999, 0.5),
        ParameterSpec::float("l2_regularizer", 0.0, 1e3, 0.0),
        ParameterSpec::float("kl_anneal_goal", 0.0, 1e3, 0.2).searched(Domain::categorical([0.1, 0.2, 0.4])),
        ParameterSpec::int("anneal_end_epoch", 0, 100_000, 50),
        ParameterSpec::int("minibatch_size", 1, 1 << 20, 512),
        ParameterSpec::float("learning_rate", 1e-9, 10.0, 1e-3),
        ParameterSpec::int("train_epochs", 1, 100_000, 300),
        ParameterSpec::int("random_seed", 0, i64::MAX, 42),
        ParameterSpec::n_threads(),
    ]
}

fn estimate(params: &Params<'_>, shape: TrainShape) -> MlResult<u64> {
    let sizes = Sizes::read(params, shape.n_items)?;
    let rows = params.size("minibatch_size")?.min(shape.n_users);
    // Weights, their mean and two moments.
    let weights = 4 * sizes.bytes();
    let batch = batch::bytes(&sizes, rows);
    // At worst all interactions fall into one mini-batch, by user and by item.
    Ok(weights + batch + 16 * shape.nnz as u64 + 16 * shape.n_users as u64)
}

fn fit(params: &Params<'_>, input: &TrainInput<'_>, ctx: &Context, hook: &mut EpochHook<'_>) -> MlResult<Model> {
    let train = input.interactions;
    let sizes = Sizes::read(params, train.n_cols)?;
    let settings = Settings::read(params)?;
    let epochs = params.size("train_epochs")? as u32;
    let mut users: Vec<u32> = (0..train.n_rows as u32).filter(|&user| train.row_len(user as usize) > 0).collect();
    let mut trainer = ctx.install(|| Trainer::new(sizes, settings, train));
    let mut order = ChaCha8Rng::seed_from_u64(settings.seed);
    order.set_stream(ORDER_STREAM);
    for epoch in 1..=epochs {
        shuffle(&mut users, &mut order);
        for batch in users.chunks(settings.minibatch_size) {
            ctx.check()?;
            ctx.install(|| trainer.step(batch, users.len()));
        }
        ctx.install(|| trainer.end_epoch(epoch));
        if !trainer.model().is_finite() {
            return Err(MlError::NotFinite("MultVAE".into()));
        }
        ctx.progress(u64::from(epoch), u64::from(epochs));
        if hook(epoch, trainer.model())? != Control::Continue {
            break;
        }
    }
    Ok(Box::new(trainer.into_model()))
}

/// Streams of random numbers: the order of users, the weights, then two for every update.
const ORDER_STREAM: u64 = u64::MAX;

fn shuffle(users: &mut [u32], rng: &mut ChaCha8Rng) {
    for at in (1..users.len()).rev() {
        users.swap(at, rng.random_range(0..=at));
    }
}

#[cfg(test)]
mod tests;
