//! One vertical slice per concept. A slice imports the ones above it in this list, by their face only.

pub mod accounts;
pub mod api_keys;
pub mod projects;

pub mod evaluation;
pub mod model_configs;
pub mod task_logs;
