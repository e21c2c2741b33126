//! Task logs: what background work reports, line by line, and the state of its tasks.

mod model;
mod routes;
mod store;

pub use model::{Line, Subject, TaskLink, TaskLog, Update};
pub use routes::{Docs, routes};
pub use store::{CHANNEL, announce, following, last_id, newest, task_links, write};
