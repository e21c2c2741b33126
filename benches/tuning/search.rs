//! The interface of a search: it proposes trials and receives their scores.

use std::collections::VecDeque;

use recotem::ml::search_space::SearchSpace;
use recotem::ml::tuning::{Sampler, Study, Suggestion, TrialRecord, TrialState};
use serde_json::{Map, Value};

/// A trial to be run.
#[derive(Debug, Clone)]
pub struct Proposal {
    pub number: u32,
    pub algorithm: String,
    pub params: Map<String, Value>,
}

pub trait Searcher {
    fn ask(&mut self) -> Proposal;
    fn tell(&mut self, number: u32, score: f64);
}

/// Returns the best score after each trial, with `workers` trials running at any time.
pub fn best_so_far(searcher: &mut dyn Searcher, trials: usize, workers: usize, objective: &dyn Fn(&Proposal) -> f64) -> Vec<f64> {
    let mut running: VecDeque<Proposal> = VecDeque::new();
    let mut best = f64::NEG_INFINITY;
    let mut course = Vec::with_capacity(trials);
    for asked in 0..trials + workers {
        if asked < trials {
            running.push_back(searcher.ask());
        }
        if asked + 1 < workers {
            continue;
        }
        let Some(proposal) = running.pop_front() else { break };
        let score = objective(&proposal);
        searcher.tell(proposal.number, score);
        best = best.max(score);
        course.push(best);
    }
    course
}

/// The library's own study.
pub struct Ours {
    study: Study,
    history: Vec<TrialRecord>,
}

impl Ours {
    pub fn new(spaces: &[(String, SearchSpace)], sampler: Sampler, seed: u64) -> Self {
        Ours { study: Study::new(spaces.to_vec(), sampler, seed).expect("sound spaces"), history: Vec::new() }
    }

    /// Returns the same trials, continued by another sampler.
    pub fn with_sampler(&self, spaces: &[(String, SearchSpace)], sampler: Sampler) -> Ours {
        Ours { history: self.history.clone(), ..Ours::new(spaces, sampler, 1) }
    }

    /// Suggests a trial without starting it.
    pub fn suggest(&self, number: u32) -> Suggestion {
        self.study.ask(&self.history, number).expect("a suggestion")
    }
}

impl Searcher for Ours {
    fn ask(&mut self) -> Proposal {
        let number = self.history.len() as u32;
        let Suggestion { algorithm, params } = self.study.ask(&self.history, number).expect("a suggestion");
        self.history.push(TrialRecord {
            number,
            algorithm: algorithm.clone(),
            params: params.clone(),
            state: TrialState::Running,
            score: None,
            intermediate: Vec::new(),
        });
        Proposal { number, algorithm, params }
    }

    fn tell(&mut self, number: u32, score: f64) {
        let trial = &mut self.history[number as usize];
        (trial.state, trial.score) = (TrialState::Complete, Some(score));
    }
}
