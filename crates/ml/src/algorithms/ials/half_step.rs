//! One half of an epoch: every row of one side solved while the other side is fixed.

use rayon::prelude::*;

use super::blocks::{self, BlockScratch};
use super::conjugate_gradients::{self, CgScratch};
use super::settings::{Settings, SolverKind};
use super::sides::{Row, Side};
use crate::context::Context;
use crate::error::MlResult;
use crate::simd::{Aligned, Kernels, padded};

/// Rows that a thread takes at a time.
const ROWS_AT_A_TIME: usize = 32;

/// The least-squares problems of one side.
pub(super) struct HalfStep<'a> {
    pub settings: &'a Settings,
    /// The other side's factors, in the basis where their dense part is diagonal.
    pub others: &'a [f32],
    /// The diagonal: α0 times the sum of squares of each component.
    pub energy: &'a [f32],
    pub width: usize,
    pub kernels: Kernels,
}

/// The effort spent on each row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    /// Steps of conjugate gradients; zero means as many as there are components.
    pub cg_steps: usize,
    /// Rounds over the blocks of iALS++.
    pub sweeps: usize,
}

impl<'a> HalfStep<'a> {
    pub fn new(settings: &'a Settings, others: &'a [f32], energy: &'a [f32]) -> Self {
        HalfStep { settings, others, energy, width: padded(settings.k), kernels: Kernels::detect() }
    }

    /// Replaces every row of `targets` by its solution, starting from its current value.
    pub fn run(&self, side: &Side<'_>, targets: &mut [f32], ctx: &Context) -> MlResult<()> {
        let effort = Effort { cg_steps: self.settings.cg_steps, sweeps: 1 };
        let blocks = targets.par_chunks_mut(ROWS_AT_A_TIME * self.width).enumerate();
        blocks.try_for_each_init(
            || Scratch::new(self.width),
            |scratch, (block, rows)| {
                ctx.check()?;
                for (at, target) in rows.chunks_exact_mut(self.width).enumerate() {
                    self.solve(side.row(block * ROWS_AT_A_TIME + at), effort, target, scratch)?;
                }
                Ok(())
            },
        )
    }

    /// Solves one row.
    pub fn solve(&self, row: Row<'_>, effort: Effort, target: &mut [f32], scratch: &mut Scratch) -> MlResult<()> {
        if row.indices.is_empty() {
            // Nothing pulls away from zero, and with α0 = 0 nothing else is determined.
            target.fill(0.0);
            return Ok(());
        }
        self.fill_diagonal(row.indices.len(), &mut scratch.diagonal);
        let block = match self.settings.solver {
            SolverKind::Cg => {
                conjugate_gradients::solve(self, row, effort.cg_steps, &scratch.diagonal, target, &mut scratch.cg);
                return Ok(());
            }
            SolverKind::Cholesky => self.settings.k,
            SolverKind::Subspaces => self.settings.subspace,
        };
        blocks::solve(self, row, block, effort.sweeps, &scratch.diagonal, target, &mut scratch.blocks)
    }

    /// Fills the diagonal of the row's matrix beyond the interactions: dense part and penalty.
    fn fill_diagonal(&self, n_interactions: usize, diagonal: &mut [f32]) {
        let penalty = self.settings.penalty(n_interactions, self.others.len() / self.width);
        let k = self.settings.k;
        diagonal[..k].iter_mut().zip(self.energy).for_each(|(d, energy)| *d = energy + penalty);
        // Padding has neither interactions nor a right-hand side: any positive diagonal keeps it at zero.
        diagonal[k..].fill(1.0);
    }
}

/// Buffers of one thread.
pub(super) struct Scratch {
    diagonal: Aligned,
    cg: CgScratch,
    blocks: BlockScratch,
}

impl Scratch {
    pub fn new(width: usize) -> Self {
        Scratch { diagonal: Aligned::zeros(width), cg: CgScratch::new(width), blocks: BlockScratch::default() }
    }
}
