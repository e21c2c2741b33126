//! Deployment slots: which models answer the traffic of a project, and with which share of it. Every action that changes which
//! model answers adds a row to the history with the slots before and after.

mod error;
mod model;
mod routes;
mod service;
mod store;

pub use error::SlotError;
pub use model::{DeploymentSlot, SlotChangeAction};
pub use routes::{Docs, routes};
pub use service::{Promotion, deploy, promote, replaced_by};
pub use store::{lock_project, slots_by_id};
