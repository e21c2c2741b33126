//! Rows into a file, by `COPY`.

use std::io::Write;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use recotem_tabular::Stop;
use tokio_postgres::CopyOutStream;

use super::super::answers::{PullLimits, Pulled};
use super::super::error::ConnectorError;
use super::super::output::PackedOutput;
use super::super::query::Query;
use super::super::window::Window;
use super::Postgresql;
use super::faults::in_words;
use super::session::{Session, within};

/// Rows that are taken from the connection at once.
const BATCH: usize = 1_000;

/// How often a reader that waits for rows looks whether it is stopped.
const TICK: Duration = Duration::from_millis(250);

/// Reports progress after this many bytes.
const REPORTED: u64 = 256 << 10;

/// What a pull is given.
struct Task<'a> {
    limits: &'a PullLimits,
    progress: &'a (dyn Fn(u64, u64) + Send + Sync),
    stop: &'a Stop,
}

impl Postgresql {
    pub async fn pull(
        &self,
        query: &Query,
        window: Option<Window>,
        into: Box<dyn Write + Send>,
        limits: &PullLimits,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
        stop: &Stop,
    ) -> Result<Pulled, ConnectorError> {
        let session = self.begin(limits.statement).await?;
        let pulled = self.pull_in(&session, query, window, into, &Task { limits, progress, stop }).await;
        if pulled.is_err() {
            self.cancel(&session).await;
        }
        pulled
    }

    async fn pull_in(
        &self,
        session: &Session,
        query: &Query,
        window: Option<Window>,
        into: Box<dyn Write + Send>,
        task: &Task<'_>,
    ) -> Result<Pulled, ConnectorError> {
        let prepared = session.prepare(query, self.clock()).await?;
        let (sql, nulls) = prepared.statements(query, |statements| {
            Ok::<_, ConnectorError>((statements.select(window, task.limits.max_rows)?, statements.count_nulls()?))
        })?;
        let nulls = match nulls {
            Some(nulls) => session.number(&nulls, task.limits.statement).await?.unwrap_or_default(),
            None => 0,
        };
        let copy = format!("COPY ({sql}) TO STDOUT (FORMAT csv, HEADER)");
        let rows = within(task.limits.statement, session.client.copy_out(&copy)).await?;
        let mut output = PackedOutput::start(into);
        let mut pulled = task.write(rows, &mut output).await?;
        pulled.packed_bytes = output.finish().await?;
        pulled.null_cursors = u64::try_from(nulls).unwrap_or_default();
        Ok(pulled)
    }
}

impl Task<'_> {
    async fn write(&self, rows: CopyOutStream, output: &mut PackedOutput) -> Result<Pulled, ConnectorError> {
        let mut batches = pin!(rows.ready_chunks(BATCH));
        let mut pulled = Pulled::default();
        let (mut idle, mut is_header, mut reported) = (Duration::ZERO, true, 0);
        loop {
            if self.stop.is_stopped() {
                return Err(ConnectorError::Stopped);
            }
            let batch = match tokio::time::timeout(TICK, batches.next()).await {
                Ok(Some(batch)) => batch,
                Ok(None) => break,
                Err(_) if pulled.rows > 0 && idle >= self.limits.idle => {
                    return Err(ConnectorError::TimedOut(self.limits.idle.as_secs()));
                }
                Err(_) => {
                    idle += TICK;
                    continue;
                }
            };
            idle = Duration::ZERO;
            for row in batch {
                let row = row.map_err(|error| in_words(&error))?;
                self.write_row(&row, std::mem::take(&mut is_header), &mut pulled, output).await?;
            }
            if pulled.bytes - reported >= REPORTED {
                reported = pulled.bytes;
                (self.progress)(pulled.rows, pulled.bytes);
            }
        }
        (self.progress)(pulled.rows, pulled.bytes);
        Ok(pulled)
    }

    /// Writes a row: PostgreSQL sends one in each message.
    async fn write_row(
        &self,
        row: &[u8],
        is_header: bool,
        pulled: &mut Pulled,
        output: &mut PackedOutput,
    ) -> Result<(), ConnectorError> {
        pulled.bytes += row.len() as u64;
        if pulled.bytes > self.limits.max_bytes {
            return Err(ConnectorError::TooLarge { what: "the rows of the source", limit: self.limits.max_bytes });
        }
        if !is_header {
            if row.len() > self.limits.max_cell && longest_cell(row) > self.limits.max_cell {
                pulled.rejected += 1;
                return Ok(());
            }
            pulled.rows += 1;
        }
        output.write(row).await
    }
}

/// Returns the bytes of the longest cell of a row of CSV, with its quotes.
fn longest_cell(row: &[u8]) -> usize {
    let (mut longest, mut length, mut is_quoted) = (0, 0, false);
    for byte in row {
        match byte {
            b',' | b'\n' if !is_quoted => length = 0,
            _ => length += 1,
        }
        is_quoted ^= *byte == b'"';
        longest = longest.max(length);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_cell_is_found() {
        assert_eq!(longest_cell(b"a,bcd,ef\n"), 3);
        assert_eq!(longest_cell(b"a,\"b,\"\"\n,d\",ef\n"), 9);
        assert_eq!(longest_cell(b"\n"), 0);
    }
}
