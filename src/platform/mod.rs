//! Technical capabilities that know nothing of recommenders: clock, database, private PostgreSQL, job queue.

pub mod clock;
pub mod db;
pub mod embedded_postgres;
