//! A study: which algorithms are searched, and how the next trial is chosen.

use std::collections::HashMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value};

use super::axes::{self, Axis};
use super::{Pruner, TrialRecord, choice, startup, tpe};
use crate::error::{MlError, MlResult};
use crate::search_space::SearchSpace;

/// A way to choose parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampler {
    /// Tree-structured Parzen estimator, multivariate.
    Tpe,
    /// Independent uniform draws.
    Random,
}

/// The next trial to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    /// Class name of the algorithm.
    pub algorithm: String,
    /// A value for every searched parameter.
    pub params: Map<String, Value>,
}

/// A search over algorithms with their own search spaces.
#[derive(Debug, Clone)]
pub struct Study {
    algorithms: Vec<Searched>,
    sampler: Sampler,
    pruner: Pruner,
    seed: u64,
}

#[derive(Debug, Clone)]
struct Searched {
    name: String,
    space: SearchSpace,
    budget: Option<u32>,
}

impl Searched {
    /// Returns whether another trial can add information: one without parameters would only repeat its first result.
    fn is_worth_another(&self, n_trials: usize) -> bool {
        n_trials == 0 || self.space.iter().any(|(_, domain)| !domain.is_single())
    }

    fn is_within_budget(&self, n_trials: usize) -> bool {
        self.budget.is_none_or(|budget| n_trials < budget as usize)
    }
}

impl Study {
    /// Creates a study of the given algorithms, with median pruning. Fails when there are no algorithms, or when a range is
    /// invalid.
    pub fn new(spaces: Vec<(String, SearchSpace)>, sampler: Sampler, seed: u64) -> MlResult<Self> {
        if spaces.is_empty() {
            return Err(MlError::BadInput("there is no algorithm to search; name at least one".into()));
        }
        for (algorithm, space) in &spaces {
            if let Some((name, problem)) = space.iter().find_map(|(name, domain)| Some((name, domain.problem()?))) {
                return Err(MlError::bad_parameter(algorithm, name, problem));
            }
        }
        let algorithms = spaces.into_iter().map(|(name, space)| Searched { name, space, budget: None }).collect();
        Ok(Self { algorithms, sampler, pruner: Pruner::default(), seed })
    }

    /// Returns the study with another way to give up trials.
    #[must_use]
    pub fn with_pruner(self, pruner: Pruner) -> Self {
        Self { pruner, ..self }
    }

    /// Returns the study with at most `trials` trials of an algorithm, given by its class name, regardless of their results.
    /// Fails when the algorithm is not searched.
    pub fn with_budget(mut self, algorithm: &str, trials: u32) -> MlResult<Self> {
        match self.algorithms.iter_mut().find(|searched| searched.name == algorithm) {
            Some(searched) => searched.budget = Some(trials),
            None => return Err(MlError::BadInput(format!("{algorithm} has a number of trials but is not searched"))),
        }
        Ok(self)
    }

    /// Suggests the trial of this number, given all trials so far, including running ones.
    ///
    /// Depends on the seed, the number and the trials only. Fails when the budget of every algorithm is used up.
    pub fn ask(&self, history: &[TrialRecord], number: u32) -> MlResult<Suggestion> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        // Each trial draws from a stream of its own, so that parallel workers never repeat each other.
        rng.set_stream(u64::from(number) + 1);
        let arms = self.arms(history);
        if arms.is_empty() {
            return Err(MlError::BadInput("the trials of every algorithm are used up; allow more".into()));
        }
        let arm = match self.sampler {
            Sampler::Random => &arms[rng.random_range(0..arms.len())],
            Sampler::Tpe => choice::choose(&arms, &mut rng),
        };
        let Searched { name, space, .. } = &self.algorithms[arm.index];
        let n_trials = arm.trials.len();
        let params = match self.sampler {
            Sampler::Random => axes::uniform(space, &mut rng),
            Sampler::Tpe if n_trials < startup::TRIALS => {
                axes::to_params(space, &startup::point(&Axis::of(space), self.seed, arm.index, n_trials))
            }
            Sampler::Tpe => tpe::suggest(space, &arm.trials, &mut rng),
        };
        Ok(Suggestion { algorithm: name.clone(), params })
    }

    /// Returns whether no trial is worth running any more: budgets are used up, and algorithms without parameters were tried.
    pub fn is_exhausted(&self, history: &[TrialRecord]) -> bool {
        let spent = |arm: choice::Arm<'_>| !self.algorithms[arm.index].is_worth_another(arm.trials.len());
        self.arms(history).into_iter().all(spent)
    }

    /// Returns the algorithms that may be tried, with their trials. Those that would only repeat themselves are included when
    /// there are no others.
    fn arms<'a>(&self, history: &'a [TrialRecord]) -> Vec<choice::Arm<'a>> {
        let index_of: HashMap<&str, usize> =
            self.algorithms.iter().enumerate().map(|(index, searched)| (searched.name.as_str(), index)).collect();
        let mut trials: Vec<Vec<&TrialRecord>> = vec![Vec::new(); self.algorithms.len()];
        for trial in history {
            if let Some(index) = index_of.get(trial.algorithm.as_str()) {
                trials[*index].push(trial);
            }
        }
        let arms = trials.into_iter().enumerate().map(|(index, trials)| choice::Arm { index, trials });
        let arms = arms.filter(|arm| self.algorithms[arm.index].is_within_budget(arm.trials.len()));
        let (open, spent): (Vec<_>, Vec<_>) = arms.partition(|arm| self.algorithms[arm.index].is_worth_another(arm.trials.len()));
        if open.is_empty() { spent } else { open }
    }

    /// Returns whether a running trial of `algorithm`, whose best score up to `step` is `score`, is not worth finishing.
    pub fn should_prune(&self, history: &[TrialRecord], algorithm: &str, step: u32, score: f64) -> bool {
        self.pruner.gives_up(history, algorithm, step, score)
    }
}

#[cfg(test)]
mod tests {
    use super::super::TrialState;
    use super::*;
    use crate::search_space::Domain;

    fn toy() -> Vec<(String, SearchSpace)> {
        let near = SearchSpace::new().with("x", Domain::float(-5.0, 5.0)).with("y", Domain::float(-5.0, 5.0));
        let far = SearchSpace::new().with("k", Domain::int(1, 100)).with("w", Domain::categorical(["a", "b", "c"]));
        vec![("Near".into(), near), ("Far".into(), far), ("Fixed".into(), SearchSpace::new())]
    }

    /// Returns the score of a suggestion; the best possible is 0, at x = 2, y = -1 of `Near`.
    fn score(suggestion: &Suggestion) -> f64 {
        let real = |name: &str| suggestion.params[name].as_f64().unwrap();
        match suggestion.algorithm.as_str() {
            "Near" => -(real("x") - 2.0).powi(2) - (real("y") + 1.0).powi(2),
            "Far" => -5.0 - (real("k") - 50.0).abs() / 10.0,
            _ => -20.0,
        }
    }

    fn search(sampler: Sampler, seed: u64, trials: u32) -> Vec<TrialRecord> {
        run(&Study::new(toy(), sampler, seed).unwrap(), trials)
    }

    fn run(study: &Study, trials: u32) -> Vec<TrialRecord> {
        let mut history = Vec::new();
        for number in 0..trials {
            let suggestion = study.ask(&history, number).unwrap();
            let score = Some(score(&suggestion));
            let Suggestion { algorithm, params } = suggestion;
            history.push(TrialRecord { number, algorithm, params, state: TrialState::Complete, score, intermediate: vec![] });
        }
        history
    }

    fn median_best(sampler: Sampler) -> f64 {
        let best = |seed| search(sampler, seed, 60).iter().filter_map(|trial| trial.score).fold(f64::MIN, f64::max);
        let mut scores: Vec<f64> = (0..15).map(best).collect();
        scores.sort_by(f64::total_cmp);
        scores[scores.len() / 2]
    }

    #[test]
    fn tpe_finds_better_points_than_random_search_in_a_conditional_space() {
        let (tpe, random) = (median_best(Sampler::Tpe), median_best(Sampler::Random));
        assert!(tpe > random, "TPE {tpe}, random {random}");
    }

    #[test]
    fn the_same_seed_and_history_give_the_same_trial() {
        assert_eq!(search(Sampler::Tpe, 7, 30), search(Sampler::Tpe, 7, 30));
        assert_ne!(search(Sampler::Tpe, 7, 30), search(Sampler::Tpe, 8, 30));
    }

    #[test]
    fn every_algorithm_is_tried_and_one_without_parameters_once_is_enough() {
        let history = search(Sampler::Tpe, 3, 40);
        let count = |name: &str| history.iter().filter(|trial| trial.algorithm == name).count();
        assert_eq!(count("Fixed"), 1);
        assert!(count("Far") >= 2 && count("Near") > count("Far"));
    }

    #[test]
    fn a_budget_is_never_exceeded_and_the_rest_goes_on() {
        for sampler in [Sampler::Tpe, Sampler::Random] {
            let study = Study::new(toy(), sampler, 5).unwrap().with_budget("Near", 7).unwrap();
            let history = run(&study, 40);
            let count = |name: &str| history.iter().filter(|trial| trial.algorithm == name).count();
            assert_eq!((count("Near"), count("Far"), count("Fixed")), (7, 32, 1));
            let bounded = study.with_budget("Far", 3).unwrap();
            let history = run(&bounded, 11);
            assert!(bounded.is_exhausted(&history) && !bounded.is_exhausted(&history[..10]));
            let only_fixed_is_left = bounded.with_budget("Fixed", 1).unwrap();
            assert!(only_fixed_is_left.ask(&history, 11).is_err());
        }
        assert!(Study::new(toy(), Sampler::Tpe, 5).unwrap().with_budget("Other", 7).is_err());
    }

    #[test]
    fn workers_that_ask_at_once_get_different_trials() {
        let study = Study::new(toy(), Sampler::Tpe, 1).unwrap();
        let mut history = search(Sampler::Tpe, 1, 20);
        let first = study.ask(&history, 20).unwrap();
        let Suggestion { algorithm, params } = first.clone();
        history.push(TrialRecord {
            number: 20,
            algorithm,
            params,
            state: TrialState::Running,
            score: None,
            intermediate: vec![],
        });
        assert_ne!(first, study.ask(&history, 21).unwrap());
    }

    #[test]
    fn suggestions_lie_within_their_domains() {
        let spaces = toy();
        for trial in search(Sampler::Tpe, 11, 80) {
            let (_, space) = spaces.iter().find(|(name, _)| *name == trial.algorithm).unwrap();
            assert!(space.iter().all(|(name, domain)| domain.contains(&trial.params[name])), "{trial:?}");
        }
    }

    #[test]
    fn a_study_of_nothing_is_refused() {
        assert!(Study::new(vec![], Sampler::Tpe, 0).is_err());
        let empty = SearchSpace::new().with("x", Domain::float(1.0, 0.0));
        assert!(Study::new(vec![("A".into(), empty)], Sampler::Tpe, 0).is_err());
    }
}
