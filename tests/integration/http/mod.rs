//! The HTTP API, asked as its clients ask it.

mod accounts;
mod api_keys;
mod configs;
mod datasets;
mod inference;
mod isolation;
mod live;
mod models;
mod projects;
mod trained;
mod tuning;
mod weights;
