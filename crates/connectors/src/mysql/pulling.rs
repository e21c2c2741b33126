//! Rows into a file, one by one.

use std::io::Write;

use chrono::NaiveDateTime;
use chrono_tz::Tz;
use mysql_async::consts::ColumnType;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Column, QueryResult, TextProtocol, Value};

use super::super::answers::Pulled;
use super::super::bounds::moment_of;
use super::super::error::ConnectorError;
use super::super::output::PackedOutput;
use super::super::query::Query;
use super::super::rows::{RowWriter, Task, push_cell};
use super::super::window::Window;
use super::Mysql;
use super::faults::in_words;
use super::session::Session;

impl Mysql {
    pub async fn pull(
        &self,
        query: &Query,
        window: Option<Window>,
        into: Box<dyn Write + Send>,
        task: &Task<'_>,
    ) -> Result<Pulled, ConnectorError> {
        let mut session = self.begin(task.limits.statement).await?;
        let id = session.connection()?.id();
        let pulled = self.pull_in(&mut session, query, window, into, task).await;
        if pulled.is_err() {
            self.cancel(id).await;
        }
        pulled
    }

    async fn pull_in(
        &self,
        session: &mut Session,
        query: &Query,
        window: Option<Window>,
        into: Box<dyn Write + Send>,
        task: &Task<'_>,
    ) -> Result<Pulled, ConnectorError> {
        let prepared = self.prepare(session, query).await?;
        let (sql, nulls) = prepared.statements(query, |statements| {
            Ok::<_, ConnectorError>((statements.select(window, task.limits.max_rows)?, statements.count_nulls()?))
        })?;
        let null_cursors = match nulls {
            Some(nulls) => {
                task.unless_stopped(None, session.first::<u64>(&nulls, task.limits.statement)).await??.unwrap_or_default()
            }
            None => 0,
        };
        let begun = task.unless_stopped(None, session.connection()?.query_iter(sql)).await?;
        let mut rows = begun.map_err(|error| in_words(&error))?;
        let mut output = PackedOutput::start(into);
        let mut pulled = self.write(&mut rows, task, &mut output).await?;
        pulled.packed_bytes = output.finish().await?;
        Ok(Pulled { null_cursors, ..pulled })
    }

    async fn write(
        &self,
        rows: &mut QueryResult<'_, 'static, TextProtocol>,
        task: &Task<'_>,
        output: &mut PackedOutput,
    ) -> Result<Pulled, ConnectorError> {
        let columns = rows.columns_ref().to_vec();
        let zones: Vec<Option<Tz>> = columns.iter().map(|column| self.settings.zone().filter(|_| is_local(column))).collect();
        let mut writer = RowWriter::new(task, output);
        let mut line = Vec::new();
        for (at, column) in columns.iter().enumerate() {
            push_cell(&mut line, at, Some(column.name_ref()));
        }
        line.push(b'\n');
        writer.header(&line).await?;
        loop {
            let idle = (writer.rows() > 0).then_some(task.limits.idle);
            let row = task.unless_stopped(idle, rows.next()).await?.map_err(|error| in_words(&error))?;
            let Some(row) = row else { break };
            let longest = write_line(&mut line, row.unwrap(), &zones);
            writer.row(&line, longest).await?;
        }
        Ok(writer.finish())
    }
}

fn is_local(column: &Column) -> bool {
    matches!(column.column_type(), ColumnType::MYSQL_TYPE_DATETIME | ColumnType::MYSQL_TYPE_DATETIME2)
}

/// Writes the values of a row as CSV. Returns the bytes of the longest one.
fn write_line(line: &mut Vec<u8>, values: Vec<Value>, zones: &[Option<Tz>]) -> usize {
    line.clear();
    let mut longest = 0;
    for (at, (value, zone)) in values.into_iter().zip(zones).enumerate() {
        let text = match value {
            Value::NULL => None,
            Value::Bytes(bytes) => Some(bytes),
            other => Some(other.as_sql(true).trim_matches('\'').as_bytes().to_vec()),
        };
        let text = match zone {
            Some(zone) => text.map(|text| in_utc(&text, *zone).unwrap_or(text)),
            None => text,
        };
        longest = longest.max(text.as_ref().map_or(0, Vec::len));
        push_cell(line, at, text.as_deref());
    }
    line.push(b'\n');
    longest
}

/// Returns a local time as text in UTC; `None` if it is none, such as MySQL's zero date.
fn in_utc(text: &[u8], zone: Tz) -> Option<Vec<u8>> {
    let local = NaiveDateTime::parse_from_str(std::str::from_utf8(text).ok()?, "%Y-%m-%d %H:%M:%S%.f").ok()?;
    Some(moment_of(local, zone)?.format("%Y-%m-%d %H:%M:%S%.f+00").to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_csv_and_local_times_in_utc() {
        let mut line = Vec::new();
        let bytes = |text: &str| Value::Bytes(text.as_bytes().to_vec());
        let values = vec![bytes("a\"b"), Value::NULL, bytes(""), bytes("2026-10-25 02:30:00.5"), bytes("0000-00-00 00:00:00")];
        let zone = Some(Tz::Europe__Berlin);
        assert_eq!(write_line(&mut line, values, &[None, None, None, zone, zone]), 26);
        assert_eq!(String::from_utf8(line).unwrap(), "\"a\"\"b\",,\"\",2026-10-25 01:30:00.500+00,0000-00-00 00:00:00\n");
    }
}
