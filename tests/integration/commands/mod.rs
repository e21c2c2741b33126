//! The commands other than `serve`, run as an operator runs them.

mod data_and_documents;
mod databases;
mod environment;
mod projects;
mod users;
