//! The studio: from files to an endpoint in one call. A run creates a project with its uploads, searches for the best algorithm,
//! trains its winner on everything and deploys it. The meaning of columns is guessed, and callers are asked where a guess is
//! unsure.

pub mod airec;
mod deciding;
mod error;
mod guess;
mod jobs;
mod mapping;
mod model;
mod plan;
mod routes;
mod service;
mod spec;
mod stages;
mod steps;
mod store;
mod winner;

pub use model::{Goal, RunStudio, Stage, StudioState};
pub use routes::{Docs, routes};
