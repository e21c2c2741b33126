//! Tuning: a job searches algorithms and their parameters on training data, with one split and one evaluation config. Each
//! attempt is a trial. Any number of workers run trials of one job at once; if one dies, only the time of its running trial is
//! lost.

mod comparison;
mod error;
mod history;
mod jobs;
mod lost_workers;
mod model;
mod new_items;
mod references;
mod routes;
mod search;
mod service;
mod split_cache;
mod store;

pub use comparison::{Contest, Entrant, scores};
pub use error::TuningError;
pub use model::{NewTuningJob, RunSearch, SearchStatus, Trial, TrialCounts, TrialStatus, TuningFields, TuningJob};
pub use new_items::{BesideNewItems, ColdBaselineScore};
pub use routes::{Docs, routes};
pub use service::{cancel_in, create, snapshot};
pub use store::trials_of;
