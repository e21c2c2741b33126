//! Composition: which URLs, which jobs, which roles. Everything here is wiring.

pub mod api_docs;
mod authentication;
mod builder;
mod headers;
mod jobs;
pub mod roles;
mod routes;
mod spa;

pub use builder::{BootError, Boot, boot};
pub use routes::configure;
