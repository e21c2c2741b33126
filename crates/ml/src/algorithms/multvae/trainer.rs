//! One update: forward, backward and Adam, in phases whose parts run in parallel.
//!
//! Parts are blocks of users or of items whose bounds do not depend on the number of threads, and sums over parts are taken in
//! their order, so the result does not depend on it either.

use rayon::prelude::*;

use super::adam::{Moments, adam_step, learners};
use super::batch::{Batch, Inputs, ROW_BLOCK, draw_noise, stream};
use super::model::MultVae;
use super::network::{Network, Sizes};
use super::settings::Settings;
use crate::linalg::{Dense, multiply, multiply_bfloat};
use crate::simd::{AdamStep, Kernels};
use crate::sparse::Csr;

/// An epoch's weight in the mean is this power of its number: of many epochs mostly the last quarter counts, of few the last one.
const POWER: f32 = 3.0;
/// Weights that one thread averages at a time.
const VALUES_AT_A_TIME: usize = 1 << 14;

/// A network in training.
pub(super) struct Trainer<'a> {
    train: &'a Csr,
    settings: Settings,
    network: Network,
    /// The mean of the networks at the ends of epochs, with more weight on later ones; it scores the users.
    model: MultVae,
    pub moments: Moments,
    pub batch: Batch,
    updates: u64,
    kernels: Kernels,
}

impl<'a> Trainer<'a> {
    pub fn new(sizes: Sizes, settings: Settings, train: &'a Csr) -> Self {
        let network = Network::random(sizes, settings.seed);
        Trainer {
            train,
            settings,
            model: MultVae { n_users: train.n_rows, network: network.clone() },
            network,
            moments: Moments { first: Network::zeros(sizes), second: Network::zeros(sizes) },
            batch: Batch::new(&sizes, settings.minibatch_size.min(train.n_rows)),
            updates: 0,
            kernels: Kernels::detect(),
        }
    }

    pub fn model(&self) -> &MultVae {
        &self.model
    }

    pub fn into_model(self) -> MultVae {
        self.model
    }

    /// Moves the model towards the network that an epoch, counted from one, has ended with.
    pub fn end_epoch(&mut self, epoch: u32) {
        let share = (POWER + 1.0) / (POWER + epoch as f32);
        let layers = self.model.network.layers_mut().into_iter().zip(self.network.layers());
        for ((_, mean), (_, layer)) in layers {
            for (mean, values) in [(&mut mean.weights, &layer.weights), (&mut mean.bias, &layer.bias)] {
                let pairs = mean.par_chunks_mut(VALUES_AT_A_TIME).zip(values.par_chunks(VALUES_AT_A_TIME));
                pairs.for_each(|(mean, values)| {
                    mean.iter_mut().zip(values).for_each(|(mean, value)| *mean += share * (value - *mean));
                });
            }
        }
    }

    /// Updates the weights once, by the gradient of the mean loss of some users; an epoch has `n_users`.
    pub fn step(&mut self, users: &[u32], n_users: usize) {
        let kl = self.settings.kl_weight(self.updates, n_users.div_ceil(self.settings.minibatch_size));
        self.encode(users);
        self.score(users.len());
        self.turn_sums_into_factors(users);
        let step = adam_step(self.updates, self.settings.learning_rate, self.settings.l2);
        self.output_layer(users, step);
        self.backward(users.len(), kl);
        self.other_layers(users.len(), step);
        self.updates += 1;
    }

    /// Draws inputs and noise, and computes up to the second hidden layer.
    fn encode(&mut self, users: &[u32]) {
        let Trainer { train, settings, network, batch, updates, kernels, .. } = self;
        let (h, z, d) = (network.input.width, network.hidden.width, network.output.width);
        let item_blocks = batch.blocks;
        let rows = (
            users.par_chunks(ROW_BLOCK),
            &mut batch.inputs,
            batch.first.par_chunks_mut(ROW_BLOCK * h),
            batch.latent.par_chunks_mut(ROW_BLOCK * 2 * z),
            batch.noise.par_chunks_mut(ROW_BLOCK * z),
            batch.draw.par_chunks_mut(ROW_BLOCK * z),
            batch.second.par_chunks_mut(ROW_BLOCK * d),
        );
        rows.into_par_iter().enumerate().for_each(|(block, (users, inputs, first, latent, noise, draw, second))| {
            let n = users.len();
            let mut rng = stream(settings.seed, *updates, block);
            inputs.draw(train, users, item_blocks, settings.dropout, &mut rng);
            draw_noise(&mut noise[..n * z], network.sizes.latent, &mut rng);
            for (at, out) in first[..n * h].chunks_exact_mut(h).enumerate() {
                let (items, values) = inputs.row(at);
                network.first_hidden(*kernels, items, values, out);
            }
            network.latent.forward(&first[..n * h], 2 * z, &mut latent[..n * 2 * z]);
            for ((latent, noise), draw) in
                latent.chunks_exact(2 * z).zip(noise.chunks_exact(z)).zip(draw.chunks_exact_mut(z)).take(n)
            {
                let (means, variances) = latent.split_at(z);
                draw.iter_mut().zip(variances).for_each(|(draw, v)| *draw = 0.5 * v);
                kernels.exp(draw);
                draw.iter_mut().zip(noise).zip(means).for_each(|((draw, noise), mean)| *draw = mean + noise * *draw);
            }
            network.hidden.forward(&draw[..n * z], d, &mut second[..n * d]);
            kernels.tanh(&mut second[..n * d]);
        });
        // Blocks that this mini-batch does not have must not count.
        batch.inputs.iter_mut().skip(users.len().div_ceil(ROW_BLOCK)).for_each(|inputs| *inputs = Inputs::default());
    }

    /// Computes the scores of all items as exponentials, block by block; meanwhile the inputs are sorted by item.
    fn score(&mut self, n: usize) {
        let Trainer { network, batch, kernels, .. } = self;
        let Batch { blocks, inputs, by_item, second, scores, greatest, sums, rounded, .. } = batch;
        let (output, items) = (&network.output, network.sizes.items);
        let (width, d) = (blocks.width, output.width);
        let second = &second[..n * d];
        let tiles = (
            output.weights[..items * d].par_chunks(width * d),
            output.bias[..items].par_chunks(width),
            scores.par_chunks_mut(n * width),
            greatest.par_chunks_mut(n),
            sums.par_chunks_mut(n),
            rounded,
        );
        let score = || {
            tiles.into_par_iter().for_each(|(weights, bias, scores, greatest, sums, rounded)| {
                let scores = &mut scores[..n * bias.len()];
                multiply_bfloat(Dense::new(second, d), Dense::new(weights, d).transposed(), scores, rounded);
                for ((row, greatest), sum) in scores.chunks_exact_mut(bias.len()).zip(greatest).zip(sums) {
                    (*greatest, *sum) = kernels.exp_below_greatest(row, bias);
                }
            });
        };
        rayon::join(|| by_item.fill(inputs, items), score);
    }

    /// Computes, from the greatest scores and sums of all blocks, the factor that turns each block's exponentials into
    /// probabilities times the user's total weight, over the size of the mini-batch.
    fn turn_sums_into_factors(&mut self, users: &[u32]) {
        let n = users.len();
        let (greatest, sums, count) = (&self.batch.greatest, &mut self.batch.sums, self.batch.blocks.count);
        for (row, &user) in users.iter().enumerate() {
            let top = (0..count).map(|block| greatest[block * n + row]).fold(f32::MIN, f32::max);
            let part = |block: usize| (greatest[block * n + row] - top).exp();
            let total: f32 = (0..count).map(|block| part(block) * sums[block * n + row]).sum();
            let weight: f32 = self.train.row(user as usize).1.iter().sum();
            (0..count).for_each(|block| sums[block * n + row] = part(block) * weight / (total * n as f32));
        }
    }

    /// Computes the gradient by the scores and from it each block's part of the gradient by the second hidden layer, and takes
    /// the step of the block's weights, which are not needed any more then.
    fn output_layer(&mut self, users: &[u32], step: AdamStep) {
        let Trainer { train, network, moments, batch, kernels, .. } = self;
        let (n, items, width) = (users.len(), network.sizes.items, batch.blocks.width);
        let d = network.output.width;
        let second = Dense::new(&batch.second[..n * d], d);
        let (factors, inputs, item_blocks) = (&batch.sums, &batch.inputs, batch.blocks);
        let share = 1.0 / n as f32;
        let [.., output] = learners(network, moments);
        let blocks = (
            output.weights.blocks(width * d),
            output.bias.blocks(width),
            batch.scores.par_chunks_mut(n * width),
            batch.parts.par_chunks_mut(n * d),
            batch.gradient.par_chunks_mut(width * d),
            batch.bias_gradient.par_chunks_mut(width),
            &mut batch.rounded,
        );
        blocks.into_par_iter().enumerate().for_each(|(block, (weights, bias, scores, part, gradient, d_bias, rounded))| {
            let columns = block * width..(block * width + width).min(items);
            let scores = &mut scores[..n * columns.len()];
            let d_bias = &mut d_bias[..bias.values.len()];
            d_bias.fill(0.0);
            for (at, (row, &user)) in scores.chunks_exact_mut(columns.len()).zip(users).enumerate() {
                kernels.scale(row, factors[block * n + at]);
                let own = inputs[at / ROW_BLOCK].within(at % ROW_BLOCK, block, item_blocks);
                let (seen, given) = train.row(user as usize);
                for (&item, weight) in seen[own.clone()].iter().zip(&given[own]) {
                    row[item as usize - columns.start] -= weight * share;
                }
                kernels.add(d_bias, row);
            }
            let scores = Dense::new(scores, columns.len());
            multiply_bfloat(scores, Dense::new(weights.values, d), part, rounded);
            multiply_bfloat(scores.transposed(), second, gradient, rounded);
            weights.step(gradient, step, *kernels);
            bias.step(d_bias, AdamStep { decay: 0.0, ..step }, *kernels);
        });
    }

    /// Propagates the gradient from the second hidden layer back to the first.
    fn backward(&mut self, n: usize, kl: f32) {
        let Trainer { network, batch, kernels, .. } = self;
        let (h, z, d) = (network.input.width, network.hidden.width, network.output.width);
        let kl = kl / n as f32;
        let (parts, count) = (&batch.parts, batch.blocks.count);
        let rows = (
            batch.first[..n * h].par_chunks(ROW_BLOCK * h),
            batch.second[..n * d].par_chunks(ROW_BLOCK * d),
            batch.noise[..n * z].par_chunks(ROW_BLOCK * z),
            batch.latent[..n * 2 * z].par_chunks_mut(ROW_BLOCK * 2 * z),
            batch.d_first[..n * h].par_chunks_mut(ROW_BLOCK * h),
            batch.d_second[..n * d].par_chunks_mut(ROW_BLOCK * d),
            batch.d_draw[..n * z].par_chunks_mut(ROW_BLOCK * z),
        );
        rows.into_par_iter().enumerate().for_each(|(at, (first, second, noise, latent, d_first, d_second, d_draw))| {
            let start = at * ROW_BLOCK * d;
            d_second.fill(0.0);
            for block in 0..count {
                let part = &parts[block * n * d + start..][..d_second.len()];
                kernels.add(d_second, part);
            }
            kernels.back_through_tanh(d_second, second);
            multiply(Dense::new(d_second, d), network.hidden.matrix(), d_draw);
            for ((latent, d_draw), noise) in latent.chunks_exact_mut(2 * z).zip(d_draw.chunks_exact(z)).zip(noise.chunks_exact(z))
            {
                latent_gradient(*kernels, latent, d_draw, noise, kl);
            }
            multiply(Dense::new(latent, 2 * z), network.latent.matrix(), d_first);
            kernels.back_through_tanh(d_first, first);
        });
    }

    /// Takes the steps of all layers except the output.
    fn other_layers(&mut self, n: usize, step: AdamStep) {
        let Trainer { network, moments, batch, kernels, .. } = self;
        let (h, z, d) = (network.input.width, network.hidden.width, network.output.width);
        let Batch { first, latent, draw, d_first, d_second, by_item, gradient, small_gradient, .. } = batch;
        let [input, to_latent, hidden, _] = learners(network, moments);
        let (d_first, d_latent, d_second) = (&d_first[..n * h], &latent[..n * 2 * z], &d_second[..n * d]);
        let (first, draw, kernels) = (&first[..n * h], &draw[..n * z], *kernels);
        let small = || {
            to_latent.learn_dense(d_latent, first, small_gradient, step, kernels);
            hidden.learn_dense(d_second, draw, small_gradient, step, kernels);
        };
        rayon::join(|| input.learn_sparse(d_first, by_item, gradient, step, kernels), small);
    }
}

/// Replaces means and logarithms of variances by the gradient by them: through the draw, and of the
/// Kullback–Leibler term `kl · ½ Σ (mean² + variance − log variance − 1)`.
fn latent_gradient(kernels: Kernels, latent: &mut [f32], d_draw: &[f32], noise: &[f32], kl: f32) {
    let (means, variances) = latent.split_at_mut(d_draw.len());
    means.iter_mut().zip(d_draw).for_each(|(mean, d)| *mean = d + kl * *mean);
    variances.iter_mut().for_each(|v| *v *= 0.5);
    kernels.exp(variances);
    for ((deviation, d), noise) in variances.iter_mut().zip(d_draw).zip(noise) {
        *deviation = 0.5 * (d * noise * *deviation + kl * (*deviation * *deviation - 1.0));
    }
}
