//! Technical capabilities that do not depend on recommenders.

pub mod blobs;
pub mod children;
pub mod clock;
pub mod compute;
pub mod computing;
pub mod config;
pub mod db;
pub mod disk;
pub mod embedded_postgres;
pub mod http;
pub mod known;
pub mod mail;
pub mod memory;
pub mod nearest;
pub mod open_files;
pub mod outbound;
pub mod outbox;
pub mod places;
pub mod private;
pub mod queue;
pub mod services;
pub mod shares;
pub use recotem_tabular as tabular;
pub mod telemetry;
pub mod vault;
pub mod whole_file;
pub mod words;
