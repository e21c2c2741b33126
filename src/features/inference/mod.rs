//! Inference: predictions for programs, by API key. The one part of the program that other programs call all the time.
//! Paths have no trailing slash, errors have the shapes of 1.x's inference service.

mod error;
mod input;
mod routes;

pub use routes::{Docs, Limits, routes};
