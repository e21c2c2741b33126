//! The recommender engine: from interactions to tuned, judged and stored models.
//!
//! Pure functions of their arguments. There is no web, SQL, clock, environment or file in here: seeds, threads,
//! interruption and memory limits come in through [`context::Context`], bytes go in and out.

pub mod error;
pub mod ids;
pub mod search_space;
pub mod context;
pub mod sparse;
pub mod tensors;
pub mod interactions;
pub mod ranking;
pub mod splits;
pub mod metrics;
pub mod algorithms;
pub mod evaluate;
pub mod artifact;
