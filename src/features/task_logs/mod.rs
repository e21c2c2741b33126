//! Task logs: what background work says, line by line, and how the tasks themselves stand.

mod model;
mod routes;
mod store;

pub use model::{Line, TaskLink, TaskLog};
pub use routes::{Docs, routes};
pub use store::{newest_of_tuning, task_links, write};
