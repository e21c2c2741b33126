//! Data sources: tables of other servers that a project reads by itself. A connection says how to reach a server, a source which
//! rows to read and when, and a run is one time that it was read. What a run brings becomes an upload; it is held if it breaks a
//! guard of its source.

mod error;
mod files;
mod jobs;
mod judging;
mod mapping;
mod model;
mod opening;
mod planning;
mod pulling;
mod quality;
mod recheck;
mod resealing;
mod routes;
mod scheduler;
mod secrets;
mod service;
mod store;
mod uploads;
mod windows;

pub use error::SourceError;
pub use model::{
    Cause, DataConnection, FollowUp, Mode, NullCursor, PullSource, RecheckWindows, RunState, SourceRun, StageName, Target,
};
pub use opening::connector_of;
pub use resealing::{Resealed, reseal};
pub use routes::{Docs, routes};
pub use scheduler::{fire_due, keep_firing};
pub use service::connections::MOST_CONNECTIONS;
pub use service::sources::MOST_SOURCES;
pub use store::runs::some as runs;
pub use store::sources::names;
