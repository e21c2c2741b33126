//! Search over algorithms and their parameters. Pure: trials live with the caller, a suggestion depends on the seed,
//! the number of the trial and the trials so far, and on nothing else.

mod axes;
mod choice;
mod normal;
mod parzen;
mod pruning;
mod startup;
mod study;
mod tpe;

pub use pruning::Pruner;
pub use study::{Sampler, Study, Suggestion};

use serde_json::{Map, Value};

/// How a trial stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrialState {
    /// Somebody is at it.
    Running,
    /// It has a score.
    Complete,
    /// Given up on the way, or refused because it would not have fitted into memory.
    Pruned,
    /// It ended in an error.
    Failed,
}

/// What is known of a trial. Larger scores are better.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialRecord {
    /// Counts from 0 within the study.
    pub number: u32,
    /// Class name of the algorithm.
    pub algorithm: String,
    /// Parameters tried, learnt ones included.
    pub params: Map<String, Value>,
    /// How it stands.
    pub state: TrialState,
    /// Only a complete trial has one.
    pub score: Option<f64>,
    /// Scores on the way, by step.
    pub intermediate: Vec<(u32, f64)>,
}
