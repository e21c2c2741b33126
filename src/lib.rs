//! Recotem: from a file of user-item interactions to tuned, compared and deployed recommendations.

pub mod app;
pub mod cli;
pub mod features;
pub mod ml;
pub mod platform;
pub mod schema;
