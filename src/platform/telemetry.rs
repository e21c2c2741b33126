//! Logging: structured, with the request id on every line of a request, and never a secret.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use super::config::Settings;

/// Starts logging to standard error. A second call does nothing, so tests may start several servers.
pub fn start(settings: &Settings) {
    let filter = EnvFilter::try_new(&settings.log_level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let builder = builder.with_ansi(std::io::stderr().is_terminal());
    let started = if settings.log_format == "json" { builder.json().try_init() } else { builder.try_init() };
    if started.is_err() {
        tracing::debug!("logging had been started before");
    }
}
