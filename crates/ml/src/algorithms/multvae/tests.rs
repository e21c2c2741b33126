use serde_json::{Map, Value, json};

use super::network::{Network, Sizes};
use super::settings::Settings;
use super::trainer::Trainer;
use crate::context::Context;
use crate::registry::fit;
use crate::simd::padded;
use crate::sparse::Csr;

const USERS: usize = 70;
const ITEMS: usize = 300;
const SIZES: Sizes = Sizes { items: ITEMS, encoder: 5, latent: 3, decoder: 4 };

/// Returns interactions of two blocks of rows and eight of items.
fn sample() -> Csr {
    let pairs =
        (0..USERS as u32).flat_map(|u| (0..ITEMS as u32).filter(move |i| (u * 7 + i * 5 + u * i) % 23 == 0).map(move |i| (u, i)));
    let (rows, cols): (Vec<u32>, Vec<u32>) = pairs.unzip();
    let mut train = Csr::from_pairs(USERS, ITEMS, &rows, &cols).unwrap();
    train.values.iter_mut().enumerate().for_each(|(at, value)| *value = 1.0 + (at % 3) as f32 * 0.5);
    train
}

fn settings() -> Settings {
    Settings { dropout: 0.5, l2: 0.01, kl_goal: 0.7, kl_epochs: 0, minibatch_size: USERS, learning_rate: 1e-3, seed: 3 }
}

/// Computes `weights · input + bias`, in 64 bits.
fn affine(weights: &[f32], bias: &[f32], width: usize, rows: std::ops::Range<usize>, input: &[f64]) -> Vec<f64> {
    let dot = |row: usize| weights[row * width..][..width].iter().zip(input).map(|(w, x)| f64::from(*w) * x).sum::<f64>();
    rows.map(|row| dot(row) + f64::from(bias[row])).collect()
}

/// Computes the loss by its definition, for the inputs and the noise that the trainer drew.
fn loss(network: &Network, train: &Csr, trainer: &Trainer<'_>) -> f64 {
    let z = padded(SIZES.latent);
    let mut total = 0.0;
    for user in 0..USERS {
        let (items, values) = trainer.batch.inputs[user / 64].row(user % 64);
        let mut first: Vec<f64> = network.input.bias.iter().map(|&b| f64::from(b)).collect();
        for (&item, &value) in items.iter().zip(values) {
            let row = &network.input.weights[item as usize * network.input.width..];
            first.iter_mut().zip(row).for_each(|(sum, &w)| *sum += f64::from(value) * f64::from(w));
        }
        first.iter_mut().for_each(|v| *v = v.tanh());
        let latent = affine(&network.latent.weights, &network.latent.bias, network.latent.width, 0..2 * z, &first);
        let (means, variances) = latent.split_at(z);
        let noise = &trainer.batch.noise[user * z..][..z];
        let draw: Vec<f64> = (0..z).map(|i| means[i] + f64::from(noise[i]) * (0.5 * variances[i]).exp()).collect();
        let second = affine(&network.hidden.weights, &network.hidden.bias, z, 0..padded(SIZES.decoder), &draw);
        let second: Vec<f64> = second.into_iter().map(f64::tanh).collect();
        let scores = affine(&network.output.weights, &network.output.bias, network.output.width, 0..ITEMS, &second);
        let normaliser = scores.iter().map(|s| s.exp()).sum::<f64>().ln();
        let (seen, weights) = train.row(user);
        total += seen.iter().zip(weights).map(|(&i, &w)| f64::from(w) * (normaliser - scores[i as usize])).sum::<f64>();
        total += (0..z).map(|i| 0.35 * (means[i].powi(2) + variances[i].exp() - variances[i] - 1.0)).sum::<f64>();
    }
    let squares: f64 = network.layers().iter().flat_map(|(_, layer)| layer.weights.iter()).map(|&w| f64::from(w).powi(2)).sum();
    total / USERS as f64 + 0.01 * squares
}

/// Borrows the weights or the bias of a layer.
fn part(network: &mut Network, layer: usize, bias: bool) -> &mut [f32] {
    let (_, layer) = network.layers_mut().into_iter().nth(layer).unwrap();
    if bias { &mut layer.bias } else { &mut layer.weights }
}

#[test]
fn the_gradient_is_that_of_the_loss() {
    let train = sample();
    let mut trainer = Trainer::new(SIZES, settings(), &train);
    let mut network = trainer.model().network.clone();
    let users: Vec<u32> = (0..USERS as u32).collect();
    trainer.step(&users, USERS);
    for layer in 0..4 {
        for bias in [false, true] {
            let n = part(&mut network, layer, bias).len();
            let (mut largest, mut furthest) = (0f64, (0f64, 0));
            for at in (0..n).step_by((n / 40).max(1) | 1) {
                // After one step the first moment is a tenth of the gradient.
                let gradient = f64::from(part(&mut trainer.moments.first, layer, bias)[at]) / 0.1;
                let kept = part(&mut network, layer, bias)[at];
                if kept == 0.0 && gradient == 0.0 && !bias {
                    continue;
                }
                let mut at_distance = |step: f32| {
                    part(&mut network, layer, bias)[at] = kept + step;
                    let distance = f64::from(kept + step) - f64::from(kept);
                    (loss(&network, &train, &trainer), distance)
                };
                let ((above, up), (below, down)) = (at_distance(1e-3), at_distance(-1e-3));
                part(&mut network, layer, bias)[at] = kept;
                let numeric = (above - below) / (up - down);
                largest = largest.max(numeric.abs());
                if (numeric - gradient).abs() > furthest.0 {
                    furthest = ((numeric - gradient).abs(), at);
                }
            }
            // The products of the output layer round to eight binary digits.
            let (off, at) = furthest;
            assert!(off < 0.01 * largest, "layer {layer} bias {bias} at {at}: off by {off}, the largest being {largest}");
        }
    }
}

fn params(extra: Value) -> Map<String, Value> {
    let mut params = json!({"dim_z": 4, "enc_hidden_dims": 12, "dec_hidden_dims": 20, "train_epochs": 3, "minibatch_size": 30});
    params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    params.as_object().unwrap().clone()
}

#[test]
fn threads_change_nothing_where_there_are_several_blocks() {
    let train = sample();
    let score = |threads: usize| {
        let model = fit("MultVAE", &params(json!({"minibatch_size": 68})), &train, &Context::new(0, threads)).unwrap();
        let mut out = vec![0f32; ITEMS];
        model.score_users(&[3], &train, &mut out).unwrap();
        out
    };
    assert_eq!(score(1), score(3));
}

#[test]
fn padding_stays_at_zero_and_folding_in_is_scoring() {
    let train = sample();
    let mut trainer = Trainer::new(SIZES, settings(), &train);
    for epoch in 1..=3 {
        trainer.step(&(0..USERS as u32).collect::<Vec<_>>(), USERS);
        trainer.end_epoch(epoch);
    }
    let network = &trainer.model().network;
    let clean =
        |layer: &super::network::Layer, k: usize| layer.weights.chunks(layer.width).all(|row| row[k..].iter().all(|&v| v == 0.0));
    assert!(clean(&network.input, SIZES.encoder) && clean(&network.latent, SIZES.encoder));
    assert!(clean(&network.hidden, SIZES.latent) && clean(&network.output, SIZES.decoder));

    let mut plain = train.clone();
    plain.values.fill(1.0);
    let model = fit("MultVAE", &params(json!({})), &plain, &Context::new(0, 1)).unwrap();
    let (mut known, mut folded) = (vec![0f32; ITEMS], vec![0f32; ITEMS]);
    model.score_users(&[5], &plain, &mut known).unwrap();
    model.score_history(plain.row_indices(5), &mut folded).unwrap();
    assert_eq!(known, folded);
}
