//! Ridge regression of many targets on sparse features.
//!
//! Minimises Σ_i ω_i ‖t_i − Bᵀ[f_i; 1]‖² + λ ‖B‖², the constant's row of B excepted from the penalty, by conjugate gradients with
//! the diagonal as preconditioner (Hestenes & Stiefel 1952): a feature matrix of 30,000 terms is never multiplied by itself.

use std::ops::Range;

use rayon::prelude::*;

use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::simd::Kernels;
use crate::sparse::Csr;

/// Targets solved together by one thread: a few vectors of the processor, which share one pass over the features.
const TOGETHER: usize = 32;
/// Most steps for one solution.
const STEPS: usize = 200;
/// Accuracy of a solution that is kept, see [`Ridge::solved`].
const SOLVED: f64 = 1e-4;
/// Accuracy of one of several solutions that are only compared: penalties differ by far more.
const COMPARED: f64 = 1e-2;
/// Penalty of the constant: none but what keeps its equation solvable.
const PENALTY_OF_CONSTANT: f32 = 1e-6;

/// The weighted features of some objects, with a constant as the last.
pub(in crate::algorithms) struct Ridge {
    /// Those with a weight, and its root.
    objects: Vec<(usize, f32)>,
    /// A row for each of those.
    rows: Csr,
    by_feature: Csr,
    /// Sum of squares of each feature.
    squares: Vec<f32>,
    /// Length of a residual, relative to that of no solution, that counts as solved.
    solved: f64,
}

impl Ridge {
    /// Creates the problem; objects with a weight of zero have no influence.
    pub fn new(features: &Csr, weights: &[f32]) -> Self {
        let roots = weights.iter().map(|weight| weight.sqrt()).enumerate();
        let objects: Vec<(usize, f32)> = roots.filter(|(_, root)| *root > 0.0).collect();
        let n = features.n_cols;
        let mut rows = Csr::empty(objects.len(), n + 1);
        for (row, &(object, root)) in objects.iter().enumerate() {
            let (columns, values) = features.row(object);
            rows.indices.extend_from_slice(columns);
            rows.values.extend(values.iter().map(|value| value * root));
            rows.indices.push(n as u32);
            rows.values.push(root);
            rows.indptr[row + 1] = rows.indices.len();
        }
        let mut squares = vec![0f32; n + 1];
        rows.indices.iter().zip(&rows.values).for_each(|(&column, value)| squares[column as usize] += value * value);
        Ridge { objects, by_feature: rows.transpose(), rows, squares, solved: SOLVED }
    }

    /// Returns the bytes of the problem, and of what the threads that solve it work with.
    pub fn bytes(features: &Csr, threads: usize) -> u64 {
        let (n_objects, n_features) = (features.n_rows as u64, features.n_cols as u64 + 1);
        let of_thread = (n_objects + 5 * n_features) * TOGETHER as u64 * 4;
        2 * features.bytes() + (n_objects + n_features) * 32 + threads as u64 * of_thread
    }

    /// Solves less accurately, for solutions that are only compared.
    pub fn for_comparison(self) -> Self {
        Ridge { solved: COMPARED, ..self }
    }

    /// Returns the number of rows of a solution: that of the features and the constant.
    pub fn n_coefficients(&self) -> usize {
        self.rows.n_cols
    }

    /// Solves for targets by rows, `width` for each object, and returns a row of `width` for each feature and the constant. The
    /// search starts at `start`, of the same shape.
    pub fn solve(&self, targets: &[f32], width: usize, lambda: f32, start: &[f32], ctx: &Context) -> MlResult<Vec<f32>> {
        let groups: Vec<usize> = (0..width).step_by(TOGETHER).collect();
        let solve = |&first: &usize| {
            let columns = first..(first + TOGETHER).min(width);
            self.solve_group(self.weighted(targets, width, columns.clone()), group(start, width, columns), lambda, ctx)
        };
        let solutions: Vec<Vec<f32>> = ctx.install(|| groups.par_iter().map(solve).collect::<MlResult<_>>())?;
        let mut all = vec![0f32; self.n_coefficients() * width];
        for (first, solution) in groups.into_iter().zip(solutions) {
            let len = TOGETHER.min(width - first);
            for (to, from) in all.chunks_exact_mut(width).zip(solution.chunks_exact(TOGETHER)) {
                to[first..first + len].copy_from_slice(&from[..len]);
            }
        }
        if all.iter().any(|value| !value.is_finite()) {
            return Err(MlError::NotFinite("the map from features".into()));
        }
        Ok(all)
    }

    /// Copies some columns of targets as [`group`] does, only of objects with a weight, and times its root.
    fn weighted(&self, targets: &[f32], width: usize, columns: Range<usize>) -> Vec<f32> {
        let mut out = vec![0f32; self.objects.len() * TOGETHER];
        for (to, (object, root)) in out.chunks_exact_mut(TOGETHER).zip(&self.objects) {
            let from = &targets[object * width..][columns.clone()];
            to.iter_mut().zip(from).for_each(|(to, from)| *to = from * root);
        }
        out
    }

    fn solve_group(&self, weighted: Vec<f32>, start: Vec<f32>, lambda: f32, ctx: &Context) -> MlResult<Vec<f32>> {
        let penalties = self.penalties(lambda);
        let scales: Vec<f32> = self.squares.iter().zip(&penalties).map(|(square, penalty)| 1.0 / (square + penalty)).collect();
        let (mut through, mut x) = (weighted, start);
        let mut residual = vec![0f32; x.len()];
        times(&self.by_feature, &through, &mut residual);
        let enough = scaled_squares(&residual, &scales).map(|whole| whole * self.solved * self.solved);
        let mut product = vec![0f32; x.len()];
        self.product(&x, &penalties, &mut through, &mut product);
        residual.iter_mut().zip(&product).for_each(|(residual, product)| *residual -= product);
        let mut energy = scaled_squares(&residual, &scales);
        let mut direction = vec![0f32; x.len()];
        turn(&mut direction, &residual, &scales, &[0.0; TOGETHER]);
        for _ in 0..STEPS {
            if energy.iter().zip(&enough).all(|(rest, enough)| rest <= enough) {
                break;
            }
            ctx.check()?;
            self.product(&direction, &penalties, &mut through, &mut product);
            let curvature = dots(&direction, &product);
            let length: [f32; TOGETHER] = std::array::from_fn(|at| ratio(energy[at], curvature[at]));
            add_scaled(&mut x, &direction, &length);
            add_scaled(&mut residual, &product, &length.map(|length| -length));
            let left = scaled_squares(&residual, &scales);
            turn(&mut direction, &residual, &scales, &std::array::from_fn(|at| ratio(left[at], energy[at])));
            energy = left;
        }
        Ok(x)
    }

    fn penalties(&self, lambda: f32) -> Vec<f32> {
        let mut penalties = vec![lambda; self.n_coefficients()];
        if let Some(constant) = penalties.last_mut() {
            *constant = PENALTY_OF_CONSTANT;
        }
        penalties
    }

    /// Computes `(FᵀF + penalties) · x`; `through` receives `F · x`.
    fn product(&self, x: &[f32], penalties: &[f32], through: &mut [f32], out: &mut [f32]) {
        times(&self.rows, x, through);
        times(&self.by_feature, through, out);
        for ((out, x), penalty) in out.chunks_exact_mut(TOGETHER).zip(x.chunks_exact(TOGETHER)).zip(penalties) {
            (0..TOGETHER).for_each(|at| out[at] += penalty * x[at]);
        }
    }
}

/// Computes `matrix · block` for rows of [`TOGETHER`] numbers, on the calling thread.
fn times(matrix: &Csr, block: &[f32], out: &mut [f32]) {
    let kernels = Kernels::detect();
    for (row, to) in out.chunks_exact_mut(TOGETHER).enumerate() {
        let (indices, values) = matrix.row(row);
        to.fill(0.0);
        kernels.add_rows(block, indices, values, to);
    }
}

/// Copies some columns of rows of `width` to rows of [`TOGETHER`], padded with zeros.
fn group(rows: &[f32], width: usize, columns: Range<usize>) -> Vec<f32> {
    let mut out = vec![0f32; rows.len() / width * TOGETHER];
    for (to, from) in out.chunks_exact_mut(TOGETHER).zip(rows.chunks_exact(width)) {
        to[..columns.len()].copy_from_slice(&from[columns.clone()]);
    }
    out
}

/// Rows whose sums are kept in single precision.
const ROWS: usize = 16;

/// Computes the products of the columns of two blocks.
fn dots(a: &[f32], b: &[f32]) -> [f64; TOGETHER] {
    let mut sums = [0f64; TOGETHER];
    for (a, b) in a.chunks(ROWS * TOGETHER).zip(b.chunks(ROWS * TOGETHER)) {
        let mut some = [0f32; TOGETHER];
        for (a, b) in a.chunks_exact(TOGETHER).zip(b.chunks_exact(TOGETHER)) {
            (0..TOGETHER).for_each(|at| some[at] += a[at] * b[at]);
        }
        (0..TOGETHER).for_each(|at| sums[at] += f64::from(some[at]));
    }
    sums
}

/// Computes the sums of the squares of each column, each row scaled.
fn scaled_squares(block: &[f32], scales: &[f32]) -> [f64; TOGETHER] {
    let mut sums = [0f64; TOGETHER];
    for (rows, scales) in block.chunks(ROWS * TOGETHER).zip(scales.chunks(ROWS)) {
        let mut some = [0f32; TOGETHER];
        for (row, scale) in rows.chunks_exact(TOGETHER).zip(scales) {
            (0..TOGETHER).for_each(|at| some[at] += row[at] * row[at] * scale);
        }
        (0..TOGETHER).for_each(|at| sums[at] += f64::from(some[at]));
    }
    sums
}

fn add_scaled(to: &mut [f32], from: &[f32], scale: &[f32; TOGETHER]) {
    for (to, from) in to.chunks_exact_mut(TOGETHER).zip(from.chunks_exact(TOGETHER)) {
        (0..TOGETHER).for_each(|at| to[at] += scale[at] * from[at]);
    }
}

/// Makes the preconditioned residual plus a share of the last direction the next direction.
fn turn(direction: &mut [f32], residual: &[f32], scales: &[f32], share: &[f32; TOGETHER]) {
    let rows = direction.chunks_exact_mut(TOGETHER).zip(residual.chunks_exact(TOGETHER));
    for ((row, residual), scale) in rows.zip(scales) {
        (0..TOGETHER).for_each(|at| row[at] = scale * residual[at] + share[at] * row[at]);
    }
}

/// Divides; a column that is solved exactly does not move.
fn ratio(above: f64, below: f64) -> f32 {
    if below > 0.0 { (above / below) as f32 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows with an offset, some without features.
    fn sample(n: usize, n_features: usize) -> (Csr, Vec<f32>) {
        let pairs = (0..n).flat_map(|row| (0..row % 4).map(move |at| (row as u32, ((row * 7 + at * 5) % n_features) as u32)));
        let (rows, columns): (Vec<u32>, Vec<u32>) = pairs.unzip();
        let mut features = Csr::from_pairs(n, n_features, &rows, &columns).unwrap();
        features.values.iter_mut().enumerate().for_each(|(at, value)| *value = 0.2 + (at % 5) as f32 / 5.0);
        let weights = (0..n).map(|row| (row % 3) as f32 / 2.0).collect();
        (features, weights)
    }

    #[test]
    fn the_solution_has_no_slope() {
        let (features, weights) = sample(60, 9);
        let ridge = Ridge::new(&features, &weights);
        let width = 40;
        let targets: Vec<f32> = (0..60 * width).map(|at| 3.0 + ((at * 31) % 17) as f32 / 4.0).collect();
        let start = vec![0f32; ridge.n_coefficients() * width];
        for lambda in [0.5, 20.0] {
            let found = ridge.solve(&targets, width, lambda, &start, &Context::new(0, 2)).unwrap();
            let predict = |row: usize, at: usize| {
                let (columns, values) = features.row(row);
                let sum: f32 =
                    columns.iter().zip(values).map(|(&column, value)| value * found[column as usize * width + at]).sum();
                sum + found[9 * width + at]
            };
            for at in [0, 1, 31, 32, 39] {
                let error = |row: usize| weights[row] * (targets[row * width + at] - predict(row, at));
                for feature in 0..10 {
                    let value = |row: usize| {
                        let (columns, values) = features.row(row);
                        columns.binary_search(&(feature as u32)).map_or(0.0, |place| values[place])
                    };
                    let slope: f32 = (0..60).map(|row| if feature == 9 { error(row) } else { error(row) * value(row) }).sum();
                    let penalty = if feature == 9 { 0.0 } else { lambda * found[feature * width + at] };
                    assert!((slope - penalty).abs() < 5e-3, "{lambda} {at} {feature}: {slope} {penalty}");
                }
            }
        }
    }

    #[test]
    fn threads_and_start_do_not_matter() {
        let (features, weights) = sample(40, 7);
        let ridge = Ridge::new(&features, &weights);
        let targets: Vec<f32> = (0..40 * 70).map(|at| ((at * 13) % 11) as f32).collect();
        let zero = vec![0f32; ridge.n_coefficients() * 70];
        let solve = |start: &[f32], threads| ridge.solve(&targets, 70, 1.0, start, &Context::new(0, threads)).unwrap();
        let one = solve(&zero, 1);
        assert_eq!(one, solve(&zero, 3));
        let other = solve(&vec![1.0; zero.len()], 1);
        assert!(one.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-2), "{one:?} {other:?}");
    }
}
