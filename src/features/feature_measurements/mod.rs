//! Measurements of feature sets: how much worse new items would be recommended without each field, with an interval. Items are
//! held out from training data and described by the newest item metadata.

mod jobs;
mod measuring;
mod model;
mod routes;
mod service;
mod store;

pub use model::{FeatureMeasurement, MeasureFeatures, MeasurementStatus};
pub use routes::{Docs, routes};
