//! Feature sets: what the columns of a project's item metadata mean, in versions that never change. Trainings and searches use
//! the current version; without one they guess. Columns and encodings are shown for those who write a set.

mod encodings;
mod error;
mod model;
mod routes;
mod service;
mod store;
mod tables;

pub use model::{CurrentSet, FeatureSet};
pub use routes::{Docs, routes};
pub use service::add;
pub use store::current;
