//! Loops over whole rows, written plainly and compiled once for each instruction set.
//!
//! They multiply and add in separate instructions everywhere, so every instruction set gives the same bits.

use super::{Kernels, Level, dispatched};

/// Lanes in which sums are kept, on every instruction set.
const LANES: usize = 16;

/// One step of Adam (Kingma & Ba 2015), whose numbers include the corrections of its moments.
#[derive(Debug, Clone, Copy)]
pub struct AdamStep {
    /// Share of the first moment that is replaced.
    pub first: f32,
    /// Share of the second moment that is replaced.
    pub second: f32,
    /// Learning rate.
    pub rate: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Added to the gradient for each unit of the weight.
    pub decay: f32,
}

dispatched! {
    /// Adds `bias` to `row` and replaces it by exp(row − its greatest value).
    ///
    /// Returns that greatest value and the sum of the result.
    exp_below_greatest(row: &mut [f32], bias: &[f32]) -> (f32, f32), exp_below_greatest_plain
}

dispatched! {
    /// Replaces every value by its exponential.
    exp(values: &mut [f32]), exp_plain
}

dispatched! {
    /// Replaces every value by its hyperbolic tangent.
    tanh(values: &mut [f32]), tanh_plain
}

dispatched! {
    /// Multiplies every value by a factor.
    scale(values: &mut [f32], factor: f32), scale_plain
}

dispatched! {
    /// Adds `row` to `sums`.
    add(sums: &mut [f32], row: &[f32]), add_plain
}

dispatched! {
    /// Turns a gradient by the results of [`Kernels::tanh`] into one by its inputs.
    back_through_tanh(gradient: &mut [f32], results: &[f32]), back_through_tanh_plain
}

dispatched! {
    /// Moves weights and their moments by one step against a gradient.
    adam(weights: &mut [f32], first: &mut [f32], second: &mut [f32], gradient: &[f32], step: AdamStep), adam_plain
}

#[inline(always)]
fn greater(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Computes e to the power of x within two units of the last place; beyond ±87 the value at the bound.
#[inline(always)]
fn exp_one(x: f32) -> f32 {
    // Adding 1.5 · 2²³ rounds to a whole number, which is then in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = if x > 87.0 { 87.0 } else { x };
    let x = if x < -87.0 { -87.0 } else { x };
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let whole = rounded - ROUND;
    let r = (x - whole * LN2_HIGH) - whole * LN2_LOW;
    let mut p = 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    let exponent = rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    p * f32::from_bits(exponent)
}

#[inline(always)]
fn exp_below_greatest_plain(row: &mut [f32], bias: &[f32]) -> (f32, f32) {
    let mut greatest = [f32::MIN; LANES];
    let bias = &bias[..row.len()];
    let (blocks, rest) = row.as_chunks_mut::<LANES>();
    let (biases, last) = bias.as_chunks::<LANES>();
    for at in 0..blocks.len() {
        for i in 0..LANES {
            blocks[at][i] += biases[at][i];
            greatest[i] = greater(blocks[at][i], greatest[i]);
        }
    }
    for at in 0..rest.len() {
        rest[at] += last[at];
        greatest[0] = greater(rest[at], greatest[0]);
    }
    let greatest = greatest.into_iter().fold(f32::MIN, greater);
    let mut sums = [0f32; LANES];
    let mut blocks = row.chunks_exact_mut(LANES);
    for block in &mut blocks {
        for i in 0..LANES {
            block[i] = exp_one(block[i] - greatest);
            sums[i] += block[i];
        }
    }
    for value in blocks.into_remainder() {
        *value = exp_one(*value - greatest);
        sums[0] += *value;
    }
    let mut sum = 0.0;
    for i in 0..LANES {
        sum += sums[i];
    }
    (greatest, sum)
}

#[inline(always)]
fn exp_plain(values: &mut [f32]) {
    values.iter_mut().for_each(|v| *v = exp_one(*v));
}

#[inline(always)]
fn tanh_plain(values: &mut [f32]) {
    values.iter_mut().for_each(|v| *v = 1.0 - 2.0 / (exp_one(2.0 * *v) + 1.0));
}

#[inline(always)]
fn scale_plain(values: &mut [f32], factor: f32) {
    values.iter_mut().for_each(|v| *v *= factor);
}

#[inline(always)]
fn add_plain(sums: &mut [f32], row: &[f32]) {
    let n = sums.len().min(row.len());
    let (sums, row) = (&mut sums[..n], &row[..n]);
    for i in 0..n {
        sums[i] += row[i];
    }
}

#[inline(always)]
fn back_through_tanh_plain(gradient: &mut [f32], results: &[f32]) {
    let n = gradient.len().min(results.len());
    let (gradient, results) = (&mut gradient[..n], &results[..n]);
    for i in 0..n {
        gradient[i] *= 1.0 - results[i] * results[i];
    }
}

#[inline(always)]
fn adam_plain(weights: &mut [f32], first: &mut [f32], second: &mut [f32], gradient: &[f32], step: AdamStep) {
    let n = weights.len();
    let (first, second, gradient) = (&mut first[..n], &mut second[..n], &gradient[..n]);
    for i in 0..n {
        let g = gradient[i] + step.decay * weights[i];
        first[i] += step.first * (g - first[i]);
        second[i] += step.second * (g * g - second[i]);
        weights[i] -= step.rate * first[i] / (second[i].sqrt() + step.epsilon);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 % 101) as f32 - 50.0) / 7.0).collect()
    }

    #[test]
    fn exponentials_and_tangents_are_those_of_the_library() {
        for kernels in Kernels::all() {
            let mut values: Vec<f32> = (-8700..=8700).map(|i| i as f32 / 100.0).collect();
            let wanted: Vec<f64> = values.iter().map(|&v| f64::from(v).exp()).collect();
            kernels.exp(&mut values);
            let worst = values.iter().zip(&wanted).map(|(v, w)| (f64::from(*v) / w - 1.0).abs()).fold(0.0, f64::max);
            assert!(worst < 3e-7, "{kernels:?}: {worst}");
            let mut values = [-100.0f32, -3.0, -0.5, -1e-4, 0.0, 1e-4, 0.7, 20.0, 1e9];
            let wanted = values.map(f32::tanh);
            kernels.tanh(&mut values);
            assert!(values.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 2e-7), "{kernels:?}: {values:?}");
            let mut odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
            kernels.exp(&mut odd);
            assert!(odd[0].is_nan() && odd[1] > 1e37 && odd[2] < 1e-37, "{odd:?}");
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let step = AdamStep { first: 0.1, second: 0.01, rate: 0.01, epsilon: 1e-8, decay: 0.1 };
        let all = |kernels: Kernels, n: usize| {
            let mut row = numbers(n);
            let bias: Vec<f32> = numbers(n).into_iter().rev().collect();
            let (greatest, sum) = kernels.exp_below_greatest(&mut row, &bias);
            let (mut w, mut m, mut v) = (numbers(n), vec![0.5; n], vec![0.25; n]);
            kernels.adam(&mut w, &mut m, &mut v, &bias, step);
            let mut sums = vec![1.0; n];
            kernels.scale(&mut sums, 3.0);
            kernels.add(&mut sums, &w);
            kernels.back_through_tanh(&mut sums, &bias);
            [vec![greatest, sum], row, w, m, v, sums].concat()
        };
        for n in [1, 15, 16, 17, 100, 256] {
            let wanted = all(Kernels(Level::Portable), n);
            assert!(Kernels::all().into_iter().all(|kernels| all(kernels, n) == wanted), "{n}");
        }
    }

    #[test]
    fn softmax_in_parts_sums_to_one() {
        let (mut row, bias) = (numbers(45), vec![0.5; 45]);
        let whole: f64 = row.iter().map(|&v| f64::from(v + 0.5).exp()).sum();
        let (greatest, sum) = Kernels::detect().exp_below_greatest(&mut row, &bias);
        assert!((f64::from(sum) * f64::from(greatest).exp() / whole - 1.0).abs() < 1e-5);
        assert!(row.iter().all(|&v| v <= 1.0) && row.contains(&1.0));
    }
}
