//! Destinations: the lists of all users of a project, or the related items of all its items, computed together and delivered as a
//! file or to a table of another server, on request, by the clock or after retraining. Each time is a delivery, which a job computes
//! in parts, so that one that is interrupted continues where it was.

mod delivering;
mod error;
mod files;
mod following;
mod jobs;
mod model;
mod parts;
mod routes;
mod scheduler;
mod sending;
mod service;
mod store;
mod target;

pub use files::{Encoded, Entries, ListEncoder, ListFile, ListFormat, ListKind, Naming, WriteError, Written, list_columns};
pub use following::follow_retraining;
pub use model::{DeliverLists, Delivery, DeliveryCause, DeliveryStage, DeliveryState, FollowRetraining};
pub use routes::{Docs, routes};
pub use scheduler::{fire_due, keep_firing};
pub use sending::table_columns;
pub use store::{after_retraining, names};
