//! The HTTP API, asked as its clients ask it.

mod accounts;
mod api_keys;
mod audit;
mod configs;
mod datasets;
mod inference;
mod invitations;
mod isolation;
mod log_ins;
mod models;
mod organisations;
mod passwords;
mod projects;
mod sessions;
mod trained;
mod tuning;
mod users;
mod weights;
