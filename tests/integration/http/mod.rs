//! The HTTP API, asked as its clients ask it.

mod accounts;
mod api_keys;
mod concurrency;
mod configs;
mod contract_docs;
mod contract_global;
mod contract_limits;
mod contract_pages;
mod datasets;
mod inference;
mod isolation;
mod models;
mod projects;
mod trained;
mod tuning;
mod weights;
