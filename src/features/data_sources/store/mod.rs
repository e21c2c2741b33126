//! SQL of connections, sources, runs, and the files that they have read.

pub mod connections;
pub mod files;
pub mod runs;
pub mod sources;
