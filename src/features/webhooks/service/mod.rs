//! Decisions about apps, endpoints and messages.

pub mod apps;
pub mod endpoints;
pub mod messages;
