//! What the integration tests share.

mod app;
mod database;

pub use app::{Answer, Caller, TestApp};
pub use database::{TestDatabase, new_cluster};
