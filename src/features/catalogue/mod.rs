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
mod titles;

pub use columns::{PICTURES, TITLES};
pub use model::{Part, Query};
pub use routes::{Docs, routes};
pub use service::{item_titled, items, titles_of, users};
