//! What comes of a trial.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::evaluate::{Comparison, Evaluation};
use crate::metrics::Metric;
use crate::normal;
use crate::tuning::TrialState;

/// The outcome of a trial.
#[derive(Debug, Clone)]
pub struct TrialOutcome {
    /// Complete, pruned or failed.
    pub state: TrialState,
    /// The score; only a complete trial has one.
    pub score: Option<f64>,
    /// The parameters, with those learnt during the trial.
    pub params: Map<String, Value>,
    /// Every metric at the study's cutoff; of new items only, where the split holds out items.
    pub metrics: BTreeMap<Metric, f64>,
    /// The quality for the other items and for all together, where the split holds out items.
    pub beside_new_items: Option<BesideNewItems>,
    /// 95 % confidence interval of the score over users.
    pub interval: Option<(f64, f64)>,
    /// The score of each evaluated user, if the metric is one of single users; needed by [`TrialOutcome::compare`].
    pub per_user: Vec<f32>,
    /// Scores during the trial, by epoch.
    pub intermediate: Vec<(u32, f64)>,
    /// Why it was pruned or failed.
    pub note: Option<String>,
}

/// The quality of a trial on a split that holds out items, beside that for new items alone.
#[derive(Debug, Clone)]
pub struct BesideNewItems {
    /// For the items that the model was trained on; `None` where none of their interactions is held out.
    pub warm: Option<Quality>,
    /// For all items in one list.
    pub mixed: Quality,
    /// Share of the places in those lists that new items hold.
    pub cold_share: f64,
    /// 95 % confidence interval of that share over users.
    pub cold_share_interval: (f64, f64),
}

/// Metrics over users.
#[derive(Debug, Clone)]
pub struct Quality {
    /// Every metric at the study's cutoff.
    pub metrics: BTreeMap<Metric, f64>,
    /// The metric of the study.
    pub score: f64,
    /// 95 % confidence interval of the score over users.
    pub interval: Option<(f64, f64)>,
}

impl Quality {
    pub(super) fn of(evaluation: &Evaluation, metric: Metric) -> Self {
        Self { metrics: evaluation.metrics.clone(), score: evaluation.get(metric), interval: evaluation.interval(metric) }
    }
}

impl TrialOutcome {
    /// Creates the outcome of a trial that ended in an error.
    pub fn failed(note: String) -> Self {
        Self::without_score(TrialState::Failed, note)
    }

    /// Creates the outcome of a trial that was given up.
    pub fn pruned(note: String) -> Self {
        Self::without_score(TrialState::Pruned, note)
    }

    /// Compares the scores of two complete trials user by user; both must have been evaluated on the same split.
    ///
    /// The interval takes the mean over users as normally distributed. `None` when the metric is not one of single users,
    /// or when the scores of a trial were dropped.
    pub fn compare(&self, other: &TrialOutcome) -> Option<Comparison> {
        let n = self.per_user.len();
        if n < 2 || n != other.per_user.len() {
            return None;
        }
        let differences = || self.per_user.iter().zip(&other.per_user).map(|(a, b)| f64::from(*a) - f64::from(*b));
        let mean = differences().sum::<f64>() / n as f64;
        let variance = differences().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n as f64 - 1.0);
        let reach = normal::REACH_OF_95_PERCENT * (variance / n as f64).sqrt();
        Some(Comparison { difference: mean, interval: (mean - reach, mean + reach), tied: mean.abs() <= reach })
    }

    fn without_score(state: TrialState, note: String) -> Self {
        Self {
            state,
            score: None,
            params: Map::new(),
            metrics: BTreeMap::new(),
            beside_new_items: None,
            interval: None,
            per_user: Vec::new(),
            intermediate: Vec::new(),
            note: Some(note),
        }
    }
}
