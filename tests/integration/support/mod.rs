//! Fixtures that the integration tests share.

mod app;
mod caller;
mod clock;
pub mod commands;
mod database;
pub mod events;
mod leftovers;
pub mod lists;
pub mod mail;
pub mod prepared;
pub mod processes;
mod proxy;
pub mod receiver;
pub mod retraining;
pub mod searches;
pub mod shop;
pub mod slots;
pub mod sockets;
pub mod source;
pub mod tastes;
pub mod told;
pub mod waiting;
mod weights;
pub mod world;

pub use app::{Jobs, PASSWORD, SECRET, TestApp};
pub use caller::{Answer, Caller};
pub use clock::test_clock;
pub use database::{TestDatabase, new_cluster};
pub use proxy::FrozenNetwork;
pub use weights::many_weights;
