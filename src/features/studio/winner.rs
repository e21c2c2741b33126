//! The trial of a search that a run trains, and its scores beside those of the baselines.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::model::{Goal, NewItemsResult};
use super::plan::TOP_POP;
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

/// The share of the score of the most popular items below which a model is not used. It is far from a tie: trials were ended before
/// they had learnt, or their parameters do not suit the data.
const LEAST_SHARE: f64 = 0.5;

impl Winner {
    /// Replaces a model that is far worse than the most popular items by these, unless only contents may be used. Returns what is to
    /// be said of the choice as well.
    pub fn beside_popularity(self, goal: Goal) -> (Self, Vec<String>) {
        let Scores { score, popularity, .. } = self.scores;
        if score > popularity {
            return (self, Vec::new());
        }
        if goal == Goal::Content || score >= LEAST_SHARE * popularity {
            let warning = "The best model found is no better than the list of the most popular items.";
            return (self, vec![warning.to_owned()]);
        }
        let warning = format!(
            "The best model found, {}, is far worse than the list of the most popular items, which is used instead. Allow a larger \
             budget, so that trials may take longer.",
            self.algorithm
        );
        let scores = Scores { score: popularity, popularity, new_items: None };
        (Self { algorithm: TOP_POP.to_owned(), parameters: Map::new(), is_best: false, scores }, vec![warning])
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_far_worse_than_popularity_is_not_used() {
        let found = |score: f64, goal: Goal| {
            let scores = Scores { score, popularity: 0.2, new_items: None };
            let winner = Winner { algorithm: "EASE".to_owned(), parameters: Map::new(), is_best: true, scores };
            let (used, warnings) = winner.beside_popularity(goal);
            (used.algorithm, used.scores.score, warnings.len())
        };
        assert_eq!(found(0.3, Goal::Auto), ("EASE".to_owned(), 0.3, 0));
        assert_eq!(found(0.1, Goal::Auto), ("EASE".to_owned(), 0.1, 1));
        assert_eq!(found(0.09, Goal::Auto), (TOP_POP.to_owned(), 0.2, 1));
        assert_eq!(found(0.09, Goal::Content), ("EASE".to_owned(), 0.09, 1));
    }
}
