//! One vertical slice per concept. A slice imports the ones above it in this list, by their face only.

pub mod accounts;
pub mod api_keys;
pub mod projects;
