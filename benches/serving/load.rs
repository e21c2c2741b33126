//! The load: threads with a connection each, in a closed loop (each sends again as soon as it is answered) or an open one
//! (requests are sent on time whether or not the earlier ones were answered, and the wait is counted from when they were due).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// A whole HTTP request.
pub type Request = Vec<u8>;

/// How requests are sent.
pub struct Plan {
    connections: usize,
    /// Requests per second of the open loop.
    rate: Option<f64>,
    duration: Duration,
}

impl Plan {
    pub fn closed(connections: usize, duration: Duration) -> Self {
        Self { connections, rate: None, duration }
    }

    pub fn open(connections: usize, rate: f64, duration: Duration) -> Self {
        Self { connections, rate: Some(rate), duration }
    }
}

/// The result of a load.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Seconds each request waited, rising.
    waits: Vec<f64>,
    pub errors: usize,
    seconds: f64,
}

impl Outcome {
    /// Returns the milliseconds within which a share of the requests was answered.
    pub fn milliseconds(&self, share: f64) -> f64 {
        let last = self.waits.len().saturating_sub(1);
        self.waits.get((last as f64 * share).round() as usize).map_or(f64::NAN, |seconds| seconds * 1e3)
    }

    /// Returns the number of requests that succeeded.
    pub fn count(&self) -> usize {
        self.waits.len()
    }

    /// Adds the requests of another run.
    pub fn extend(&mut self, other: Self) {
        self.waits.extend(other.waits);
        self.waits.sort_unstable_by(f64::total_cmp);
        self.errors += other.errors;
        self.seconds += other.seconds;
    }

    pub fn per_second(&self) -> f64 {
        self.waits.len() as f64 / self.seconds
    }
}

/// Sends requests as planned, repeating them in order.
pub fn run(address: &str, requests: &[Request], plan: &Plan) -> anyhow::Result<Outcome> {
    let (next, start) = (AtomicUsize::new(0), Instant::now());
    let parts: Vec<anyhow::Result<Outcome>> = std::thread::scope(|scope| {
        let ask = || one_connection(address, requests, plan, &next, start);
        let threads: Vec<_> = (0..plan.connections).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("a thread of the load stopped"))).collect()
    });
    let mut whole = Outcome { seconds: start.elapsed().as_secs_f64(), ..Outcome::default() };
    for part in parts {
        let part = part?;
        whole.errors += part.errors;
        whole.waits.extend(part.waits);
    }
    whole.waits.sort_unstable_by(f64::total_cmp);
    Ok(whole)
}

fn one_connection(
    address: &str,
    requests: &[Request],
    plan: &Plan,
    next: &AtomicUsize,
    start: Instant,
) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut connection = connect(address)?;
    let mut buffer = vec![0u8; 1 << 20];
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let due = match plan.rate {
            Some(rate) => start + Duration::from_secs_f64(number as f64 / rate),
            None => Instant::now(),
        };
        if due.duration_since(start) >= plan.duration {
            return Ok(outcome);
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        match ask(&mut connection, &requests[number % requests.len()], &mut buffer) {
            Ok(200 | 201) => outcome.waits.push(due.elapsed().as_secs_f64()),
            Ok(_) => outcome.errors += 1,
            Err(_) => {
                outcome.errors += 1;
                connection = connect(address)?;
            }
        }
    }
}

fn connect(address: &str) -> anyhow::Result<TcpStream> {
    let connection = TcpStream::connect(address).with_context(|| format!("{address} does not answer"))?;
    connection.set_nodelay(true)?;
    connection.set_read_timeout(Some(Duration::from_secs(10)))?;
    Ok(connection)
}

/// Sends one request, reads its response to the end, and returns the status.
fn ask(connection: &mut TcpStream, request: &[u8], buffer: &mut [u8]) -> anyhow::Result<u16> {
    connection.write_all(request)?;
    let mut filled = 0;
    loop {
        let read = connection.read(&mut buffer[filled..])?;
        if read == 0 {
            bail!("the connection was closed");
        }
        filled += read;
        if let Some((status, length)) = whole_length(&buffer[..filled])?
            && filled >= length
        {
            return Ok(status);
        }
    }
}

/// Returns status and length in bytes of the response, once its head is there.
fn whole_length(bytes: &[u8]) -> anyhow::Result<Option<(u16, usize)>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end])?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).context("there is no status")?;
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let length: usize = length.context("the answer does not say its length")?;
    Ok(Some((status, end + 4 + length)))
}
