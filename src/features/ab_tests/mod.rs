//! A/B tests: two deployment slots compared on what users did with their lists.

mod error;
mod model;
mod routes;
mod service;
mod statistics;
mod store;

pub use model::AbTest;
pub use routes::{Docs, routes};
