//! The audit log: who changed what, when and from where. Database triggers write it; this slice only reads it.

mod export;
mod model;
mod routes;
mod store;

pub use model::Action;
pub use routes::{Docs, routes};
