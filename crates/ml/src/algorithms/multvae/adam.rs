//! Weights with their moments, and their update steps.

use rayon::prelude::*;

use super::batch::ByItem;
use super::network::{Layer, Network};
use crate::linalg::{Dense, multiply};
use crate::simd::{AdamStep, Kernels};

/// Constants of Adam, as its authors suggest.
const FIRST_DECAY: f64 = 0.9;
const SECOND_DECAY: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Rows of a small layer that one thread updates at a time.
const ROWS_AT_A_TIME: usize = 32;

/// Returns the step at an update counted from zero, with a penalty on the sum of squared weights.
pub(super) fn adam_step(update: u64, learning_rate: f64, penalty: f32) -> AdamStep {
    let t = (update + 1) as f64;
    let second = (1.0 - SECOND_DECAY.powf(t)).sqrt();
    AdamStep {
        first: (1.0 - FIRST_DECAY) as f32,
        second: (1.0 - SECOND_DECAY) as f32,
        rate: (learning_rate * second / (1.0 - FIRST_DECAY.powf(t))) as f32,
        epsilon: (EPSILON * second) as f32,
        decay: 2.0 * penalty,
    }
}

/// Running means of gradients and of their squares, in the shape of the network.
pub(super) struct Moments {
    pub first: Network,
    pub second: Network,
}

/// Some weights and their moments.
pub(super) struct Weights<'a> {
    pub values: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

impl<'a> Weights<'a> {
    /// Splits into blocks of `len`, for parallel work.
    pub fn blocks(self, len: usize) -> impl IndexedParallelIterator<Item = Weights<'a>> {
        let moments = self.first.par_chunks_mut(len).zip(self.second.par_chunks_mut(len));
        let blocks = self.values.par_chunks_mut(len).zip(moments);
        blocks.map(|(values, (first, second))| Weights { values, first, second })
    }

    /// Takes one step against a gradient.
    pub fn step(self, gradient: &[f32], step: AdamStep, kernels: Kernels) {
        kernels.adam(self.values, self.first, self.second, gradient, step);
    }
}

/// A layer that is updated by steps. Biases are not penalised.
pub(super) struct Learner<'a> {
    pub weights: Weights<'a>,
    pub bias: Weights<'a>,
    width: usize,
}

/// Returns the learners of all layers: input, latent, hidden, output.
pub(super) fn learners<'a>(network: &'a mut Network, moments: &'a mut Moments) -> [Learner<'a>; 4] {
    let Network { input, latent, hidden, output, .. } = network;
    let (a, b) = (&mut moments.first, &mut moments.second);
    [
        Learner::new(input, &mut a.input, &mut b.input),
        Learner::new(latent, &mut a.latent, &mut b.latent),
        Learner::new(hidden, &mut a.hidden, &mut b.hidden),
        Learner::new(output, &mut a.output, &mut b.output),
    ]
}

impl<'a> Learner<'a> {
    fn new(layer: &'a mut Layer, first: &'a mut Layer, second: &'a mut Layer) -> Self {
        let width = layer.width;
        Learner {
            weights: Weights { values: &mut layer.weights, first: &mut first.weights, second: &mut second.weights },
            bias: Weights { values: &mut layer.bias, first: &mut first.bias, second: &mut second.bias },
            width,
        }
    }

    /// Takes a step by the gradients of the layer's outputs, given its inputs: `outputsᵀ · inputs`.
    pub fn learn_dense(self, outputs: &[f32], inputs: &[f32], gradient: &mut [f32], step: AdamStep, kernels: Kernels) {
        let (width, n_outputs) = (self.width, self.bias.values.len());
        learn_bias(self.bias, outputs, step, kernels);
        let (outputs, inputs) = (Dense::new(outputs, n_outputs), Dense::new(inputs, width));
        let blocks = self.weights.blocks(ROWS_AT_A_TIME * width).zip(gradient.par_chunks_mut(ROWS_AT_A_TIME * width));
        blocks.enumerate().for_each(|(block, (weights, gradient))| {
            let rows = weights.values.len() / width;
            multiply(outputs.columns(block * ROWS_AT_A_TIME, rows).transposed(), inputs, gradient);
            weights.step(gradient, step, kernels);
        });
    }

    /// Takes a step by the gradients of the first hidden layer, given the items of its input.
    pub fn learn_sparse(self, hidden: &[f32], inputs: &ByItem, gradient: &mut [f32], step: AdamStep, kernels: Kernels) {
        let width = self.width;
        learn_bias(self.bias, hidden, step, kernels);
        let blocks = self.weights.blocks(ROWS_AT_A_TIME * width).zip(gradient.par_chunks_mut(ROWS_AT_A_TIME * width));
        blocks.enumerate().for_each(|(block, (weights, gradient))| {
            let gradient = &mut gradient[..weights.values.len()];
            gradient.fill(0.0);
            for (at, row) in gradient.chunks_exact_mut(width).enumerate() {
                let (rows, values) = inputs.item(block * ROWS_AT_A_TIME + at);
                kernels.add_rows(hidden, rows, values, row);
            }
            weights.step(gradient, step, kernels);
        });
    }
}

/// Takes a step of a bias by the gradients of its layer's outputs.
fn learn_bias(bias: Weights<'_>, outputs: &[f32], step: AdamStep, kernels: Kernels) {
    let mut gradient = vec![0f32; bias.values.len()];
    for row in outputs.chunks_exact(bias.values.len()) {
        kernels.add(&mut gradient, row);
    }
    bias.step(&gradient, AdamStep { decay: 0.0, ..step }, kernels);
}
