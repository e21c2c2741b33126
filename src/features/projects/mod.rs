//! Projects: one catalogue and its interactions, named columns included; everything else hangs below a project.

mod model;
mod routes;
mod store;

pub use model::Project;
pub use routes::{Docs, routes};
pub use store::{assign_orphans, of_data};
