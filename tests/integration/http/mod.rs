//! The HTTP API, asked as its clients ask it.

mod accounts;
mod api_keys;
mod isolation;
mod projects;
mod tuning;
