//! How many events are accepted while predictions are answered at the same time: `make bench-events`.

use std::time::Duration;

use anyhow::ensure;

use super::load::{self, Outcome, Plan, Request};
use super::setup::Shop;

/// Predictions per second, with and without events.
const PREDICTIONS: f64 = 500.0;
/// Events per second that have to be accepted.
const EVENTS: f64 = 5_000.0;
const BATCH: usize = 100;
const LARGE_BATCH: usize = 1_000;
/// The largest number of connections for predictions.
const CONNECTIONS: usize = 32;
/// Connections of the programs that report events; an event is only answered once it is on the disk.
const REPORTERS: usize = 128;

/// Measures, and prints the table of docs/benchmarks.md.
pub fn measure(shop: &Shop, duration: Duration) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    println!("{PREDICTIONS} predictions/s beside the events; {cores} cores for server, database and load together\n");
    let predictions = shop.singles();
    let predict = || load::run(&shop.address, &predictions, &Plan::open(CONNECTIONS, PREDICTIONS, duration));
    load::run(&shop.address, &predictions, &Plan::closed(CONNECTIONS, Duration::from_secs(2)))?;
    load::run(&shop.address, &shop.events(1, 10_000, "warm"), &Plan::open(REPORTERS, EVENTS, Duration::from_secs(2)))?;

    println!("| events | taken per second | their wait | predictions beside them | errors |\n|---|---|---|---|---|");
    println!("| none | | | {} | |", waits(&predict()?));
    let many = (EVENTS * duration.as_secs_f64()) as usize;
    let at_rate = |size: usize| Plan::open(REPORTERS, EVENTS / size as f64, duration);
    let closed = || Plan::closed(REPORTERS, duration);
    let cases = [
        ("one by one, 5,000/s".to_owned(), 1, shop.events(1, many, "one"), at_rate(1)),
        (format!("batches of {BATCH}, 5,000/s"), BATCH, shop.events(BATCH, many, "batch"), at_rate(BATCH)),
        ("one by one, as many as it takes".to_owned(), 1, shop.events(1, 20_000, ""), closed()),
        (format!("batches of {LARGE_BATCH}, as many as it takes"), LARGE_BATCH, shop.events(LARGE_BATCH, 100_000, ""), closed()),
    ];
    for (what, size, requests, plan) in cases {
        let before = shop.stored_events()?;
        let (events, beside) = beside(|| load::run(&shop.address, &requests, &plan), predict)?;
        let taken = events.count() * size;
        let stored = usize::try_from(shop.stored_events()? - before)?;
        ensure!(stored == taken, "{taken} events were acknowledged, but {stored} are stored");
        let (per_second, errors) = (events.per_second() * size as f64, events.errors + beside.errors);
        println!("| {what} | {per_second:.0} | {} | {} | {errors} |", waits(&events), waits(&beside));
    }
    Ok(())
}

/// Runs two loads at the same time.
fn beside(
    one: impl FnOnce() -> anyhow::Result<Outcome> + Send,
    other: impl FnOnce() -> anyhow::Result<Outcome> + Send,
) -> anyhow::Result<(Outcome, Outcome)> {
    std::thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        let one = one.join().unwrap_or_else(|_| anyhow::bail!("the load stopped"));
        Ok((one?, other?))
    })
}

fn waits(outcome: &Outcome) -> String {
    format!("p50 {:.2} ms, p99 {:.2} ms", outcome.milliseconds(0.5), outcome.milliseconds(0.99))
}

/// Returns the body of one event, or of a batch; `name` is the prefix of the client's ids, which are left out when it is empty.
pub fn body(project: i64, slot: i64, users: &[String], numbers: std::ops::Range<usize>, name: &str) -> serde_json::Value {
    let event = |number: usize| {
        let user = &users[number % users.len()];
        let request = uuid::Uuid::from_u128(number as u128 + 1);
        let id = (!name.is_empty()).then(|| format!("{name}-{number}"));
        serde_json::json!({ "project": project, "deployment_slot": slot, "user_id": user, "item_id": (number % 40_000).to_string(),
            "event_type": if number.is_multiple_of(10) { "click" } else { "impression" }, "recommendation_request_id": request,
            "event_id": id })
    };
    if numbers.len() == 1 {
        event(numbers.start)
    } else {
        serde_json::json!({ "events": numbers.map(event).collect::<Vec<_>>() })
    }
}

/// Returns a whole request with a body.
pub fn request(address: &str, key: &str, path: &str, body: &serde_json::Value) -> Request {
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}
