//! Inference: predictions for programs, by API key. The one part of the program that other programs call all the time.
//! Paths have no trailing slash, errors have the shapes of 1.x's inference service.

mod answer;
mod assignment;
mod directory;
mod error;
mod input;
mod recent_events;
mod routes;
mod service;
mod store;

pub use assignment::Assigner;
pub use directory::Directory;
pub use recent_events::RecentEvents;
pub use routes::{Docs, Limits, routes};
