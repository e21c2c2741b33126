//! Non-negative matrix factorisation (Lee & Seung 1999) by coordinate descent (Cichocki & Phan 2009, HALS).
//!
//! Minimises ½‖X − W·H‖² + I·alpha·[l1_ratio·‖W‖₁ + ½(1 − l1_ratio)·‖W‖²] + the corresponding terms of H with the number of users
//! U in place of that of items I, as scikit-learn scales it, which irspack calls. Like there, the start is the non-negative
//! double singular value decomposition (Boutsidis & Gallopoulos 2008) with zeros filled by the mean, and each of up to 200 steps
//! sweeps once over all factors of each side. The singular vectors are exact, so the seed matters only for components beyond the
//! rank of the matrix, which start at random.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde_json::Value;

use super::factor_model::{FactorModel, FoldIn, narrow};
use super::singular::{Singular, singular_bytes, top_singular};
use super::{AlgorithmInfo, EpochHook, Kind, MatrixAlgorithm, Model, NewItems, ParameterSpec, Params, TrainInput, TrainShape};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::linalg;
use crate::search_space::Domain;
use crate::simd::{Kernels, Penalty, padded};
use crate::sparse::Csr;

pub(super) const INFO: AlgorithmInfo = AlgorithmInfo {
    name: "NMFRecommender",
    short: "NMF",
    summary: "matrix factorisation into factors that only add up",
    parameters: || {
        vec![
            ParameterSpec::int("n_components", 1, 4096, 64).searched(Domain::int(4, 512)),
            ParameterSpec::float("alpha", 0.0, 1e6, 0.01).searched(Domain::log_float(1e-10, 0.1)),
            ParameterSpec::float("l1_ratio", 0.0, 1.0, 0.01).searched(Domain::float(0.0, 1.0)),
            // Recotem 1.x stores these two in some configurations. There is one loss and one start, which null selects.
            ParameterSpec::choice("beta_loss", &["frobenius"], "frobenius"),
            ParameterSpec { nullable: true, default: Value::Null, ..ParameterSpec::choice("init", &["nndsvda"], "nndsvda") },
        ]
    },
    kind: Kind::Matrix(MatrixAlgorithm {
        early_stopping: false,
        new_items: NewItems::ByMap,
        estimate: |params, shape| estimate(params.size("n_components")?, shape),
        fit,
        load: FactorModel::load_non_negative,
        warm_start: None,
    }),
};

/// Estimates the peak memory: the start in addition to the factors.
fn estimate(k: usize, shape: TrainShape) -> MlResult<u64> {
    let factors = (shape.n_users + shape.n_items) as u64 * padded(k) as u64 * 4;
    Ok(singular_bytes(k, shape) + factors)
}

/// Largest number of steps.
const STEPS: u64 = 200;
/// The factorisation has settled when no factor changes by more than this share of the first step's largest change.
const SETTLED: f32 = 1e-4;

fn fit(params: &Params<'_>, input: &TrainInput<'_>, ctx: &Context, _: &mut EpochHook<'_>) -> MlResult<Model> {
    let train = input.interactions;
    let k = params.size("n_components")?;
    let (alpha, l1_ratio) = (params.float("alpha")?, params.float("l1_ratio")?);
    let penalty = |n: usize| Penalty {
        l1: (alpha * l1_ratio * n as f64) as f32,
        l2: (alpha * (1.0 - l1_ratio) * n as f64) as f32,
        positive_only: true,
    };
    let (of_users, of_items) = (penalty(train.n_cols), penalty(train.n_rows));
    let by_item = train.transpose();
    let (mut users, mut items) = start(train, &by_item, k, ctx)?;
    let mut first = 0f32;
    for step in 1..=STEPS {
        ctx.check()?;
        let change = half_step(train, k, &items, of_users, &mut users, ctx)?;
        let change = change.max(half_step(&by_item, k, &users, of_items, &mut items, ctx)?);
        ctx.progress(step, STEPS);
        first = first.max(if step == 1 { change } else { 0.0 });
        if change <= SETTLED * first {
            break;
        }
    }
    if users.iter().chain(&items).any(|value| !value.is_finite()) {
        return Err(MlError::NotFinite("NMF".into()));
    }
    let fold_in = FoldIn::NonNegative { l1: of_users.l1, l2: of_users.l2 };
    Ok(Box::new(FactorModel::new(k, fold_in, users, items)))
}

/// Rows that a thread takes at a time.
const ROWS: usize = 32;

/// Sweeps once over the factors of one side, given those of the other. Returns the largest change of a factor.
fn half_step(matrix: &Csr, k: usize, others: &[f32], penalty: Penalty, factors: &mut [f32], ctx: &Context) -> MlResult<f32> {
    let width = padded(k);
    let kernels = Kernels::detect();
    ctx.install(|| {
        let gram = narrow(&linalg::gram(others, width));
        let block = |residual: &mut Vec<f32>, (at, rows): (usize, &mut [f32])| {
            ctx.check()?;
            let mut largest = 0f32;
            for (row, factors) in rows.chunks_exact_mut(width).enumerate() {
                let (indices, values) = matrix.row(at * ROWS + row);
                residual.fill(0.0);
                kernels.add_rows(others, indices, values, residual);
                let explained = gram.chunks_exact(width).zip(factors.iter().copied()).filter(|(_, factor)| *factor != 0.0);
                kernels.subtract_rows(&explained.collect::<Vec<_>>(), residual);
                largest = largest.max(kernels.sweep(&gram, penalty, &mut factors[..k], residual));
            }
            Ok(largest)
        };
        let blocks = factors.par_chunks_mut(ROWS * width).enumerate();
        blocks.map_init(|| vec![0f32; width], block).try_reduce(|| 0f32, |a, b| Ok(a.max(b)))
    })
}

/// Computes the factors from which the descent starts: users and items, padded.
fn start(train: &Csr, by_item: &Csr, k: usize, ctx: &Context) -> MlResult<(Vec<f32>, Vec<f32>)> {
    let found = top_singular(train, by_item, k, ctx.seed, ctx)?;
    let mean = train.values.iter().map(|&v| f64::from(v)).sum::<f64>() / (train.n_rows as f64 * train.n_cols as f64);
    let width = padded(k);
    let (mut users, mut items) = (vec![0f32; train.n_rows * width], vec![0f32; train.n_cols * width]);
    let mut rng = ChaCha8Rng::seed_from_u64(ctx.seed);
    for component in 0..k {
        let (left, right) = match found.values.get(component) {
            Some(&value) => split(&found, component, value),
            None => {
                let most = 2.0 * (mean.abs() / k as f64).sqrt() as f32;
                let mut numbers = |n: usize| (0..n).map(|_| most * (rng.next_u32() >> 8) as f32 / 16_777_216.0).collect();
                (numbers(train.n_rows), numbers(train.n_cols))
            }
        };
        let fill = |value: f32| if value < 1e-6 { mean as f32 } else { value };
        users.chunks_exact_mut(width).zip(left).for_each(|(row, value): (_, f32)| row[component] = fill(value));
        items.chunks_exact_mut(width).zip(right).for_each(|(row, value): (_, f32)| row[component] = fill(value));
    }
    Ok((users, items))
}

/// Returns the stronger of the positive and the negative part of a pair of singular vectors, scaled to equal lengths.
fn split(found: &Singular, component: usize, value: f64) -> (Vec<f32>, Vec<f32>) {
    let width = padded(found.k);
    let column = |rows: &[f32], scale: f64| -> Vec<f64> {
        rows.iter().skip(component).step_by(width).map(|&x| f64::from(x) * scale).collect()
    };
    let (left, right) = (column(&found.users, 1.0 / value), column(&found.items, 1.0));
    let part = |sign: f64| {
        let cut = |vector: &[f64]| -> Vec<f64> { vector.iter().map(|x| (x * sign).max(0.0)).collect() };
        let (left, right) = (cut(&left), cut(&right));
        let length = |vector: &[f64]| vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        let lengths = (length(&left), length(&right));
        (left, right, lengths)
    };
    let (positive, negative) = (part(1.0), part(-1.0));
    let weight = |lengths: (f64, f64)| lengths.0 * lengths.1;
    let (left, right, lengths) = if weight(positive.2) > weight(negative.2) { positive } else { negative };
    // The first pair has only one sign except for rounding, so it needs no rule of its own.
    let scale = (value * weight(lengths)).sqrt();
    let scaled = |vector: Vec<f64>, length: f64| {
        vector.into_iter().map(|x| if length > 0.0 { (scale * x / length) as f32 } else { 0.0 }).collect()
    };
    (scaled(left, lengths.0), scaled(right, lengths.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::fit as fit_any;
    use serde_json::json;

    /// Returns users of two kinds, with and without the items of a third.
    fn kinds() -> Csr {
        let pairs = (0..40u32).flat_map(|user| {
            let own = (0..5).map(move |n| (user, n + user % 2 * 5));
            own.chain((10..13).filter(move |n| (user / 2 + n) % 3 != 0).map(move |n| (user, n)))
        });
        let (rows, cols): (Vec<u32>, Vec<u32>) = pairs.unzip();
        Csr::from_pairs(40, 13, &rows, &cols).unwrap()
    }

    #[test]
    fn every_step_lowers_the_loss_and_factors_stay_non_negative() {
        let (train, k, ctx) = (kinds(), 3, Context::new(0, 2));
        let by_item = train.transpose();
        let (mut users, mut items) = start(&train, &by_item, k, &ctx).unwrap();
        let penalty = Penalty { l1: 0.1, l2: 0.3, positive_only: true };
        let width = padded(k);
        let loss = |users: &[f32], items: &[f32]| {
            let mut sum = 0f64;
            for user in 0..40 {
                for item in 0..13 {
                    let score: f32 = (0..k).map(|i| users[user * width + i] * items[item * width + i]).sum();
                    let seen = train.row_indices(user).contains(&(item as u32));
                    sum += 0.5 * f64::from(f32::from(u8::from(seen)) - score).powi(2);
                }
            }
            let all = users.iter().chain(items).map(|&x| f64::from(x));
            sum + all.map(|x| f64::from(penalty.l1) * x + 0.5 * f64::from(penalty.l2) * x * x).sum::<f64>()
        };
        let mut before = loss(&users, &items);
        for _ in 0..300 {
            half_step(&train, k, &items, penalty, &mut users, &ctx).unwrap();
            half_step(&by_item, k, &users, penalty, &mut items, &ctx).unwrap();
            let now = loss(&users, &items);
            assert!(now <= before + 1e-4, "{now} after {before}");
            before = now;
        }
        assert!(users.iter().chain(&items).all(|&x| x >= 0.0));
        // A stationary point: one more step changes next to nothing.
        assert!(half_step(&train, k, &items, penalty, &mut users, &ctx).unwrap() < 1e-3);
    }

    #[test]
    fn folding_in_a_known_history_scores_like_that_user() {
        let train = kinds();
        let params = json!({"n_components": 3, "alpha": 1e-3});
        let model = fit_any("NMF", params.as_object().unwrap(), &train, &Context::new(0, 1)).unwrap();
        for user in [0u32, 5, 17] {
            let (mut known, mut folded) = (vec![0f32; 13], vec![0f32; 13]);
            model.score_users(&[user], &train, &mut known).unwrap();
            model.score_history(train.row_indices(user as usize), &mut folded).unwrap();
            assert!(known.iter().zip(&folded).all(|(a, b)| (a - b).abs() < 0.02), "{known:?} {folded:?}");
        }
    }

    #[test]
    fn more_components_than_the_rank_are_fine() {
        let params = json!({"n_components": 20, "alpha": 1e-4});
        let model = fit_any("NMF", params.as_object().unwrap(), &kinds(), &Context::new(3, 1)).unwrap();
        let mut scores = vec![0f32; 13];
        model.score_users(&[0], &kinds(), &mut scores).unwrap();
        assert!(scores.iter().all(|s| s.is_finite()) && scores[0] > 0.5 && scores[5] < 0.2, "{scores:?}");
    }
}
