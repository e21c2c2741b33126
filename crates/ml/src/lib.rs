//! The recommender engine: from interactions to tuned, evaluated and stored models.
//!
//! Pure functions of their arguments. The engine uses no network, SQL, clock, environment or file: seeds, threads, interruption
//! and memory limits are passed in a [`context::Context`], and bytes are read from and written to buffers.

pub mod algorithms;
pub mod artifact;
pub mod cold_start;
pub mod context;
pub mod diversity;
pub mod error;
pub mod evaluate;
pub mod features;
pub mod field_worth;
mod idle;
pub mod ids;
pub mod interactions;
pub mod item_index;
pub mod linalg;
pub mod lists;
pub mod metrics;
pub mod new_users;
pub mod normal;
pub mod other_data;
mod pools;
pub mod ranking;
pub mod registry;
pub mod search_space;
pub mod sessions;
pub mod simd;
pub mod sparse;
pub mod splits;
pub mod synthetic;
pub mod tensors;
pub mod trials;
pub mod tuning;
pub mod weights;
