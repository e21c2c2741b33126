//! Rows on their way into a file: limits, progress, and stopping.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use recotem_tabular::Stop;

use super::answers::{PullLimits, Pulled};
use super::error::ConnectorError;
use super::output::PackedOutput;

/// How often a reader that waits looks whether it is stopped.
const TICK: Duration = Duration::from_millis(250);

/// Reports progress after this many bytes.
const REPORTED: u64 = 256 << 10;

/// What a pull is given beside its query.
pub struct Task<'a> {
    pub limits: &'a PullLimits,
    pub progress: &'a (dyn Fn(u64, u64) + Send + Sync),
    pub stop: &'a Stop,
}

impl Task<'_> {
    /// Waits for something, no longer than `limit`, until it is stopped.
    pub async fn unless_stopped<T>(&self, limit: Option<Duration>, work: impl Future<Output = T>) -> Result<T, ConnectorError> {
        let mut work = pin!(work);
        let mut waited = Duration::ZERO;
        loop {
            if self.stop.is_stopped() {
                return Err(ConnectorError::Stopped);
            }
            match tokio::time::timeout(TICK, &mut work).await {
                Ok(done) => return Ok(done),
                Err(_) => waited += TICK,
            }
            if let Some(limit) = limit.filter(|limit| waited >= *limit) {
                return Err(ConnectorError::TimedOut(limit.as_secs()));
            }
        }
    }
}

/// Writes rows of CSV within the limits of a task.
pub struct RowWriter<'a> {
    task: &'a Task<'a>,
    output: &'a mut PackedOutput,
    pulled: Pulled,
    reported: u64,
}

impl<'a> RowWriter<'a> {
    pub fn new(task: &'a Task<'a>, output: &'a mut PackedOutput) -> Self {
        Self { task, output, pulled: Pulled::default(), reported: 0 }
    }

    /// Returns the rows so far.
    pub fn rows(&self) -> u64 {
        self.pulled.rows
    }

    /// Writes the names of the columns.
    pub async fn header(&mut self, line: &[u8]) -> Result<(), ConnectorError> {
        self.count(line)?;
        self.output.write(line).await
    }

    /// Writes a row whose longest cell has so many bytes, unless that is too long.
    pub async fn row(&mut self, line: &[u8], longest: usize) -> Result<(), ConnectorError> {
        self.count(line)?;
        if longest > self.task.limits.max_cell {
            self.pulled.rejected += 1;
            return Ok(());
        }
        self.pulled.rows += 1;
        self.output.write(line).await
    }

    /// Ends the rows.
    pub fn finish(self) -> Pulled {
        (self.task.progress)(self.pulled.rows, self.pulled.bytes);
        self.pulled
    }

    fn count(&mut self, line: &[u8]) -> Result<(), ConnectorError> {
        let limit = self.task.limits.max_bytes;
        self.pulled.bytes += line.len() as u64;
        if self.pulled.bytes > limit {
            return Err(ConnectorError::TooLarge { what: "the rows of the source", limit });
        }
        if self.pulled.bytes - self.reported >= REPORTED {
            self.reported = self.pulled.bytes;
            (self.task.progress)(self.pulled.rows, self.pulled.bytes);
        }
        Ok(())
    }
}

/// Adds a cell of CSV. Nothing stands for null, and a pair of quotes for an empty text, as PostgreSQL writes it.
pub fn push_cell(line: &mut Vec<u8>, at: usize, text: Option<&[u8]>) {
    if at > 0 {
        line.push(b',');
    }
    let Some(text) = text else { return };
    if !text.is_empty() && !text.iter().any(|byte| matches!(byte, b'"' | b',' | b'\n' | b'\r')) {
        line.extend_from_slice(text);
        return;
    }
    line.push(b'"');
    for byte in text {
        if *byte == b'"' {
            line.push(b'"');
        }
        line.push(*byte);
    }
    line.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_have_to_be() {
        let mut line = Vec::new();
        for (at, text) in [Some("a b"), None, Some(""), Some("c,\"d\""), Some("e\nf")].into_iter().enumerate() {
            push_cell(&mut line, at, text.map(str::as_bytes));
        }
        assert_eq!(String::from_utf8(line).unwrap(), "a b,,\"\",\"c,\"\"d\"\"\",\"e\nf\"");
    }

    #[tokio::test]
    async fn waiting_ends_when_it_is_stopped() {
        let (stop, limits) = (Stop::default(), PullLimits::default());
        let task = Task { limits: &limits, progress: &|_, _| {}, stop: &stop };
        assert_eq!(task.unless_stopped(None, async { 7 }).await.unwrap(), 7);
        stop.stop();
        assert_eq!(task.unless_stopped(None, std::future::pending::<()>()).await.unwrap_err().code(), "stopped");
    }
}
