//! API keys: what a program sends instead of a password. Each is bound to one project and some scopes.

mod error;
mod known;
mod model;
mod routes;
mod service;
mod store;
mod traffic;

pub use known::KnownKeys;
pub use model::scopes_of;
pub use routes::{Docs, routes};
pub use service::{KnownKey, NotedUses, PREFIX, authenticate, create_for};
pub use store::{delete, revoke};
pub use traffic::{AppTraffic, Served, Traffic, Used};
