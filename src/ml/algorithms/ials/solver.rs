//! One half of an epoch: every row of one side solved while the other side stands still.

use rayon::prelude::*;

use super::settings::{Settings, SolverKind};
use crate::ml::context::Context;
use crate::ml::error::MlResult;
use crate::ml::linalg::{self, CholeskyScratch};
use crate::ml::simd::{Aligned, Coefficient, Kernels, padded, prefetch};
use crate::ml::sparse::Csr;

/// Into how many parts a Gram matrix is split at most; the parts are added in order, so that the sum is the same
/// on any number of threads.
pub(super) const GRAM_BLOCKS: usize = 64;

/// `scale · factorsᵀ · factors`, both triangles.
pub(super) fn gram(factors: &[f32], width: usize, scale: f32) -> Vec<f32> {
    let mut total = vec![0f32; width * width];
    if scale == 0.0 {
        return total;
    }
    let rows_per_block = (factors.len() / width).div_ceil(GRAM_BLOCKS).max(512);
    let part = |rows: &[f32]| {
        let mut part = vec![0f32; width * width];
        linalg::add_gram_lower(rows, width, &mut part);
        part
    };
    let parts: Vec<Vec<f32>> = factors.par_chunks(rows_per_block * width).map(part).collect();
    for part in parts {
        total.iter_mut().zip(&part).for_each(|(t, p)| *t += p * scale);
    }
    linalg::mirror_lower(&mut total, width);
    total
}

/// The least-squares problems of one side.
pub(super) struct HalfStep<'a> {
    settings: &'a Settings,
    interactions: &'a Csr,
    others: &'a [f32],
    /// α0 · othersᵀ · others.
    gram: Aligned,
    width: usize,
    kernels: Kernels,
}

/// Rows handed to a thread at a time.
const ROWS_AT_A_TIME: usize = 32;

impl<'a> HalfStep<'a> {
    pub fn new(settings: &'a Settings, interactions: &'a Csr, others: &'a [f32], gram: &'a [f32]) -> Self {
        let width = padded(settings.k);
        let mut aligned = Aligned::zeros(gram.len());
        aligned.copy_from_slice(gram);
        HalfStep { settings, interactions, others, gram: aligned, width, kernels: Kernels::detect() }
    }

    /// Replaces every row of `targets` by its solution, starting from what it is.
    pub fn run(&self, targets: &mut [f32], ctx: &Context) -> MlResult<()> {
        let blocks = targets.par_chunks_mut(ROWS_AT_A_TIME * self.width).enumerate();
        blocks.try_for_each_init(
            || Scratch::new(self.width),
            |scratch, (block, rows)| {
                ctx.check()?;
                for (at, target) in rows.chunks_exact_mut(self.width).enumerate() {
                    let (indices, values) = self.interactions.row(block * ROWS_AT_A_TIME + at);
                    self.solve(indices, values, self.settings.cg_steps, target, scratch)?;
                }
                Ok(())
            },
        )
    }

    /// Solves one row.
    pub fn solve(
        &self,
        indices: &[u32],
        values: &[f32],
        cg_steps: usize,
        target: &mut [f32],
        scratch: &mut Scratch,
    ) -> MlResult<()> {
        if indices.is_empty() {
            // Nothing pulls away from zero, and with α0 = 0 nothing else is determined.
            target.fill(0.0);
            return Ok(());
        }
        scratch.gather(indices, self.others, self.width);
        let penalty = self.settings.penalty(indices.len(), self.others.len() / self.width);
        match self.settings.solver {
            SolverKind::Cg => self.conjugate_gradients(values, penalty, cg_steps, target, scratch),
            SolverKind::Cholesky => self.cholesky(values, penalty, target, scratch)?,
        }
        Ok(())
    }

    /// `out += scale · (gram + penalty) · p + Σ coefficient · row`.
    fn apply(&self, rows: &[f32], values: &[f32], p: &[f32], penalty: f32, c: Coefficient, out: &mut [f32]) {
        let scale = c.quadratic;
        out.iter_mut().zip(p).for_each(|(o, x)| *o = scale * penalty * x);
        if self.settings.alpha0 != 0.0 {
            self.kernels.symmetric(&self.gram, p, scale, out);
        }
        self.kernels.rows_pass(rows, values, p, c, out);
    }

    fn conjugate_gradients(&self, values: &[f32], penalty: f32, steps: usize, target: &mut [f32], s: &mut Scratch) {
        let residual = Coefficient { constant: self.settings.observed_bias, linear: 1.0, quadratic: -1.0 };
        let product = Coefficient { constant: 0.0, linear: 0.0, quadratic: 1.0 };
        let rows = &s.rows[..values.len() * self.width];
        s.x.copy_from_slice(target);
        self.apply(rows, values, &s.x, penalty, residual, &mut s.r);
        s.p.copy_from_slice(&s.r);
        let mut r2 = dot(&s.r, &s.r);
        let steps = if steps == 0 { self.settings.k } else { steps };
        for step in 1..=steps {
            if r2 <= 1e-20 {
                break;
            }
            self.apply(rows, values, &s.p, penalty, product, &mut s.ap);
            let length = r2 / dot(&s.p, &s.ap);
            s.x.iter_mut().zip(s.p.iter()).for_each(|(x, p)| *x += length * p);
            if step == steps {
                break;
            }
            s.r.iter_mut().zip(s.ap.iter()).for_each(|(r, ap)| *r -= length * ap);
            let next = dot(&s.r, &s.r);
            let keep = next / r2;
            s.p.iter_mut().zip(s.r.iter()).for_each(|(p, r)| *p = r + keep * *p);
            r2 = next;
        }
        target.copy_from_slice(&s.x);
    }

    fn cholesky(&self, values: &[f32], penalty: f32, x: &mut [f32], s: &mut Scratch) -> MlResult<()> {
        let right = Coefficient { constant: self.settings.observed_bias, linear: 1.0, quadratic: 0.0 };
        x.fill(0.0);
        // With a quadratic term of zero the vector does not matter.
        s.p.fill(0.0);
        let rows = &mut s.rows[..values.len() * self.width];
        self.kernels.rows_pass(rows, values, &s.p, right, x);
        s.matrix.resize(self.width * self.width, 0.0);
        s.matrix.copy_from_slice(&self.gram);
        for at in 0..self.width {
            // Padding has neither interactions nor a right-hand side: any positive diagonal leaves it at zero.
            s.matrix[at * self.width + at] += if at < self.settings.k { penalty } else { 1.0 };
        }
        for (row, &value) in rows.chunks_exact_mut(self.width).zip(values) {
            if value != 1.0 {
                let root = value.max(0.0).sqrt();
                row.iter_mut().for_each(|v| *v *= root);
            }
        }
        linalg::add_gram_lower(rows, self.width, &mut s.matrix);
        s.cholesky.get_or_insert_with(|| CholeskyScratch::new(self.width)).solve(&mut s.matrix, x)
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 16];
    for (a, b) in a.chunks_exact(16).zip(b.chunks_exact(16)) {
        for i in 0..16 {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum()
}

/// Buffers of one thread.
pub(super) struct Scratch {
    /// The other side's rows of the interactions at hand, behind one another.
    rows: Aligned,
    r: Aligned,
    p: Aligned,
    ap: Aligned,
    x: Aligned,
    matrix: Vec<f32>,
    cholesky: Option<CholeskyScratch>,
}

/// How many rows ahead of the copy memory is asked for the next.
const AHEAD: usize = 4;

impl Scratch {
    pub fn new(width: usize) -> Self {
        let zeros = || Aligned::zeros(width);
        Scratch { rows: Aligned::default(), r: zeros(), p: zeros(), ap: zeros(), x: zeros(), matrix: Vec::new(), cholesky: None }
    }

    /// Copies the rows together: they are read several times, and in place they are scattered.
    fn gather(&mut self, indices: &[u32], others: &[f32], width: usize) {
        let row = |index: u32| &others[index as usize * width..][..width];
        let rows = self.rows.room(indices.len() * width);
        for (at, (&index, to)) in indices.iter().zip(rows.chunks_exact_mut(width)).enumerate() {
            if let Some(&soon) = indices.get(at + AHEAD) {
                prefetch(row(soon));
            }
            to.copy_from_slice(row(index));
        }
    }
}
