//! Single rows of item metadata. A change is accepted at once and waits in the database; a job merges the changes of a project into
//! the prepared form in use, all that wait at the time.

mod error;
mod input;
mod jobs;
mod merged;
mod merging;
mod model;
mod room;
mod routes;
mod service;
mod store;

pub use model::MergeItemChanges;
pub use routes::{Docs, ItemRow, read_row, routes};
