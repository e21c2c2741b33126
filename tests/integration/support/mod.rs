//! Fixtures that the integration tests share.

mod app;
mod clock;
mod database;
mod proxy;

pub use app::{Answer, Caller, TestApp};
pub use clock::test_clock;
pub use database::{TestDatabase, new_cluster};
pub use proxy::FrozenNetwork;
