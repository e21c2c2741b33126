//! Trained models: a configuration fitted to training data, stored as a signed file, and the lists it recommends.

mod artifacts;
mod cache;
mod described;
mod engine;
mod error;
mod item_rows;
mod jobs;
mod model;
mod opening;
mod previews;
mod ready;
mod recommend;
mod resigning;
mod routes;
mod service;
mod signing;
mod store;
mod training;

#[cfg(test)]
pub use artifacts::tests::sample as sample_artifact;
pub use cache::{Items, ModelCache};
pub use engine::{engine_context, training_deadline};
pub use error::ModelError;
pub use model::{ModelStatus, TrainModel, TrainedModel};
pub use opening::{Patience, open_with_items};
pub use ready::ReadyModel;
pub use recommend::{LARGEST_CUTOFF, Scored};
pub use resigning::{Resigned, resign};
pub use routes::{Docs, routes};
pub use service::{cancel, create, create_from};
pub use store::{find, find_all};
