//! Logging: structured, with the request id on every line of a request, and never a secret.

use std::fmt::Write;
use std::io::IsTerminal;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use super::config::Settings;
use super::http::connections;

/// Log target of the HTTP library's connection errors.
const CONNECTIONS: &str = "actix_http::h1::dispatcher";
/// Prefixes of its messages about faults of the client.
const OF_CLIENTS: [&str; 4] = [
    "stream error: request parse error",
    "stream error: I/O error",
    "stream error: handler dropped payload",
    "stream error: request did not complete",
];

/// Starts logging to standard error. A second call does nothing, so tests may start several servers.
pub fn start(settings: &Settings) {
    let filter = EnvFilter::try_new(&settings.log_level).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false).with_ansi(std::io::stderr().is_terminal());
    let subscriber = tracing_subscriber::registry().with(filter).with(ClientFaults);
    let started =
        if settings.log_format == "json" { subscriber.with(lines.json()).try_init() } else { subscriber.with(lines).try_init() };
    if started.is_err() {
        tracing::debug!("logging had been started before");
    }
}

/// A layer that logs requests that cannot be read at debug level, where the HTTP library reports errors: any client can send
/// any number of them.
struct ClientFaults;

impl<S: Subscriber> Layer<S> for ClientFaults {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() != Level::ERROR || metadata.target() != CONNECTIONS {
            return true;
        }
        let mut message = Message::default();
        event.record(&mut message);
        if !OF_CLIENTS.iter().any(|sign| message.0.starts_with(sign)) {
            return true;
        }
        let address = connections::peer().map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
        tracing::debug!(address, cause = message.0, "a request could not be read");
        false
    }
}

#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            // Writing to a text cannot fail.
            let _ = write!(self.0, "{value:?}");
        }
    }
}
