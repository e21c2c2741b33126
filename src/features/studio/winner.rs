//! The trial of a search that a run trains, and its scores beside those of the baselines.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::model::NewItemsResult;
use crate::features::tuning::{BesideNewItems, ColdBaselineScore, Trial, TrialStatus, TuningJob};
use crate::ml::cold_start::ColdBaseline;

/// A trial to be trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Winner {
    pub algorithm: String,
    pub parameters: Map<String, Value>,
    /// Whether it is also the best of the search by its score alone.
    pub is_best: bool,
    pub scores: Scores,
}

/// The scores of a trial and of what it has to beat.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// For items that the model was trained on.
    pub score: f64,
    /// Of the most popular items, for the same.
    pub popularity: f64,
    pub new_items: Option<NewItemsResult>,
}

/// Returns the best trial: where new items were judged as well, the one whose lists of all items together are best.
pub fn of(job: &TuningJob, trials: &[Trial]) -> Option<Winner> {
    let scored =
        || trials.iter().filter(|trial| trial.state == TrialStatus::Completed && trial.score.is_some_and(|score| score > 0.0));
    let of_all = |trial: &Trial| beside(trial).map(|beside| beside.mixed.mean).or(trial.score).unwrap_or(0.0);
    // Of equal trials the earlier one wins.
    let best = scored().rev().max_by(|a, b| of_all(a).total_cmp(&of_all(b)))?;
    let best_score = scored().rev().max_by(|a, b| a.score.unwrap_or(0.0).total_cmp(&b.score.unwrap_or(0.0)))?;
    Some(Winner {
        algorithm: best.algorithm.clone(),
        parameters: best.parameters.as_object().cloned().unwrap_or_default(),
        is_best: best.id == best_score.id,
        scores: scores(job, best),
    })
}

fn beside(trial: &Trial) -> Option<BesideNewItems> {
    BesideNewItems::deserialize(trial.beside_new_items.as_ref()?).ok()
}

fn scores(job: &TuningJob, trial: &Trial) -> Scores {
    let score = trial.score.unwrap_or_default();
    let Some(beside) = beside(trial) else {
        return Scores { score, popularity: job.baseline_score.unwrap_or_default(), new_items: None };
    };
    let baselines: Vec<ColdBaselineScore> =
        job.cold_baselines.as_ref().and_then(|all| Vec::deserialize(all).ok()).unwrap_or_default();
    let known = |beside: &BesideNewItems| beside.warm.map_or(beside.mixed.mean, |warm| warm.mean);
    let popularity = baselines.iter().find(|one| one.name == ColdBaseline::PopularityFromFeatures);
    let popularity = popularity.and_then(|one| one.beside_new_items.as_ref()).map_or(0.0, known);
    let baseline = baselines.iter().map(|one| one.score.mean).fold(0.0, f64::max);
    Scores { score: known(&beside), popularity, new_items: Some(NewItemsResult { score, baseline }) }
}
