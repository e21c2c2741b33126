//! The speed of predictions, compared with a bare echo of the same web framework in the same run: `make bench-serving`; and the
//! number of events accepted meanwhile: `make bench-events`.
//!
//! Starts the program itself on data of its own, trains iALS with 64 factors on the interactions of the given file, and sends
//! requests as a shop would: over HTTP, with a key, for ten items that the user has not seen. Prints the table of
//! docs/benchmarks.md.

#![allow(clippy::disallowed_methods, reason = "a benchmark measures durations")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may end by a panic")]

mod echo;
mod events;
mod load;
mod report;
mod setup;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use self::load::{Outcome, Plan, Request};
use self::report::Report;
use self::setup::Shop;

/// Connections kept open by the closed loop.
const CLOSED_CONNECTIONS: usize = 16;
/// The largest number of connections of the open loop.
const OPEN_CONNECTIONS: usize = 32;
const OPEN_RATE: f64 = 1_000.0;
const BATCH: usize = 100;
/// Turns in which two loads are compared.
const TURNS: u32 = 5;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.as_slice() {
        [echo] if echo == "--echo" => echo::run(),
        [what, binary, interactions, rest @ ..] if what == "--events" => {
            let seconds = rest.first().map_or(Ok(10), |text| text.parse())?;
            let shop = Shop::open(binary.as_ref(), interactions.as_ref()).context("the server could not be set up")?;
            events::measure(&shop, Duration::from_secs(seconds))
        }
        [binary, interactions, rest @ ..] => {
            let seconds = rest.first().map_or(Ok(10), |text| text.parse())?;
            measure(binary.into(), interactions.into(), Duration::from_secs(seconds))
        }
        // `cargo test --benches` gets here: measurements run only on request.
        _ => {
            println!("usage: serving [--events] BINARY INTERACTIONS.csv.gz [SECONDS]");
            Ok(())
        }
    }
}

fn measure(binary: PathBuf, interactions: PathBuf, duration: Duration) -> anyhow::Result<()> {
    let shop = Shop::open(&binary, &interactions).context("the server could not be set up")?;
    let echo = echo::Echo::start()?;
    let mut report = Report::new(&shop);
    let singles = shop.singles();
    let closed = |address: &str, requests: &[Request]| load::run(address, requests, &Plan::closed(CLOSED_CONNECTIONS, duration));
    let open =
        |address: &str, requests: &[Request]| load::run(address, requests, &Plan::open(OPEN_CONNECTIONS, OPEN_RATE, duration));

    // The first seconds warm up caches and branch predictors, of both.
    load::run(&shop.address, &singles, &Plan::closed(CLOSED_CONNECTIONS, Duration::from_secs(2)))?;
    load::run(&echo.address, &singles, &Plan::closed(CLOSED_CONNECTIONS, Duration::from_secs(1)))?;
    report.open("1,000 requests/s", &open(&shop.address, &singles)?, &open(&echo.address, &singles)?);
    report.closed("as many as it takes", &closed(&shop.address, &singles)?, &closed(&echo.address, &singles)?);
    measure_app(&shop, &echo.address, duration, &mut report)?;
    report.batch(BATCH, &closed(&shop.address, &shop.batches(BATCH))?);
    let swapping = shop.swap_while(|| open(&shop.address, &singles))?;
    report.swap(&swapping);
    report.memory(shop.resident_bytes()?, shop.artifact_bytes);
    let (shadowed, compared) = shop.shadow_while(|| open(&shop.address, &singles))?;
    report.shadow(&shadowed, compared);
    print!("{report}");
    Ok(())
}

/// Compares predictions with the key of an app whose webhook is sent every list with those of a key without: in turns, so that what
/// else the machine does falls on both.
fn measure_app(shop: &Shop, receiver: &str, duration: Duration, report: &mut Report) -> anyhow::Result<()> {
    let (plain, of_app) = (shop.singles(), shop.singles_of_app(receiver)?);
    let plan = Plan::closed(CLOSED_CONNECTIONS, duration / TURNS);
    let (mut without, mut with) = (Outcome::default(), Outcome::default());
    for _ in 0..TURNS {
        without.extend(load::run(&shop.address, &plain, &plan)?);
        with.extend(load::run(&shop.address, &of_app, &plan)?);
    }
    report.app(&with, &without);
    Ok(())
}
