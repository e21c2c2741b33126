//! Rows into a file, by `COPY`.

use std::io::Write;
use std::pin::pin;

use futures_util::StreamExt as _;
use tokio_postgres::CopyOutStream;

use super::super::answers::Pulled;
use super::super::error::ConnectorError;
use super::super::output::PackedOutput;
use super::super::query::Query;
use super::super::rows::{RowWriter, Task};
use super::super::window::Window;
use super::Postgresql;
use super::session::Session;

/// Rows that are taken from the connection at once.
const BATCH: usize = 1_000;

impl Postgresql {
    pub async fn pull(
        &self,
        query: &Query,
        window: Option<Window>,
        into: Box<dyn Write + Send>,
        task: &Task<'_>,
    ) -> Result<Pulled, ConnectorError> {
        let session = self.begin(task.limits.statement).await?;
        let pulled = self.pull_in(&session, query, window, into, task).await;
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
        let prepared = session.prepare(query, self.settings.zone()).await?;
        let (sql, nulls) = prepared.statements(query, |statements| {
            Ok::<_, ConnectorError>((statements.select(window, task.limits.max_rows)?, statements.count_nulls()?))
        })?;
        let nulls = match nulls {
            Some(nulls) => task.unless_stopped(None, session.number(&nulls, task.limits.statement)).await??,
            None => None,
        };
        let copy = format!("COPY ({sql}) TO STDOUT (FORMAT csv, HEADER)");
        let rows = task.unless_stopped(None, session.client.copy_out(&copy)).await?.map_err(|error| session.in_words(&error))?;
        let mut output = PackedOutput::start(into);
        let mut pulled = write(session, rows, task, &mut output).await?;
        pulled.packed_bytes = output.finish().await?;
        pulled.null_cursors = nulls.and_then(|nulls| u64::try_from(nulls).ok()).unwrap_or_default();
        Ok(pulled)
    }
}

/// Writes the rows as they arrive: PostgreSQL sends one in each message, and the header before them.
async fn write(
    session: &Session,
    rows: CopyOutStream,
    task: &Task<'_>,
    output: &mut PackedOutput,
) -> Result<Pulled, ConnectorError> {
    let mut batches = pin!(rows.ready_chunks(BATCH));
    let mut writer = RowWriter::new(task, output);
    let mut is_header = true;
    loop {
        let idle = (writer.rows() > 0).then_some(task.limits.idle);
        let Some(batch) = task.unless_stopped(idle, batches.next()).await? else { break };
        for row in batch {
            let row = row.map_err(|error| session.in_words(&error))?;
            if std::mem::take(&mut is_header) {
                writer.header(&row).await?;
            } else {
                let may_be_long = row.len() > task.limits.max_cell;
                writer.row(&row, if may_be_long { longest_cell(&row) } else { 0 }).await?;
            }
        }
    }
    Ok(writer.finish())
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
