//! SQL of connections, sources and runs.

pub mod connections;
pub mod runs;
pub mod sources;
