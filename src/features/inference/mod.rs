//! Inference: predictions for programs, by API key. The one part of the program that other programs call all the time.
//! Paths have no trailing slash, errors have the shapes of 1.x's inference service.

mod answer;
mod answerer;
mod assignment;
mod bodies;
mod directory;
mod error;
mod faults;
mod fields;
mod filter;
mod input;
mod kinds;
mod limits;
mod listed;
mod model;
mod observer;
mod past;
mod recent_events;
mod routes;
mod service;
mod store;
mod waiting;

pub use past::{PastRequest, past_lists};
pub use routes::{Docs, routes};
pub use service::Inference;
