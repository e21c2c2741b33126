//! Samples, counts and estimates.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tokio_postgres::types::Type;
use tokio_postgres::{Column, SimpleQueryMessage, Statement};

use super::super::answers::{Count, Estimate, Sample};
use super::super::error::ConnectorError;
use super::super::query::{Query, Source, statement};
use super::super::statements::{Clock, POSTGRESQL, Statements};
use super::super::window::Window;
use super::Postgresql;
use super::session::{LONG, SHORT, Session, within};

/// The longest cell of a sample, in characters.
const LONGEST_CELL: usize = 200;

/// What a session found out about a query before it runs.
pub struct Prepared {
    all_columns: Statement,
    clock: Clock,
    since: Option<DateTime<Utc>>,
}

impl Prepared {
    /// Passes the statements of a query.
    pub fn statements<T>(&self, query: &Query, write: impl FnOnce(&Statements<'_>) -> T) -> T {
        let expression = |name: &str| self.expression(name);
        let clock_of = |name: Option<&str>| name.map_or(Clock::Utc, |name| self.clock_of(name));
        let latest = query.aggregate.as_ref().and_then(|aggregate| aggregate.latest.first());
        let latest = latest.and_then(|name| query.column_named(name));
        write(&Statements {
            dialect: POSTGRESQL,
            query,
            cursor_clock: clock_of(query.cursor.as_ref().map(|cursor| cursor.column.as_str())),
            expression: &expression,
            since: self.since.map(|since| (since, clock_of(latest))),
        })
    }

    /// Returns how a column stores times. Columns with a zone, and all of them where no place is set, are in UTC as the session is.
    fn clock_of(&self, name: &str) -> Clock {
        let is_local = self.column(name).is_some_and(|column| [Type::TIMESTAMP, Type::DATE].contains(column.type_()));
        if is_local { self.clock } else { Clock::Utc }
    }

    /// Returns a time of a place as a moment.
    fn expression(&self, name: &str) -> Option<String> {
        let Clock::Local(zone) = self.clock else { return None };
        let is_time = self.column(name).is_some_and(|column| *column.type_() == Type::TIMESTAMP);
        is_time.then(|| format!("({} AT TIME ZONE '{}')", POSTGRESQL.name(name), zone.name()))
    }

    fn column(&self, name: &str) -> Option<&Column> {
        self.all_columns.columns().iter().find(|column| column.name() == name)
    }
}

impl Session {
    /// Finds out what the statements of a query depend on. A statement of a user is prepared alone: one that ends the brackets
    /// around it, or consists of several, is refused.
    pub async fn prepare(&self, query: &Query, clock: Clock) -> Result<Prepared, ConnectorError> {
        if let Source::Sql(text) = &query.from {
            within(SHORT, self.client.prepare(statement(text)?)).await?;
        }
        let sql = format!("SELECT * FROM {}", POSTGRESQL.from(&query.from)?);
        let all_columns = within(SHORT, self.client.prepare(&sql)).await?;
        let since = match query.aggregate.as_ref().and_then(|aggregate| aggregate.last_days) {
            Some(days) => Some(self.now().await? - TimeDelta::days(i64::from(days))),
            None => None,
        };
        Ok(Prepared { all_columns, clock, since })
    }

    pub async fn now(&self) -> Result<DateTime<Utc>, ConnectorError> {
        let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        let micros = self.number(sql, SHORT).await?.and_then(DateTime::from_timestamp_micros);
        micros.ok_or_else(|| ConnectorError::Protocol("its clock is wrong".to_owned()))
    }

    /// Returns the number that a statement reads.
    pub async fn number(&self, sql: &str, limit: Duration) -> Result<Option<i64>, ConnectorError> {
        let sql = format!("SELECT ({sql})::bigint");
        let row = within(limit, self.client.query_one(&sql, &[])).await?;
        row.try_get(0).map_err(|error| ConnectorError::Protocol(error.to_string()))
    }
}

impl Postgresql {
    pub(super) fn clock(&self) -> Clock {
        self.settings.zone().map_or(Clock::Utc, Clock::Local)
    }

    pub async fn now(&self) -> Result<DateTime<Utc>, ConnectorError> {
        self.begin(SHORT).await?.now().await
    }

    pub async fn newest(&self, query: &Query) -> Result<Option<i64>, ConnectorError> {
        let session = self.begin(LONG).await?;
        let sql = session.prepare(query, self.clock()).await?.statements(query, |statements| statements.newest())?;
        session.number(&sql, LONG).await
    }

    pub async fn count(&self, query: &Query, window: Option<Window>) -> Result<Count, ConnectorError> {
        let session = self.begin(LONG).await?;
        let prepared = session.prepare(query, self.clock()).await?;
        let (rows, nulls) = prepared
            .statements(query, |statements| Ok::<_, ConnectorError>((statements.count(window)?, statements.count_nulls()?)))?;
        let rows = session.number(&rows, LONG).await?.unwrap_or_default();
        let null_cursors = match nulls {
            Some(sql) => session.number(&sql, LONG).await?.unwrap_or_default(),
            None => 0,
        };
        Ok(Count { rows, null_cursors })
    }

    pub async fn estimate(&self, query: &Query, window: Option<Window>) -> Result<Estimate, ConnectorError> {
        let session = self.begin(SHORT).await?;
        let prepared = session.prepare(query, self.clock()).await?;
        let sql = prepared.statements(query, |statements| statements.select(window, None))?;
        let answers = within(SHORT, session.client.simple_query(&format!("EXPLAIN (FORMAT JSON) {sql}"))).await?;
        let text: String = answers.iter().filter_map(first_text).collect();
        let plan: Value = serde_json::from_str(&text).unwrap_or_default();
        let number = |name: &str| plan[0]["Plan"][name].as_f64().map(|number| number as i64);
        match (number("Plan Rows"), number("Plan Width")) {
            (Some(rows), Some(width)) => Ok(Estimate { rows, bytes: rows.saturating_mul(width) }),
            _ => Err(ConnectorError::Protocol("it does not explain queries as PostgreSQL does".to_owned())),
        }
    }

    pub async fn sample(&self, query: &Query, rows: u32) -> Result<Sample, ConnectorError> {
        let session = self.begin(SHORT).await?;
        let prepared = session.prepare(query, self.clock()).await?;
        let inner = prepared.statements(query, |statements| statements.select(None, Some(u64::from(rows))))?;
        let statement = within(SHORT, session.client.prepare(&inner)).await?;
        let columns: Vec<String> = statement.columns().iter().map(|column| column.name().to_owned()).collect();
        let cells = (1..=columns.len()).map(|at| format!("left(c{at}::text, {LONGEST_CELL})")).collect::<Vec<_>>();
        let names = (1..=columns.len()).map(|at| format!("c{at}")).collect::<Vec<_>>();
        let sql = format!("SELECT {} FROM ({inner}) AS s ({})", cells.join(", "), names.join(", "));
        let found = within(SHORT, session.client.query(&sql, &[])).await?;
        let text = |row: &tokio_postgres::Row, at: usize| row.try_get::<_, Option<String>>(at).unwrap_or_default();
        let rows = found.iter().map(|row| (0..columns.len()).map(|at| text(row, at)).collect()).collect();
        Ok(Sample { columns, rows })
    }
}

fn first_text(message: &SimpleQueryMessage) -> Option<&str> {
    match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    }
}
