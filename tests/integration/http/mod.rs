//! The HTTP API, asked as its clients ask it.

mod ab_tests;
mod accounts;
mod api_keys;
mod barriers;
mod concurrency;
mod configs;
mod contract_data;
mod contract_docs;
mod contract_global;
mod contract_limits;
mod contract_pages;
mod datasets;
mod deletions;
mod events;
mod inference;
mod isolation;
mod item_metadata;
mod live;
mod models;
mod projects;
mod retraining;
mod serving;
mod slots;
mod trained;
mod tuning;
mod weights;
