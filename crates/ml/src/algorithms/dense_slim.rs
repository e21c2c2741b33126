//! EASE^R (Steck 2019, "Embarrassingly shallow autoencoders for sparse data"): the best linear item model
//! without a diagonal, in closed form. Called DenseSLIM after irspack. And EDLAE (Steck 2020, "Autoencoders that
//! don't overfit towards the identity"): the same with a penalty for dropout, which grows with popularity.
//!
//! With `feature_weight` λ₀, λ₀ F Fᵀ is added to the Gram matrix, with F the encoded features of the items (CEASE; Jeunen, Van
//! Balen & Goethals 2020, "Closed-form models for collaborative filtering with side-information"): every feature counts as a user
//! who interacted with the items that have it. Their features are encoded as for all algorithms, not as in the paper.

use rayon::prelude::*;

use super::item_similarity::DenseSimilarity;
use super::{AlgorithmInfo, EpochHook, Kind, MatrixAlgorithm, Model, NewItems, ParameterSpec, Params, TrainInput, TrainShape};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::linalg;
use crate::search_space::Domain;
use crate::sparse::Csr;

pub(super) const DENSE_SLIM: AlgorithmInfo = AlgorithmInfo {
    name: "DenseSLIMRecommender",
    short: "DenseSLIM",
    summary: "EASE: linear item model in closed form; strong, memory grows with items squared",
    parameters: || vec![reg_parameter(), feature_parameter()],
    kind: Kind::Matrix(MatrixAlgorithm {
        early_stopping: false,
        new_items: NewItems::ByMap,
        estimate,
        fit,
        load: DenseSimilarity::load,
        warm_start: None,
    }),
};

pub(super) const EDLAE: AlgorithmInfo = AlgorithmInfo {
    name: "EDLAERecommender",
    short: "EDLAE",
    summary: "EASE with dropout: often the best of the linear models; memory grows with items squared",
    parameters: || {
        let dropout = ParameterSpec::float("dropout_p", 0.0, 0.999, 0.1).searched(Domain::float(0.0, 0.99));
        vec![reg_parameter(), dropout, feature_parameter()]
    },
    kind: Kind::Matrix(MatrixAlgorithm {
        early_stopping: false,
        new_items: NewItems::ByMap,
        estimate,
        fit: |params, input, ctx, _: &mut EpochHook<'_>| {
            let (reg, p) = (params.float("reg")? as f32, params.float("dropout_p")? as f32);
            let features = Weighted::read(EDLAE.name, params, input)?;
            fit_linear(input.interactions, features, ctx, |diagonal| p / (1.0 - p) * diagonal + reg)
        },
        load: DenseSimilarity::load,
        warm_start: None,
    }),
};

/// Returns the regularisation parameter of both dense linear models.
fn reg_parameter() -> ParameterSpec {
    ParameterSpec::float("reg", 1e-6, 1e12, 1.0).searched(Domain::log_float(1.0, 1e4))
}

/// Returns the weight of features parameter of both.
fn feature_parameter() -> ParameterSpec {
    ParameterSpec::float("feature_weight", 0.0, 1e6, 0.0)
}

/// Features of items, and their weight beside interactions.
struct Weighted<'a> {
    features: &'a Csr,
    weight: f32,
}

impl<'a> Weighted<'a> {
    /// Takes the features of what a model learns from; `None` where they have no weight.
    fn read(algorithm: &str, params: &Params<'_>, input: &TrainInput<'a>) -> MlResult<Option<Self>> {
        let weight = params.float("feature_weight")? as f32;
        if weight == 0.0 {
            return Ok(None);
        }
        let features = input.item_features(&format!("{algorithm} with feature_weight"))?;
        Ok(Some(Weighted { features, weight }))
    }
}

/// Estimates the peak memory of a dense linear model: one matrix, inverted and converted to the weights in place, plus strips of
/// it during the inversion.
fn estimate(params: &Params<'_>, shape: TrainShape) -> MlResult<u64> {
    let n = shape.n_items as u64;
    let features = if params.float("feature_weight")? > 0.0 { n * TERMS * 16 } else { 0 };
    Ok(n * n * 4 + n * STRIP_BYTES + shape.nnz as u64 * 8 + features)
}

/// Features of an item that memory is estimated for.
const TERMS: u64 = 32;

/// Working memory in addition to the matrix, for each item.
const STRIP_BYTES: u64 = 8 * 1024;

fn fit(params: &Params<'_>, input: &TrainInput<'_>, ctx: &Context, _: &mut EpochHook<'_>) -> MlResult<Model> {
    let reg = params.float("reg")? as f32;
    let features = Weighted::read(DENSE_SLIM.name, params, input)?;
    fit_linear(input.interactions, features, ctx, |_| reg)
}

/// Fits with a penalty computed from the item's entry of the Gram matrix.
fn fit_linear(train: &Csr, features: Option<Weighted<'_>>, ctx: &Context, penalty: impl Fn(f32) -> f32) -> MlResult<Model> {
    let weights = linear_weights(train, features, ctx, penalty)?;
    Ok(DenseSimilarity::boxed(train.n_rows, train.n_cols, weights))
}

/// Computes the weights by rows; row: the item known, column: the item scored. With P the inverse of the penalised Gram matrix,
/// the weight of i for j is −P_ij / P_jj.
fn linear_weights(
    train: &Csr,
    features: Option<Weighted<'_>>,
    ctx: &Context,
    penalty: impl Fn(f32) -> f32,
) -> MlResult<Vec<f32>> {
    let n = train.n_cols;
    let mut weights = vec![0f32; n * n];
    add_gram(&train.transpose(), train, 1.0, &mut weights, ctx)?;
    if let Some(Weighted { features, weight }) = features {
        add_gram(features, &features.transpose(), weight, &mut weights, ctx)?;
    }
    for item in 0..n {
        let diagonal = &mut weights[item * n + item];
        *diagonal += penalty(*diagonal);
    }
    ctx.progress(1, 3);
    ctx.check()?;
    ctx.install(|| linalg::invert_in_place(&mut weights, n, &|| ctx.check()))?;
    ctx.progress(2, 3);
    ctx.check()?;
    let diagonal: Vec<f32> = (0..n).map(|item| weights[item * n + item]).collect();
    let finite = ctx.install(|| {
        let rows = weights.par_chunks_exact_mut(n.max(1)).enumerate();
        rows.map(|(item, row)| {
            row.iter_mut().zip(&diagonal).for_each(|(weight, d)| *weight *= -1.0 / d);
            row[item] = 0.0;
            row.iter().all(|weight| weight.is_finite())
        })
        .reduce(|| true, |a, b| a & b)
    });
    if !finite {
        return Err(MlError::NotFinite("EASE".into()));
    }
    ctx.progress(3, 3);
    Ok(weights)
}

/// Adds the lower triangle (by columns) of `weight · trainᵀ · train`.
fn add_gram(by_item: &Csr, train: &Csr, weight: f32, gram: &mut [f32], ctx: &Context) -> MlResult<()> {
    let n = train.n_cols;
    ctx.install(|| {
        gram.par_chunks_exact_mut(n.max(1)).enumerate().with_max_len(16).try_for_each(|(item, column)| {
            ctx.check()?;
            let (users, values) = by_item.row(item);
            for (&user, &value) in users.iter().zip(values) {
                let (items, others) = train.row(user as usize);
                // The matrix is symmetric: entries before the item are counted in the other item's column.
                let from = items.partition_point(|&other| (other as usize) < item);
                let value = weight * value;
                items[from..].iter().zip(&others[from..]).for_each(|(&other, &v)| column[other as usize] += value * v);
            }
            Ok(())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithms::ItemWeights;

    fn people() -> Csr {
        let pairs = (0..60u32).flat_map(|user| (0..5).map(move |n| (user, (user * user + n * n * (user % 7 + 1)) % 23)));
        let (rows, cols): (Vec<u32>, Vec<u32>) = pairs.unzip();
        let mut train = Csr::from_pairs(60, 23, &rows, &cols).unwrap();
        train.values.iter_mut().enumerate().for_each(|(at, value)| *value = 1.0 + (at % 3) as f32 / 2.0);
        train
    }

    fn gram_plain(train: &Csr) -> Vec<f64> {
        let n = train.n_cols;
        let mut gram = vec![0f64; n * n];
        for user in 0..train.n_rows {
            let (items, values) = train.row(user);
            for (&a, &x) in items.iter().zip(values) {
                items.iter().zip(values).for_each(|(&b, &y)| gram[a as usize * n + b as usize] += f64::from(x * y));
            }
        }
        gram
    }

    /// Features of the items, some of which have none.
    fn features() -> Csr {
        let (rows, columns): (Vec<u32>, Vec<u32>) =
            (0..23u32).flat_map(|item| (0..item % 4).map(move |n| (item, (item * 5 + n * 3) % 9))).unzip();
        let mut features = Csr::from_pairs(23, 9, &rows, &columns).unwrap();
        features.values.iter_mut().enumerate().for_each(|(at, value)| *value = 0.25 + (at % 4) as f32 / 4.0);
        features
    }

    #[test]
    fn weights_solve_the_normal_equations_and_the_diagonal_is_zero() {
        let (train, features) = (people(), features());
        let n = train.n_cols;
        let of_features = gram_plain(&features.transpose());
        for (reg, dropout, weight) in [(0.5, 0.0, 0.0), (20.0, 0.0, 0.0), (3.0, 0.4, 0.0), (3.0, 0.0, 7.0), (3.0, 0.4, 0.5)] {
            let gram: Vec<f64> = gram_plain(&train).iter().zip(&of_features).map(|(a, b)| a + f64::from(weight) * b).collect();
            let penalty = |diagonal: f32| dropout / (1.0 - dropout) * diagonal + reg;
            let features = (weight > 0.0).then_some(Weighted { features: &features, weight });
            let weights = linear_weights(&train, features, &Context::new(0, 2), penalty).unwrap();
            for j in 0..n {
                assert_eq!(weights[j * n + j], 0.0);
                // ((G + Λ) w_j)_i = g_ij off the diagonal; on it, the multiplier of the condition w_jj = 0 is added.
                for i in (0..n).filter(|&i| i != j) {
                    let own = f64::from(penalty(gram[i * n + i] as f32) * weights[i * n + j]);
                    let sum: f64 = (0..n).map(|k| gram[i * n + k] * f64::from(weights[k * n + j])).sum();
                    assert!((sum + own - gram[i * n + j]).abs() < 1e-3, "{reg} {dropout} {weight}: {i}, {j}");
                }
            }
        }
    }

    #[test]
    fn features_need_a_weight_and_a_weight_needs_features() {
        let (train, features) = (people(), features());
        let described = TrainInput { items: Some(&features), ..TrainInput::from(&train) };
        let fit = |algorithm: &str, input: TrainInput<'_>, weight: f32| {
            let params = serde_json::json!({ "feature_weight": weight });
            crate::registry::fit(algorithm, params.as_object().unwrap(), input, &Context::new(0, 1))
        };
        let weights = |model: Model| match model.item_weights() {
            Some(ItemWeights::Dense(weights)) => weights.to_vec(),
            _ => Vec::new(),
        };
        for algorithm in ["DenseSLIM", "EDLAE"] {
            let plain = weights(crate::registry::fit(algorithm, &Default::default(), &train, &Context::new(0, 1)).unwrap());
            assert_eq!(plain, weights(fit(algorithm, described, 0.0).unwrap()));
            assert_ne!(plain, weights(fit(algorithm, described, 2.0).unwrap()));
            let refused = fit(algorithm, TrainInput::from(&train), 2.0).err().unwrap().to_string();
            assert!(refused.contains("feature_weight") && refused.contains("give an item file"), "{refused}");
        }
    }

    #[test]
    fn the_estimate_holds_one_matrix_and_little_more() {
        let shape = TrainShape { n_users: 30_000, n_items: 40_000, nnz: 1_000_000 };
        let bytes = DENSE_SLIM.estimate_memory_bytes(&Default::default(), shape).unwrap();
        let matrix = 4 * 40_000u64 * 40_000;
        assert!((matrix..matrix * 11 / 10).contains(&bytes));
    }
}
