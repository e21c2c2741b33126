//! Tests against a real PostgreSQL, started by the program's own supervisor. One binary, so that the
//! server is started and the migrations are run once.

mod commands;
mod db;
mod embedded_postgres;
mod http;
mod processes;
mod queue;
mod support;
