//! Composition: which URLs, which jobs, which roles. Everything here is wiring.

mod addresses;
mod answers;
pub mod api_docs;
mod app_requests;
mod authentication;
mod boot;
mod draining;
pub mod first_user;
mod full_disk;
mod headers;
mod jobs;
mod meta;
mod policy;
pub mod roles;
mod routes;
mod spa;
pub mod subscriptions;
mod throttling;
pub mod worker_processes;

pub use boot::{Boot, BootError};
pub use roles::RoleError;
