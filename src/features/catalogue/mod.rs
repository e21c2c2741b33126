//! The items and users of a project, for callers who pick one: those of the newest training data that is ready, which exists before
//! any model does, and the items that only the item metadata has. They are listed and searched in memory, which holds a listing for
//! each pair of prepared files that callers use.

mod building;
mod columns;
mod listing;
mod model;
mod routes;
mod search;
mod service;

pub use routes::{Docs, routes};
