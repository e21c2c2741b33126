//! API keys: what a program sends instead of a password. Each is bound to one project and some scopes.

mod app_request;
mod error;
mod known;
mod model;
mod routes;
mod service;
mod store;
mod traffic;

pub use app_request::{AppRequest, origin_of};
pub use known::KnownKeys;
pub use model::scopes_of;
pub use routes::{Docs, routes};
pub use service::{AppOfKey, KnownKey, NotedUses, PREFIX, authenticate, create_for};
pub use store::{delete, revoke, set_requests_per_minute};
pub use traffic::{AppTraffic, Served, Traffic, Used};
