//! The recommendation log: the lists that a project answered and those that its shadow slots would have answered; how far they
//! agree, and what the shadow would have earned. Written in the background, kept for some months.

mod model;
mod recorder;
mod retention;
mod routes;
mod service;
mod statistics;
mod store;

pub use model::{AnsweredList, LoggedList, Pair};
pub use recorder::Recorder;
pub use retention::{keep_in_bounds, tidy};
pub use routes::{Docs, routes};
pub use service::Requests;
pub use statistics::Comparison;
pub use store::{Past, answered, count_answered};
