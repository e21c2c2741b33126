//! The HTTP API, asked as its clients ask it.

mod ab_tests;
mod accounts;
mod api_keys;
mod configs;
mod datasets;
mod events;
mod inference;
mod isolation;
mod models;
mod projects;
mod retraining;
mod slots;
mod trained;
mod tuning;
mod weights;
