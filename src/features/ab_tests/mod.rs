//! A/B tests: two deployment slots compared by what users did with their lists.

mod error;
mod expiry;
mod model;
mod routes;
mod service;
mod significance;
mod statistics;
mod store;

pub use expiry::{expire_events, keep_expiring};
pub use model::{AbTest, TestMetric, TestStatus};
pub use routes::{Docs, routes};
pub use significance::{keep_watching, watch};
