//! The weights, and the forward passes that scoring needs.

use serde::{Deserialize, Serialize};

use super::super::{Params, noise};
use crate::error::MlResult;
use crate::linalg::{Dense, multiply};
use crate::simd::{Aligned, Kernels, padded};

/// Widths of the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sizes {
    pub items: usize,
    pub encoder: usize,
    pub latent: usize,
    pub decoder: usize,
}

impl Sizes {
    pub fn read(params: &Params<'_>, items: usize) -> MlResult<Self> {
        let encoder = params.size("enc_hidden_dims")?;
        let decoder = params.optional_size("dec_hidden_dims")?.unwrap_or(encoder);
        Ok(Sizes { items, encoder, latent: params.size("dim_z")?, decoder })
    }

    /// Returns the bytes of one set of weights.
    pub fn bytes(&self) -> u64 {
        let (h, z, d) = (padded(self.encoder) as u64, padded(self.latent) as u64, padded(self.decoder) as u64);
        4 * (self.items as u64 * (h + d + 1) + 2 * z * (h + 1) + d * (z + 1) + h)
    }
}

/// Weights by rows of `width`, padded with zeros, and a bias for each output.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub weights: Aligned,
    pub bias: Aligned,
    pub width: usize,
}

impl Layer {
    fn zeros(rows: usize, width: usize, outputs: usize) -> Self {
        Layer { weights: Aligned::zeros(rows * width), bias: Aligned::zeros(padded(outputs)), width }
    }

    pub fn is_finite(&self) -> bool {
        self.weights.iter().chain(self.bias.iter()).all(|v| v.is_finite())
    }

    pub fn matrix(&self) -> Dense<'_> {
        Dense::new(&self.weights, self.width)
    }

    /// Computes `out = input · weightsᵀ + bias` for layers with a row of weights for each output.
    pub fn forward(&self, input: &[f32], outputs: usize, out: &mut [f32]) {
        let weights = Dense::new(&self.weights[..outputs * self.width], self.width);
        multiply(Dense::new(input, self.width), weights.transposed(), out);
        for row in out.chunks_exact_mut(outputs) {
            row.iter_mut().zip(self.bias.iter()).for_each(|(value, bias)| *value += bias);
        }
    }
}

/// Deviation of the first layer's weights at the start. Histories have length one however many items there are, so that 1/√items
/// would leave the hidden layer almost inactive.
const INPUT_DEVIATION: f32 = 0.1;

/// All layers. The moments of the optimiser have the same shape.
#[derive(Debug, Clone)]
pub(super) struct Network {
    pub sizes: Sizes,
    /// A row for each item, as long as the first hidden layer.
    pub input: Layer,
    /// A row for each mean and then for each logarithm of a variance.
    pub latent: Layer,
    /// A row for each unit of the second hidden layer.
    pub hidden: Layer,
    /// A row for each item, as long as the second hidden layer.
    pub output: Layer,
}

impl Network {
    pub fn zeros(sizes: Sizes) -> Self {
        let (h, z, d) = (padded(sizes.encoder), padded(sizes.latent), padded(sizes.decoder));
        Network {
            sizes,
            input: Layer::zeros(sizes.items, h, h),
            latent: Layer::zeros(2 * z, h, 2 * z),
            hidden: Layer::zeros(d, z, d),
            output: Layer::zeros(sizes.items, d, sizes.items),
        }
    }

    /// Creates random weights.
    pub fn random(sizes: Sizes, seed: u64) -> Self {
        let mut network = Network::zeros(sizes);
        let Sizes { encoder, latent, decoder, .. } = sizes;
        let means = padded(latent) * padded(encoder);
        noise::fill_rows(&mut network.input.weights, padded(encoder), encoder, INPUT_DEVIATION, seed, 1 << 40);
        let fill = |weights: &mut [f32], width: usize, k: usize, inputs: usize, part: u64| {
            noise::fill_rows(weights, width, k, (1.0 / inputs as f32).sqrt(), seed, part << 40);
        };
        fill(&mut network.latent.weights[..latent * padded(encoder)], padded(encoder), encoder, encoder, 2);
        fill(&mut network.latent.weights[means..][..latent * padded(encoder)], padded(encoder), encoder, encoder, 3);
        fill(&mut network.hidden.weights[..decoder * padded(latent)], padded(latent), latent, latent, 4);
        fill(&mut network.output.weights, padded(decoder), decoder, decoder, 5);
        network
    }

    pub fn layers(&self) -> [(&'static str, &Layer); 4] {
        [("input", &self.input), ("latent", &self.latent), ("hidden", &self.hidden), ("output", &self.output)]
    }

    pub fn layers_mut(&mut self) -> [(&'static str, &mut Layer); 4] {
        let Network { input, latent, hidden, output, .. } = self;
        [("input", input), ("latent", latent), ("hidden", hidden), ("output", output)]
    }

    /// Computes the first hidden layer of one history; the values are already normalised.
    pub fn first_hidden(&self, kernels: Kernels, items: &[u32], values: &[f32], out: &mut [f32]) {
        out.copy_from_slice(&self.input.bias);
        kernels.add_rows(&self.input.weights, items, values, out);
        kernels.tanh(out);
    }

    /// Scores all items for some histories, by rows.
    pub fn scores(&self, histories: &[(&[u32], &[f32])], out: &mut [f32]) {
        let kernels = Kernels::detect();
        let (h, z, d) = (self.input.width, self.hidden.width, self.output.width);
        let mut first = vec![0f32; histories.len() * h];
        let mut values = Vec::new();
        for ((items, weights), row) in histories.iter().zip(first.chunks_exact_mut(h)) {
            let scale = 1.0 / length(weights);
            values.clear();
            values.extend(weights.iter().map(|w| w * scale));
            self.first_hidden(kernels, items, &values, row);
        }
        let mut means = vec![0f32; histories.len() * z];
        self.latent.forward(&first, z, &mut means);
        let mut second = vec![0f32; histories.len() * d];
        self.hidden.forward(&means, d, &mut second);
        kernels.tanh(&mut second);
        self.output.forward(&second, self.sizes.items, out);
    }
}

/// Returns the Euclidean length of a history, never zero.
pub(super) fn length(weights: &[f32]) -> f32 {
    weights.iter().map(|w| w * w).sum::<f32>().sqrt().max(f32::MIN_POSITIVE)
}
