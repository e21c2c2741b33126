//! Tuning: a job searches algorithms and their parameters over one upload, one split and one evaluation; each attempt is a trial.
//! Any number of workers run trials of one job at once; a worker that dies loses nothing but the time of its running trial.

mod comparison;
mod error;
mod history;
mod jobs;
mod lost_workers;
mod model;
mod references;
mod routes;
mod search;
mod service;
mod split_cache;
mod store;

pub use comparison::{Contest, Entrant, scores};
pub use error::TuningError;
pub use jobs::RunSearch;
pub use model::{NewTuningJob, SearchStatus, Trial, TrialCounts, TrialStatus, TuningJob};
pub use routes::{Docs, routes};
pub use service::{create, snapshot};
