//! Other programs: apps with a key, whose use is counted, and endpoints that are told, signed and retried, what happens in a
//! project. People are told by notifications.

mod content;
mod error;
mod model;
mod routes;
mod secrets;
mod service;
mod store;

pub use model::{DisabledReason, MessageState};
pub use routes::{Docs, routes};
