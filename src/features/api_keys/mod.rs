//! API keys: what a program shows instead of a password; each is bound to one project and a few scopes.

mod known;
mod model;
mod routes;
mod service;
mod store;

pub use known::KnownKeys;
pub use model::scopes_of;
pub use routes::{Docs, routes};
pub use service::{KnownKey, NotedUses, PREFIX, authenticate, create_for};
