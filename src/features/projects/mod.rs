//! Projects: one catalogue with its interactions and the names of their columns. Everything else belongs to a project.

mod admission;
mod event_weights;
mod model;
mod of_project;
mod removal;
mod routes;
mod shares;
mod store;
mod stored_bytes;
mod sweeping;
mod topics;

pub use admission::{TooManyWaitingJobs, admit_jobs, tenant_of, tenant_of_data, turn_of};
pub use event_weights::LONGEST_EVENT_TYPE;
pub use model::{MOST_EVENT_TYPES, Project, ProjectFields, UnknownUsers};
pub use of_project::OfProject;
pub use removal::{refuse_change, refuse_while_live, refuse_while_used, remove};
pub use routes::{Docs, not_saved, routes};
pub use store::dependents::Kind;
pub(crate) use store::pages::page_of_project;
pub use store::{assign_orphans, assignable_orphans, insert as create, of_data, tenants_of, visible_projects};
pub use stored_bytes::{StoredBytes, TooManyStoredBytes, refuse_excess, stored_bytes};
pub use sweeping::{sweep, sweep_until};
pub use topics::{Topic, record};
