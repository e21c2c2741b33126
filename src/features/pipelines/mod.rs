//! Pipelines: what happens from new rows to delivered lists, told as one story. A pipeline run is a retraining run with the runs of
//! the sources that it followed and the deliveries that followed it; or a run of a source that no retraining followed. The rows
//! belong to the slices of these parts.

mod model;
mod routes;
mod stages;
mod store;

pub use model::{StageName, StageState};
pub use routes::{Docs, routes};
