//! The problems that half an epoch solves, one for each row of a side.

use super::settings::Settings;
use crate::simd::{Kernels, padded};

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

impl<'a> HalfStep<'a> {
    pub fn new(settings: &'a Settings, others: &'a [f32], energy: &'a [f32]) -> Self {
        HalfStep { settings, others, energy, width: padded(settings.k), kernels: Kernels::detect() }
    }

    /// Fills the diagonal of the row's matrix beyond the interactions: dense part and penalty.
    pub fn fill_diagonal(&self, n_interactions: usize, diagonal: &mut [f32]) {
        let penalty = self.settings.penalty(n_interactions, self.others.len() / self.width);
        let k = self.settings.k;
        diagonal[..k].iter_mut().zip(self.energy).for_each(|(d, energy)| *d = energy + penalty);
        // Padding has neither interactions nor a right-hand side: any positive diagonal keeps it at zero.
        diagonal[k..].fill(1.0);
    }
}
