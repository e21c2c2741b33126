//! Composition: which URLs, which jobs, which roles. Everything here is wiring.

mod addresses;
mod answers;
pub mod api_docs;
mod authentication;
mod boot;
mod draining;
mod headers;
mod jobs;
pub mod roles;
mod routes;
mod spa;
mod throttling;

pub use boot::{Boot, BootError};
pub use roles::RoleError;
