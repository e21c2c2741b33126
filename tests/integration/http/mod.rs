//! The HTTP API, asked as its clients ask it.

mod accounts;
mod api_keys;
mod barriers;
mod configs;
mod datasets;
mod inference;
mod isolation;
mod models;
mod projects;
mod serving;
mod trained;
mod tuning;
mod weights;
