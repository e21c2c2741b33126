//! The audit log: who changed what, when and from where. Triggers in the database write it; here it is only read.

mod export;
mod model;
mod routes;
mod store;

pub use model::Action;
pub use routes::{Docs, routes};
