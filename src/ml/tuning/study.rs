//! A study: which algorithms are searched, and how the next trial is chosen.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value};

use super::{TrialRecord, choice, pruning, tpe};
use crate::ml::error::{MlError, MlResult};
use crate::ml::search_space::SearchSpace;

/// How parameters are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampler {
    /// Tree-structured Parzen estimator, multivariate.
    Tpe,
    /// Independent uniform draws.
    Random,
}

/// What to try next.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    /// Class name of the algorithm.
    pub algorithm: String,
    /// A value for every searched parameter.
    pub params: Map<String, Value>,
}

/// A search over algorithms, each with a space of its own.
#[derive(Debug, Clone)]
pub struct Study {
    spaces: Vec<(String, SearchSpace)>,
    sampler: Sampler,
    seed: u64,
}

impl Study {
    /// A study of the given algorithms. Fails when there is none, or when a range makes no sense.
    pub fn new(spaces: Vec<(String, SearchSpace)>, sampler: Sampler, seed: u64) -> MlResult<Self> {
        if spaces.is_empty() {
            return Err(MlError::BadInput("there is no algorithm to search; name at least one".into()));
        }
        for (algorithm, space) in &spaces {
            if let Some((name, problem)) = space.iter().find_map(|(name, domain)| Some((name, domain.problem()?))) {
                return Err(MlError::bad_parameter(algorithm, name, problem));
            }
        }
        Ok(Self { spaces, sampler, seed })
    }

    /// The trial of this number, given all trials so far, running ones included.
    pub fn ask(&self, history: &[TrialRecord], number: u32) -> MlResult<Suggestion> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        // Each trial draws from a stream of its own, so that parallel workers never repeat each other.
        rng.set_stream(u64::from(number) + 1);
        let index = choice::algorithm(&self.spaces, history, self.sampler, &mut rng);
        let (algorithm, space) = &self.spaces[index];
        let params = match self.sampler {
            Sampler::Random => tpe::random(space, &mut rng),
            Sampler::Tpe => {
                let own: Vec<&TrialRecord> = history.iter().filter(|trial| trial.algorithm == *algorithm).collect();
                tpe::suggest(space, &own, &mut rng)
            }
        };
        Ok(Suggestion { algorithm: algorithm.clone(), params })
    }

    /// Whether a running trial of `algorithm` with `score` at `step` is not worth finishing.
    pub fn should_prune(&self, history: &[TrialRecord], algorithm: &str, step: u32, score: f64) -> bool {
        pruning::should_prune(history, algorithm, step, score)
    }
}

#[cfg(test)]
mod tests {
    use super::super::TrialState;
    use super::*;
    use crate::ml::search_space::Domain;

    fn toy() -> Vec<(String, SearchSpace)> {
        let near = SearchSpace::new().with("x", Domain::float(-5.0, 5.0)).with("y", Domain::float(-5.0, 5.0));
        let far = SearchSpace::new().with("k", Domain::int(1, 100)).with("w", Domain::categorical(["a", "b", "c"]));
        vec![("Near".into(), near), ("Far".into(), far), ("Fixed".into(), SearchSpace::new())]
    }

    /// Best possible score 0, at x = 2, y = -1 of `Near`.
    fn score(suggestion: &Suggestion) -> f64 {
        let real = |name: &str| suggestion.params[name].as_f64().unwrap();
        match suggestion.algorithm.as_str() {
            "Near" => -(real("x") - 2.0).powi(2) - (real("y") + 1.0).powi(2),
            "Far" => -5.0 - (real("k") - 50.0).abs() / 10.0,
            _ => -20.0,
        }
    }

    fn search(sampler: Sampler, seed: u64, trials: u32) -> Vec<TrialRecord> {
        let study = Study::new(toy(), sampler, seed).unwrap();
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
