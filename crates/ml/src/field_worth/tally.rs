//! Means over users of the quality of lists of new items, over several folds.

use serde::Serialize;

use crate::evaluate::{Evaluation, bootstrap_mean, mean};
use crate::metrics::Metric;

/// A mean over users with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Percentile bootstrap over users, as of an evaluation.
    pub interval: (f64, f64),
}

impl Estimate {
    /// Computes the mean of a value for each user.
    pub(super) fn of(values: &[f64], seed: u64) -> Self {
        Estimate { mean: mean(values), interval: bootstrap_mean(values, seed) }
    }

    /// Returns whether the interval contains zero.
    pub fn is_noise(&self) -> bool {
        self.interval.0 <= 0.0 && self.interval.1 >= 0.0
    }
}

/// The ndcg of each user, over the folds in which the user has new items.
pub(super) struct Tally {
    sums: Vec<f64>,
    folds: Vec<u32>,
}

impl Tally {
    /// Creates the tally before the first fold.
    pub fn new(n_users: usize) -> Self {
        Tally { sums: vec![0.0; n_users], folds: vec![0; n_users] }
    }

    /// Adds the evaluation of a fold.
    pub fn add(&mut self, evaluation: &Evaluation) {
        for (&user, quality) in evaluation.users.iter().zip(&evaluation.per_user) {
            self.sums[user as usize] += quality.get(Metric::Ndcg).unwrap_or(0.0);
            self.folds[user as usize] += 1;
        }
    }

    /// Returns the mean of each user who has any; the users are the same for all that is evaluated in the same folds.
    pub fn means(&self) -> Vec<f64> {
        let users = self.sums.iter().zip(&self.folds).filter(|(_, folds)| **folds > 0);
        users.map(|(sum, folds)| sum / f64::from(*folds)).collect()
    }
}
