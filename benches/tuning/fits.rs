//! Scores of real trials, as `recotem tune` runs them.

use std::path::Path;

use recotem::ml::context::Context;
use recotem::ml::metrics::Metric;
use recotem::ml::splits::Split;
use recotem::ml::trials::run_trial;
use recotem::ml::tuning::Suggestion;

use crate::data::DataSet;
use crate::search::Proposal;

const CUTOFF: usize = 20;

pub struct Fits {
    split: Split,
    context: Context,
}

impl Fits {
    /// Prepares fits on a data set, evaluated on a share of its users.
    pub fn new(set: &DataSet, folder: &Path, users: f64) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Fits { split: set.split(folder, users), context: Context::new(0, threads) }
    }

    /// Returns NDCG at 20, with early stopping where the algorithm learns in epochs.
    pub fn score(&self, proposal: &Proposal) -> f64 {
        let suggestion = Suggestion { algorithm: proposal.algorithm.clone(), params: proposal.params.clone() };
        let outcome = run_trial(&suggestion, &self.split, Metric::Ndcg, CUTOFF, &self.context, &mut |_, _| false);
        let outcome = outcome.expect("the search is not cancelled");
        outcome.score.unwrap_or_else(|| panic!("{}: {:?}", proposal.algorithm, outcome.note))
    }
}
