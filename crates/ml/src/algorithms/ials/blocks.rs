//! Exact solution for one block of components after another: iALS++ (Rendle, Krichene, Zhang & Koren 2021, "iALS++:
//! speeding up matrix factorization with subspace optimization"), and with a single block plain least squares.
//!
//! The paper goes through all rows block by block and stores a prediction for every interaction. Here each row goes through all
//! of its blocks at once, so only its own predictions are kept: the same steps in another order, since rows of one side do not
//! depend on each other. More departures, all of which lead to the same numbers:
//! - The basis is one in which the dense part of the problem is diagonal (`axes.rs`), so blocks meet only in the
//!   predictions.
//! - A row whose penalty pulls it to a prior `m` instead of zero is solved as `x₀ + y` with `x₀ = Λ⁻¹ penalty m`: `y` has the
//!   problem of a row pulled to zero, with targets less what `x₀` predicts. Only a single block is solved like this.
//! - With fewer interactions than components the block is solved in the dual: with `Λ` the diagonal, `Q` the rows and
//!   `t` the targets, `(Λ + QᵀQ)⁻¹ Qᵀ t = Λ⁻¹ Qᵀ (1 + Q Λ⁻¹ Qᵀ)⁻¹ t`, a system of the size of the interactions.
//!
//! Weights are multiplied into the rows and targets beforehand: `c (q·x − 1)² = (√c q·x − √c)²`.

use std::ops::Range;

use super::problem::HalfStep;
use super::sides::{Row, RowConfidences};
use crate::error::MlResult;
use crate::linalg::CholeskyScratch;
use crate::simd::{Aligned, padded};

/// Interactions whose rows are copied at a time.
const INTERACTIONS_AT_A_TIME: usize = 256;

/// Smallest weight: smaller ones would leave the targets without precision.
const SMALLEST_CONFIDENCE: f32 = 1e-12;

/// Solves one row, `sweeps` rounds over blocks of `block` components.
pub(super) fn solve(
    half: &HalfStep<'_>,
    row: Row<'_>,
    block: usize,
    sweeps: usize,
    diagonal: &[f32],
    x: &mut [f32],
    scratch: &mut BlockScratch,
) -> MlResult<()> {
    let k = half.settings.k;
    let blocks = || (0..k).step_by(block).map(|start| start..(start + block).min(k));
    let mut problem = Problem { half, row, diagonal, scratch };
    problem.start();
    if block >= k {
        return match row.prior {
            Some(prior) if half.penalty(row.indices.len()) > 0.0 => problem.solve_pulled(prior, x),
            _ => problem.solve_block(0..k, x),
        };
    }
    if x.iter().any(|&value| value != 0.0) {
        blocks().for_each(|block| problem.add_predictions(block, x, 1.0));
    }
    for block in (0..sweeps).flat_map(|_| blocks()) {
        problem.add_predictions(block.clone(), x, -1.0);
        problem.solve_block(block.clone(), x)?;
        problem.add_predictions(block, x, 1.0);
    }
    Ok(())
}

struct Problem<'a> {
    half: &'a HalfStep<'a>,
    row: Row<'a>,
    diagonal: &'a [f32],
    scratch: &'a mut BlockScratch,
}

impl Problem<'_> {
    fn len(&self) -> usize {
        self.row.indices.len()
    }

    /// Computes the square roots of the weights, and the targets, from which predictions will be subtracted.
    fn start(&mut self) {
        let (bias, s) = (self.half.settings.observed_bias, &mut *self.scratch);
        s.held = None;
        s.roots.clear();
        match self.row.confidences {
            RowConfidences::All(confidence) => s.roots.resize(self.row.indices.len(), confidence),
            RowConfidences::Each(confidences) => s.roots.extend_from_slice(confidences),
        }
        s.roots.iter_mut().for_each(|c| *c = c.max(SMALLEST_CONFIDENCE).sqrt());
        s.rest.clear();
        s.rest.extend(s.roots.iter().map(|root| root + bias / root));
    }

    fn chunks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let n = self.len();
        (0..n).step_by(INTERACTIONS_AT_A_TIME).map(move |from| from..(from + INTERACTIONS_AT_A_TIME).min(n))
    }

    /// Copies the block of some interactions' rows, times the roots of their weights; padded.
    fn fill(&mut self, block: Range<usize>, chunk: Range<usize>) {
        let (d, width, s) = (padded(block.len()), self.half.width, &mut *self.scratch);
        let wanted = Some((block.start, chunk.clone()));
        if s.held == wanted {
            return;
        }
        let rows = s.rows.room(chunk.len() * d);
        for (to, at) in rows.chunks_exact_mut(d).zip(chunk) {
            let from = &self.half.others[self.row.indices[at] as usize * width..][block.clone()];
            let root = s.roots[at];
            to[..from.len()].iter_mut().zip(from).for_each(|(to, from)| *to = root * from);
            to[from.len()..].fill(0.0);
        }
        s.held = wanted;
    }

    /// Subtracts what the block of `x` predicts, times `sign`, from the rest of the targets.
    fn add_predictions(&mut self, block: Range<usize>, x: &[f32], sign: f32) {
        let d = padded(block.len());
        let mut part = std::mem::take(&mut self.scratch.vector);
        let padded_x = part.room(d);
        padded_x[..block.len()].copy_from_slice(&x[block.clone()]);
        padded_x[block.len()..].fill(0.0);
        for chunk in self.chunks() {
            self.fill(block.clone(), chunk.clone());
            let s = &mut *self.scratch;
            self.half.kernels.add_products(&s.rows[..chunk.len() * d], padded_x, -sign, &mut s.rest[chunk]);
        }
        self.scratch.vector = part;
    }

    /// Replaces the block of `x` by the solution for what other blocks leave unexplained.
    fn solve_block(&mut self, block: Range<usize>, x: &mut [f32]) -> MlResult<()> {
        if self.len() < block.len() { self.solve_dual(block, x) } else { self.solve_primal(block, x) }
    }

    /// Replaces all of `x` by the solution of a row that is pulled to `prior`.
    fn solve_pulled(&mut self, prior: &[f32], x: &mut [f32]) -> MlResult<()> {
        let (k, penalty) = (self.half.settings.k, self.half.penalty(self.len()));
        let mut offset = std::mem::take(&mut self.scratch.offset);
        let start = offset.room(k);
        for ((to, prior), diagonal) in start.iter_mut().zip(prior).zip(self.diagonal) {
            *to = penalty * prior / diagonal;
        }
        self.add_predictions(0..k, start, 1.0);
        self.solve_block(0..k, x)?;
        x.iter_mut().zip(&*start).for_each(|(x, start)| *x += start);
        self.scratch.offset = offset;
        Ok(())
    }

    fn solve_primal(&mut self, block: Range<usize>, x: &mut [f32]) -> MlResult<()> {
        let (d, kernels) = (padded(block.len()), self.half.kernels);
        self.scratch.matrix.room(d * d).fill(0.0);
        self.scratch.vector.room(d).fill(0.0);
        for chunk in self.chunks() {
            self.fill(block.clone(), chunk.clone());
            let s = &mut *self.scratch;
            let rows = &s.rows[..chunk.len() * d];
            kernels.add_gram_lower(rows, d, &mut s.matrix[..d * d]);
            kernels.add_combination(rows, &s.rest[chunk], &mut s.vector[..d]);
        }
        let s = &mut *self.scratch;
        for (at, value) in self.diagonal[block.clone()].iter().enumerate() {
            s.matrix[at * d + at] += value;
        }
        let right = &mut s.vector[..block.len()];
        s.cholesky.solve_leading(&mut s.matrix, d, right)?;
        x[block].copy_from_slice(right);
        Ok(())
    }

    fn solve_dual(&mut self, block: Range<usize>, x: &mut [f32]) -> MlResult<()> {
        let (n, d, kernels) = (self.len(), padded(block.len()), self.half.kernels);
        let order = padded(n);
        self.fill(block.clone(), 0..n);
        let s = &mut *self.scratch;
        let columns = s.columns.room(d * order);
        columns.fill(0.0);
        for (at, row) in s.rows[..n * d].chunks_exact(d).enumerate() {
            for (j, value) in row[..block.len()].iter().enumerate() {
                columns[j * order + at] = *value;
            }
        }
        for (column, diagonal) in columns.chunks_exact_mut(order).zip(&self.diagonal[block.clone()]) {
            let scale = 1.0 / diagonal.sqrt();
            column.iter_mut().for_each(|value| *value *= scale);
        }
        let matrix = s.matrix.room(order * order);
        matrix.fill(0.0);
        kernels.add_gram_lower(columns, order, matrix);
        (0..n).for_each(|at| matrix[at * order + at] += 1.0);
        let dual = s.dual.room(order);
        dual[..n].copy_from_slice(&s.rest);
        dual[n..].fill(0.0);
        s.cholesky.solve_leading(matrix, order, &mut dual[..n])?;
        let solution = s.vector.room(d);
        solution.fill(0.0);
        kernels.add_products(columns, dual, 1.0, solution);
        for ((to, value), diagonal) in x[block.clone()].iter_mut().zip(solution).zip(&self.diagonal[block]) {
            *to = *value / diagonal.sqrt();
        }
        Ok(())
    }
}

/// Buffers of one thread.
pub(super) struct BlockScratch {
    /// Roots of the weights.
    roots: Vec<f32>,
    /// Targets less predictions, times roots.
    rest: Vec<f32>,
    /// A block of some interactions' rows, and its first component and interactions.
    rows: Aligned,
    held: Option<(usize, Range<usize>)>,
    /// The same block by components.
    columns: Aligned,
    matrix: Aligned,
    vector: Aligned,
    /// What a row is solved relative to.
    offset: Aligned,
    dual: Aligned,
    cholesky: CholeskyScratch,
}

impl Default for BlockScratch {
    fn default() -> Self {
        let none = Aligned::default;
        BlockScratch {
            roots: Vec::new(),
            rest: Vec::new(),
            rows: none(),
            held: None,
            columns: none(),
            matrix: none(),
            vector: none(),
            offset: none(),
            dual: none(),
            cholesky: CholeskyScratch::new(1),
        }
    }
}
