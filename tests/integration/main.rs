//! Tests against a real PostgreSQL, started by the program's own supervisor. One binary, so that the
//! server is started and the migrations are run once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

mod commands;
mod connectors;
mod db;
mod embedded_postgres;
mod http;
mod outbox;
mod processes;
mod queue;
mod support;
