//! Samples, counts and estimates.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::Value;
use tokio_postgres::types::Type;
use tokio_postgres::{Column, SimpleQueryMessage};

use super::super::answers::{Count, Estimate, LONGEST_CELL, Sample};
use super::super::error::ConnectorError;
use super::super::prepared::{Known, Prepared, Stores};
use super::super::query::{Query, Source, statement};
use super::super::statements::POSTGRESQL;
use super::super::window::Window;
use super::Postgresql;
use super::session::{LONG, SHORT, Session};

impl Session {
    /// Finds out what the statements of a query depend on. A statement of a user is prepared alone: one that ends the brackets
    /// around it, or consists of several, is refused.
    pub async fn prepare(&self, query: &Query, zone: Option<Tz>) -> Result<Prepared, ConnectorError> {
        if let Source::Sql(text) = &query.from {
            self.within(SHORT, self.client.prepare(statement(text)?)).await?;
        }
        let sql = format!("SELECT * FROM {}", POSTGRESQL.from(&query.from)?);
        let columns = self.within(SHORT, self.client.prepare(&sql)).await?.columns().iter().map(known).collect();
        let since = match query.aggregate.as_ref().and_then(|aggregate| aggregate.last_days) {
            Some(days) => Some(self.now().await? - TimeDelta::days(i64::from(days))),
            None => None,
        };
        Ok(Prepared { dialect: POSTGRESQL, columns, zone, since })
    }

    pub async fn now(&self) -> Result<DateTime<Utc>, ConnectorError> {
        let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        let micros = self.number(sql, SHORT).await?.and_then(DateTime::from_timestamp_micros);
        micros.ok_or_else(|| ConnectorError::Protocol("its clock is wrong".to_owned()))
    }

    /// Returns the number that a statement reads.
    pub async fn number(&self, sql: &str, limit: Duration) -> Result<Option<i64>, ConnectorError> {
        let sql = format!("SELECT ({sql})::bigint");
        let row = self.within(limit, self.client.query_one(&sql, &[])).await?;
        row.try_get(0).map_err(|error| ConnectorError::Protocol(error.to_string()))
    }
}

impl Postgresql {
    pub async fn now(&self) -> Result<DateTime<Utc>, ConnectorError> {
        self.begin(SHORT).await?.now().await
    }

    pub async fn newest(&self, query: &Query) -> Result<Option<i64>, ConnectorError> {
        let session = self.begin(LONG).await?;
        let sql = session.prepare(query, self.settings.zone()).await?.statements(query, |statements| statements.newest())?;
        session.number(&sql, LONG).await
    }

    pub async fn count(&self, query: &Query, window: Option<Window>) -> Result<Count, ConnectorError> {
        let session = self.begin(LONG).await?;
        let prepared = session.prepare(query, self.settings.zone()).await?;
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
        let prepared = session.prepare(query, self.settings.zone()).await?;
        let sql = prepared.statements(query, |statements| statements.select(window, None))?;
        let answers = session.within(SHORT, session.client.simple_query(&format!("EXPLAIN (FORMAT JSON) {sql}"))).await?;
        let text: String = answers.iter().filter_map(first_text).collect();
        let plan: Value = serde_json::from_str(&text).unwrap_or_default();
        let number = |name: &str| plan[0]["Plan"][name].as_f64().map(|number| number as i64);
        match (number("Plan Rows"), number("Plan Width")) {
            (Some(rows), Some(width)) => Ok(Estimate { rows: Some(rows), bytes: rows.saturating_mul(width) }),
            _ => Err(ConnectorError::Protocol("it does not explain queries as PostgreSQL does".to_owned())),
        }
    }

    pub async fn sample(&self, query: &Query, rows: u32) -> Result<Sample, ConnectorError> {
        let session = self.begin(SHORT).await?;
        let prepared = session.prepare(query, self.settings.zone()).await?;
        let inner = prepared.statements(query, |statements| statements.select(None, Some(u64::from(rows))))?;
        let statement = session.within(SHORT, session.client.prepare(&inner)).await?;
        let columns: Vec<String> = statement.columns().iter().map(|column| column.name().to_owned()).collect();
        let cells = (1..=columns.len()).map(|at| format!("left(c{at}::text, {LONGEST_CELL})")).collect::<Vec<_>>();
        let names = (1..=columns.len()).map(|at| format!("c{at}")).collect::<Vec<_>>();
        let sql = format!("SELECT {} FROM ({inner}) AS s ({})", cells.join(", "), names.join(", "));
        let found = session.within(SHORT, session.client.query(&sql, &[])).await?;
        let text = |row: &tokio_postgres::Row, at: usize| row.try_get::<_, Option<String>>(at).unwrap_or_default();
        let rows = found.iter().map(|row| (0..columns.len()).map(|at| text(row, at)).collect()).collect();
        Ok(Sample { columns, rows })
    }
}

fn known(column: &Column) -> Known {
    let stores = match *column.type_() {
        Type::TIMESTAMP => Stores::LocalTime,
        Type::DATE => Stores::Date,
        _ => Stores::Other,
    };
    Known { name: column.name().to_owned(), stores }
}

fn first_text(message: &SimpleQueryMessage) -> Option<&str> {
    match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    }
}
