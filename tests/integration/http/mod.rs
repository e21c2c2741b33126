//! The HTTP API, asked as its clients ask it.

mod accounts;
mod api_keys;
mod configs;
mod datasets;
mod isolation;
mod projects;
mod tuning;
