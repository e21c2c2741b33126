//! How many webhook messages are delivered a second to a receiver on this machine, and how long after an event the first attempt
//! is made: `make bench-webhooks`.
//!
//! Starts the program itself on data of its own. Messages are sent on request and then replayed, so that all of them are due at
//! once; events are changes of a slot.

#![allow(clippy::disallowed_methods, reason = "a benchmark measures durations")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may end by a panic")]

mod receiver;
mod server;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use self::receiver::Receiver;
use self::server::Server;

/// Messages of each endpoint.
const MESSAGES: u64 = 2_000;
const EVENTS: usize = 300;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.as_slice() {
        [binary] => measure(&PathBuf::from(binary)),
        // `cargo test --benches` gets here: measurements run only on request.
        _ => {
            println!("usage: webhooks BINARY");
            Ok(())
        }
    }
}

fn measure(binary: &std::path::Path) -> anyhow::Result<()> {
    let receiver = Receiver::start()?;
    let server = Server::start(binary)?;
    let (project, slot) = server.project_with_slot()?;
    println!("| load | figure |\n|---|---|");
    let mut endpoints = vec![server.endpoint(project, &receiver.url, "webhook.disabled")?];
    println!("| one webhook, {MESSAGES} messages due at once | {:.0}/s |", replayed(&server, &receiver, &endpoints)?);
    for _ in 1..4 {
        endpoints.push(server.endpoint(project, &receiver.url, "webhook.disabled")?);
    }
    println!("| four webhooks, {MESSAGES} messages each | {:.0}/s |", replayed(&server, &receiver, &endpoints)?);
    server.endpoint(project, &receiver.url, "slot.changed")?;
    let mut waits = Vec::with_capacity(EVENTS);
    for event in 0..EVENTS {
        let before = receiver.count();
        server.patch(&format!("deployment_slot/{slot}/"), json!({ "weight": 1 + event % 100 }))?;
        let committed = Instant::now();
        receiver.wait_for(before + 1)?;
        waits.push(committed.elapsed());
    }
    waits.sort_unstable();
    let milliseconds = |share: f64| waits[(share * (EVENTS - 1) as f64) as usize].as_secs_f64() * 1_000.0;
    println!("| from an event to its first attempt | p50 {:.1} ms, p99 {:.1} ms |", milliseconds(0.5), milliseconds(0.99));
    Ok(())
}

/// Returns how many messages a second were delivered when all of these endpoints had some that were due.
fn replayed(server: &Server, receiver: &Receiver, endpoints: &[i64]) -> anyhow::Result<f64> {
    for endpoint in endpoints {
        let have = server.get(&format!("webhook_endpoint/{endpoint}/messages/?page_size=1"))?["count"].as_u64().unwrap_or(0);
        let before = receiver.count();
        for _ in have..MESSAGES {
            server.post(&format!("webhook_endpoint/{endpoint}/test/"), json!({}))?;
        }
        receiver.wait_for(before + (MESSAGES - have))?;
    }
    // What became of the last ones is written a moment after they arrived.
    std::thread::sleep(Duration::from_secs(2));
    let before = receiver.count();
    let start = Instant::now();
    for endpoint in endpoints {
        server.post(&format!("webhook_endpoint/{endpoint}/replay/"), json!({ "since": "2000-01-01" }))?;
    }
    let messages = MESSAGES * endpoints.len() as u64;
    receiver.wait_for(before + messages)?;
    Ok(messages as f64 / start.elapsed().as_secs_f64())
}
