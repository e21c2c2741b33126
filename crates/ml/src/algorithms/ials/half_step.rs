//! One half of an epoch: every row of one side solved while the other side is fixed.

use rayon::prelude::*;

use super::blocks::{self, BlockScratch};
use super::conjugate_gradients::{self, CgScratch};
use super::problem::HalfStep;
use super::settings::SolverKind;
use super::sides::{Row, Side};
use crate::context::Context;
use crate::error::MlResult;
use crate::simd::Aligned;

/// Rows that a thread takes at a time.
const ROWS_AT_A_TIME: usize = 32;

/// The effort spent on each row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    /// Steps of conjugate gradients; zero means one step per component.
    pub cg_steps: usize,
    /// Rounds over the blocks of iALS++.
    pub sweeps: usize,
}

impl HalfStep<'_> {
    /// Replaces every row of `targets` by its solution, starting from its current value.
    pub fn run(&self, side: &Side<'_>, targets: &mut [f32], ctx: &Context) -> MlResult<()> {
        let effort = Effort { cg_steps: self.settings.cg_steps, sweeps: 1 };
        let blocks = targets.par_chunks_mut(ROWS_AT_A_TIME * self.width).enumerate();
        blocks.try_for_each_init(
            || Scratch::new(self.width),
            |scratch, (block, rows)| {
                ctx.check()?;
                for (at, target) in rows.chunks_exact_mut(self.width).enumerate() {
                    let at = block * ROWS_AT_A_TIME + at;
                    self.solve(self.pulled(side.row(at), at), effort, target, scratch)?;
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
