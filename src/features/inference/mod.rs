//! Inference: predictions for client programs, authenticated by API key. The only part of the program on the hot path of other
//! programs. Paths have no trailing slash, and errors have the shapes of 1.x's inference service.

mod answer;
mod answerer;
mod assignment;
mod bodies;
mod directory;
mod error;
mod exploration;
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
mod profiles;
mod recent_events;
mod routes;
mod service;
mod store;
mod user_features;
mod waiting;

pub use past::{PastRequest, PastUsers, past_lists};
pub use routes::{Docs, admit_client, routes, suggest, suggest_to};
pub use service::Inference;
