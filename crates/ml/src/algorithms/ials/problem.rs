//! The problems that half an epoch solves, one for each row of a side.

use super::settings::Settings;
use super::sides::Row;
use crate::simd::{Kernels, padded};

/// The least-squares problems of one side.
pub(super) struct HalfStep<'a> {
    pub settings: &'a Settings,
    /// The other side's factors, in the basis where their dense part is diagonal.
    pub others: &'a [f32],
    /// The diagonal: α0 times the sum of squares of each component.
    pub energy: &'a [f32],
    /// What the penalty pulls each row to; empty where that is zero.
    pub priors: &'a [f32],
    pub width: usize,
    pub kernels: Kernels,
}

impl<'a> HalfStep<'a> {
    pub fn new(settings: &'a Settings, others: &'a [f32], energy: &'a [f32]) -> Self {
        HalfStep { settings, others, energy, priors: &[], width: padded(settings.k), kernels: Kernels::detect() }
    }

    /// Sets what the penalty pulls each row to.
    pub fn pulled_to(self, priors: &'a [f32]) -> Self {
        HalfStep { priors, ..self }
    }

    /// Returns a row with what it is pulled to, if that is not zero.
    pub fn pulled<'r>(&'r self, row: Row<'r>, at: usize) -> Row<'r> {
        Row { prior: self.priors.get(at * self.width..(at + 1) * self.width), ..row }
    }

    /// Returns the penalty of a row.
    pub fn penalty(&self, n_interactions: usize) -> f32 {
        self.settings.penalty(n_interactions, self.others.len() / self.width)
    }

    /// Fills the diagonal of the row's matrix beyond the interactions: dense part and penalty.
    pub fn fill_diagonal(&self, n_interactions: usize, diagonal: &mut [f32]) {
        let penalty = self.penalty(n_interactions);
        let k = self.settings.k;
        diagonal[..k].iter_mut().zip(self.energy).for_each(|(d, energy)| *d = energy + penalty);
        // Padding has neither interactions nor a right-hand side: any positive diagonal keeps it at zero.
        diagonal[k..].fill(1.0);
    }
}
