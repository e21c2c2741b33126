//! EASE^R (Steck 2019, "Embarrassingly shallow autoencoders for sparse data"): the best linear item model
//! without a diagonal, in closed form. Called DenseSLIM after irspack. And EDLAE (Steck 2020, "Autoencoders that
//! don't overfit towards the identity"): the same with a penalty for dropout, which grows with popularity.

use rayon::prelude::*;

use super::item_similarity::DenseSimilarity;
use super::{AlgorithmInfo, EpochHook, Kind, MatrixAlgorithm, Model, ParameterSpec, Params, TrainShape};
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::linalg;
use crate::search_space::Domain;
use crate::sparse::Csr;

pub(super) const DENSE_SLIM: AlgorithmInfo = AlgorithmInfo {
    name: "DenseSLIMRecommender",
    short: "DenseSLIM",
    summary: "EASE: linear item model in closed form; strong, memory grows with items squared",
    parameters: || vec![reg_parameter()],
    kind: Kind::Matrix(MatrixAlgorithm { early_stopping: false, estimate, fit, load: DenseSimilarity::load, warm_start: None }),
};

pub(super) const EDLAE: AlgorithmInfo = AlgorithmInfo {
    name: "EDLAERecommender",
    short: "EDLAE",
    summary: "EASE with dropout: often the best of the linear models; memory grows with items squared",
    parameters: || {
        let dropout = ParameterSpec::float("dropout_p", 0.0, 0.999, 0.1).searched(Domain::float(0.0, 0.99));
        vec![reg_parameter(), dropout]
    },
    kind: Kind::Matrix(MatrixAlgorithm {
        early_stopping: false,
        estimate,
        fit: |params, train, ctx, _: &mut EpochHook<'_>| {
            let (reg, p) = (params.float("reg")? as f32, params.float("dropout_p")? as f32);
            fit_linear(train, ctx, |diagonal| p / (1.0 - p) * diagonal + reg)
        },
        load: DenseSimilarity::load,
        warm_start: None,
    }),
};

/// Returns the regularisation parameter of both dense linear models.
fn reg_parameter() -> ParameterSpec {
    ParameterSpec::float("reg", 1e-6, 1e12, 1.0).searched(Domain::log_float(1.0, 1e4))
}

/// Estimates the peak memory of a dense linear model: one matrix, inverted and converted to the weights in place, plus strips of
/// it during the inversion.
fn estimate(_: &Params<'_>, shape: TrainShape) -> MlResult<u64> {
    let n = shape.n_items as u64;
    Ok(n * n * 4 + n * STRIP_BYTES + shape.nnz as u64 * 8)
}

/// Working memory in addition to the matrix, for each item.
const STRIP_BYTES: u64 = 8 * 1024;

fn fit(params: &Params<'_>, train: &Csr, ctx: &Context, _: &mut EpochHook<'_>) -> MlResult<Model> {
    let reg = params.float("reg")? as f32;
    fit_linear(train, ctx, |_| reg)
}

/// Fits with a penalty computed from the item's entry of the Gram matrix.
fn fit_linear(train: &Csr, ctx: &Context, penalty: impl Fn(f32) -> f32) -> MlResult<Model> {
    let weights = linear_weights(train, ctx, penalty)?;
    Ok(DenseSimilarity::boxed(train.n_rows, train.n_cols, weights))
}

/// Computes the weights by rows; row: the item known, column: the item scored. With P the inverse of the penalised Gram matrix,
/// the weight of i for j is −P_ij / P_jj.
fn linear_weights(train: &Csr, ctx: &Context, penalty: impl Fn(f32) -> f32) -> MlResult<Vec<f32>> {
    let n = train.n_cols;
    let mut weights = gram(train, ctx)?;
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

/// Computes the lower triangle (by columns) of `trainᵀ · train`; zeros above.
fn gram(train: &Csr, ctx: &Context) -> MlResult<Vec<f32>> {
    let n = train.n_cols;
    let by_item = train.transpose();
    let mut gram = vec![0f32; n * n];
    ctx.install(|| {
        gram.par_chunks_exact_mut(n.max(1)).enumerate().with_max_len(16).try_for_each(|(item, column)| {
            ctx.check()?;
            let (users, values) = by_item.row(item);
            for (&user, &value) in users.iter().zip(values) {
                let (items, others) = train.row(user as usize);
                // The matrix is symmetric: entries before the item are counted in the other item's column.
                let from = items.partition_point(|&other| (other as usize) < item);
                items[from..].iter().zip(&others[from..]).for_each(|(&other, &v)| column[other as usize] += value * v);
            }
            Ok(())
        })
    })?;
    Ok(gram)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn weights_solve_the_normal_equations_and_the_diagonal_is_zero() {
        let train = people();
        let n = train.n_cols;
        let gram = gram_plain(&train);
        for (reg, dropout) in [(0.5, 0.0), (20.0, 0.0), (3.0, 0.4)] {
            let penalty = |diagonal: f32| dropout / (1.0 - dropout) * diagonal + reg;
            let weights = linear_weights(&train, &Context::new(0, 2), penalty).unwrap();
            for j in 0..n {
                assert_eq!(weights[j * n + j], 0.0);
                // ((G + Λ) w_j)_i = g_ij off the diagonal; on it, the multiplier of the condition w_jj = 0 is added.
                for i in (0..n).filter(|&i| i != j) {
                    let own = f64::from(penalty(gram[i * n + i] as f32) * weights[i * n + j]);
                    let sum: f64 = (0..n).map(|k| gram[i * n + k] * f64::from(weights[k * n + j])).sum();
                    assert!((sum + own - gram[i * n + j]).abs() < 1e-3, "{reg} {dropout}: {i}, {j}");
                }
            }
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
