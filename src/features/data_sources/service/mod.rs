//! Decisions about connections, sources and runs.

pub mod connections;
pub mod ending;
pub mod looking;
pub mod runs;
pub mod sources;
