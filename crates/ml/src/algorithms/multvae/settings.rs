//! How the network is trained.

use super::super::Params;
use crate::error::MlResult;

/// The parameters of training.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    /// Share of a history that is left out in each step.
    pub dropout: f32,
    /// Penalty on the sum of squared weights.
    pub l2: f32,
    /// Weight that the Kullback–Leibler term reaches.
    pub kl_goal: f64,
    /// Epochs until the weight reaches that value.
    pub kl_epochs: usize,
    pub minibatch_size: usize,
    pub learning_rate: f64,
    pub seed: u64,
}

impl Settings {
    pub fn read(params: &Params<'_>) -> MlResult<Self> {
        Ok(Settings {
            dropout: params.float("dropout_p")? as f32,
            l2: params.float("l2_regularizer")? as f32,
            kl_goal: params.float("kl_anneal_goal")?,
            kl_epochs: params.size("anneal_end_epoch")?,
            minibatch_size: params.size("minibatch_size")?,
            learning_rate: params.float("learning_rate")?,
            seed: params.size("random_seed")? as u64,
        })
    }

    /// Returns the weight of the Kullback–Leibler term at an update, counted from zero.
    pub fn kl_weight(&self, update: u64, updates_per_epoch: usize) -> f32 {
        let end = (self.kl_epochs * updates_per_epoch) as f64;
        let share = if end > 0.0 { (update as f64 / end).min(1.0) } else { 1.0 };
        (self.kl_goal * share) as f32
    }
}
