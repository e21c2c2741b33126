//! Search over algorithms and their parameters. Pure: the caller keeps the trials, and a suggestion depends only on the seed, the
//! number of the trial and the trials so far.

mod axes;
mod choice;
mod parzen;
mod pruning;
mod startup;
mod study;
mod tpe;

pub use pruning::Pruner;
pub use study::{Sampler, Study, Suggestion};

use serde_json::{Map, Value};

/// State of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrialState {
    /// The trial is running.
    Running,
    /// It has a score.
    Complete,
    /// It was given up before its end, or refused because it would not have fitted into memory.
    Pruned,
    /// It ended in an error.
    Failed,
}

/// A trial as the search knows it. Larger scores are better.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialRecord {
    /// Number within the study, from 0.
    pub number: u32,
    /// Class name of the algorithm.
    pub algorithm: String,
    /// Parameters tried, including learnt ones.
    pub params: Map<String, Value>,
    /// Its state.
    pub state: TrialState,
    /// Score; only a complete trial has one.
    pub score: Option<f64>,
    /// Scores during the trial, by step.
    pub intermediate: Vec<(u32, f64)>,
}
