//! Technical capabilities that know nothing of recommenders.

pub mod blobs;
pub mod clock;
pub mod config;
pub mod db;
pub mod embedded_postgres;
pub mod http;
pub mod mail;
pub mod queue;
pub mod services;
pub mod tabular;
pub mod telemetry;
