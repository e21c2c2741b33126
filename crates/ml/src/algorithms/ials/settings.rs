//! The parameters that a trained model keeps, so that new users can be folded in.

use serde::{Deserialize, Serialize};

use super::super::Params;
use crate::error::MlResult;
use crate::sparse::Csr;

/// A method to solve a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum SolverKind {
    /// Conjugate gradients.
    Cg,
    /// Exactly, all components at once.
    Cholesky,
    /// Exactly in one block of components after another (iALS++).
    Subspaces,
}

/// The scaling of an interaction's value to its confidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Scaling {
    /// Unscaled.
    None,
    /// log(1 + value / epsilon).
    Log,
}

impl Scaling {
    pub fn one(self, value: f32, epsilon: f64) -> f32 {
        match self {
            Scaling::None => value,
            Scaling::Log => (f64::from(value) / epsilon).ln_1p() as f32,
        }
    }
}

/// The parameters of the loss and of the solvers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Settings {
    pub k: usize,
    pub alpha0: f32,
    /// Regularisation, after the change of scale required by `nu_star`.
    pub reg: f64,
    pub nu: f64,
    /// Added to the weight of observed pairs on the right-hand side: α0 for the original loss.
    pub observed_bias: f32,
    pub scaling: Scaling,
    pub epsilon: f64,
    pub solver: SolverKind,
    /// Steps of conjugate gradients in training; zero means one step per component.
    pub cg_steps: usize,
    pub prediction_cg_steps: usize,
    /// Components of a block of iALS++.
    pub subspace: usize,
    /// Rounds over all blocks when folding in.
    pub prediction_sweeps: usize,
}

impl Settings {
    pub fn read(params: &Params<'_>, train: &Csr) -> MlResult<Self> {
        let alpha0 = params.float("alpha0")?;
        let nu = params.float("nu")?;
        let mut reg = params.float("reg")?;
        if let Some(nu_star) = params.optional_float("nu_star")? {
            reg *= total_frequency(train, alpha0, nu_star) / total_frequency(train, alpha0, nu);
        }
        let log = params.word("confidence_scaling")? == "log";
        let original = params.word("loss_type")? == "ORIGINAL";
        let solver = match params.word("solver_type")? {
            "CHOLESKY" => SolverKind::Cholesky,
            "IALSPP" => SolverKind::Subspaces,
            _ => SolverKind::Cg,
        };
        Ok(Settings {
            k: params.size("n_components")?,
            alpha0: alpha0 as f32,
            reg,
            nu,
            observed_bias: if original { alpha0 as f32 } else { 0.0 },
            scaling: if log { Scaling::Log } else { Scaling::None },
            epsilon: params.float("epsilon")?,
            solver,
            cg_steps: params.size("max_cg_steps")?,
            prediction_cg_steps: params.size("prediction_time_max_cg_steps")?,
            subspace: params.size("ialspp_subspace_dimension")?,
            prediction_sweeps: params.size("prediction_time_ialspp_iteration")?,
        })
    }

    /// Returns whether the counts of steps, rounds and components of a block are in range: a stored model may contain any values.
    pub fn has_sane_effort(&self) -> bool {
        let counts = [self.cg_steps, self.prediction_cg_steps, self.prediction_sweeps];
        counts.iter().all(|&count| count <= 10_000) && (1..=4096).contains(&self.subspace)
    }

    /// Returns the penalty of a row with `n_interactions` interactions, when the other side has `n_other` rows.
    pub fn penalty(&self, n_interactions: usize, n_other: usize) -> f32 {
        let frequency = f64::from(self.alpha0) * n_other as f64 + n_interactions as f64;
        (self.reg * frequency.powf(self.nu)) as f32
    }
}

/// Returns the sum over users and items of their frequency to the power of `nu`.
fn total_frequency(train: &Csr, alpha0: f64, nu: f64) -> f64 {
    let term = |count: f64, n_other: usize| (count + alpha0 * n_other as f64).powf(nu);
    let users: f64 = (0..train.n_rows).map(|u| term(train.row_len(u) as f64, train.n_cols)).sum();
    let items: f64 = train.column_counts().into_iter().map(|c| term(f64::from(c), train.n_rows)).sum();
    users + items
}
