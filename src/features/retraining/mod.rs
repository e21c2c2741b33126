//! Retraining: a project's schedule defines when to train again, on what data, and whether to deploy the result. Each execution
//! is a run. The scheduler creates runs when schedules are due, users create them by hand, and a job executes each.

mod cadence;
mod combining;
mod error;
mod gate;
mod jobs;
mod judging;
mod model;
mod routes;
mod runner;
mod scheduler;
mod service;
mod sources;
mod starting;
mod store;

pub use cadence::{Cadence, due_next, keep_firing as keep_firing_due};
pub use error::RetrainingError;
pub use gate::slot_name;
pub use model::{CatchUp, CombineData, DataSource, JudgeRun, Run, RunCause, RunRetraining, RunStatus, Schedule};
pub use routes::{Docs, routes};
pub use scheduler::{fire_due, keep_firing};
pub use starting::after_data;
pub use store::runs;
