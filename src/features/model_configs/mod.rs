//! Model configurations: an algorithm with its parameters, written by hand or found by tuning.

mod model;
mod routes;
mod service;
mod store;

pub use model::ModelConfiguration;
pub use routes::{Docs, routes};
pub use service::{DEFAULT_ALGORITHMS, create_for_data};
