//! Projects: one catalogue and its interactions, named columns included; everything else hangs below a project.

mod model;
mod removal;
mod routes;
mod store;
mod sweeping;

pub use model::Project;
pub use removal::{refuse_while_used, remove};
pub use routes::{Docs, routes};
pub use store::dependents::Kind;
pub use store::{assign_orphans, of_data};
pub use sweeping::{sweep, sweep_until};
