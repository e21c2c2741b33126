//! The HTTP API, asked as its clients ask it.

mod accounts;
mod api_keys;
mod configs;
mod contract_data;
mod datasets;
mod deletions;
mod inference;
mod isolation;
mod item_metadata;
mod models;
mod projects;
mod trained;
mod tuning;
mod weights;
