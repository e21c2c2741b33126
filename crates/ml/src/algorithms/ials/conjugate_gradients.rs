//! A few steps of conjugate gradients from the last solution (Takács, Pilászy & Tikk 2011).

use super::problem::HalfStep;
use super::sides::{Row, RowConfidences};
use crate::simd::{Aligned, Descent, NormalEquations, Rows};

/// Solves one row in at most `steps` steps; zero means one step per component.
pub(super) fn solve(half: &HalfStep<'_>, row: Row<'_>, steps: usize, diagonal: &[f32], x: &mut [f32], s: &mut CgScratch) {
    let CgScratch { residual, direction, product, uniform } = s;
    let weights = match row.confidences {
        RowConfidences::All(confidence) => {
            uniform.clear();
            uniform.resize(row.indices.len(), confidence);
            uniform.as_slice()
        }
        RowConfidences::Each(confidences) => confidences,
    };
    let rows = Rows::new(half.others, half.width, row.indices).followed_by(row.upcoming);
    let equations = NormalEquations { rows, weights, diagonal };
    let steps = if steps == 0 { half.settings.k } else { steps };
    half.kernels.residual(equations, half.settings.observed_bias, x, residual);
    if let Some(prior) = row.prior {
        let penalty = half.penalty(row.indices.len());
        residual.iter_mut().zip(prior).for_each(|(residual, prior)| *residual += penalty * prior);
    }
    direction.copy_from_slice(residual);
    let mut rest: f32 = residual.iter().map(|r| r * r).sum();
    for step in 1..=steps {
        if rest <= NOTHING_LEFT {
            break;
        }
        let length = rest / half.kernels.product(equations, direction, product);
        if step == steps {
            x.iter_mut().zip(direction.iter()).for_each(|(x, p)| *x += length * p);
            break;
        }
        rest = half.kernels.advance(Descent { x, residual, direction, product }, length, rest);
    }
}

/// Squared residual below which a row counts as solved.
const NOTHING_LEFT: f32 = 1e-20;

/// Buffers of one thread.
pub(super) struct CgScratch {
    residual: Aligned,
    direction: Aligned,
    product: Aligned,
    uniform: Vec<f32>,
}

impl CgScratch {
    pub fn new(width: usize) -> Self {
        let zeros = || Aligned::zeros(width);
        CgScratch { residual: zeros(), direction: zeros(), product: zeros(), uniform: Vec::new() }
    }
}
