//! Samples, counts and estimates.

use chrono::{DateTime, TimeDelta, Utc};
use mysql_async::consts::ColumnType;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Column, Row};

use super::super::answers::{Count, Estimate, LONGEST_CELL, Sample};
use super::super::error::ConnectorError;
use super::super::prepared::{Known, Prepared, Stores};
use super::super::query::{Query, Source, statement};
use super::super::statements::MYSQL;
use super::super::window::Window;
use super::Mysql;
use super::session::{LONG, SHORT, Session, within};

/// Bytes that a column of a statement is estimated at.
const BYTES_OF_COLUMN: i64 = 16;

impl Session {
    /// Returns the columns of a statement, without running it.
    async fn columns(&mut self, sql: &str) -> Result<Vec<Column>, ConnectorError> {
        let connection = self.connection()?;
        let statement = within(SHORT, connection.prep(sql)).await?;
        let columns = statement.columns().to_vec();
        within(SHORT, self.connection()?.close(statement)).await?;
        Ok(columns)
    }

    pub async fn now(&mut self) -> Result<DateTime<Utc>, ConnectorError> {
        let sql = "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)";
        let micros: Option<i64> = self.first(sql, SHORT).await?;
        let now = micros.and_then(DateTime::from_timestamp_micros);
        now.ok_or_else(|| ConnectorError::Protocol("its clock is wrong".to_owned()))
    }
}

impl Mysql {
    /// Finds out what the statements of a query depend on. A statement of a user is prepared alone: one that ends the brackets
    /// around it, or consists of several, is refused.
    pub(super) async fn prepare(&self, session: &mut Session, query: &Query) -> Result<Prepared, ConnectorError> {
        if let Source::Sql(text) = &query.from {
            session.columns(statement(text)?).await?;
        }
        let columns = session.columns(&format!("SELECT * FROM {}", MYSQL.from(&query.from)?)).await?;
        let columns: Vec<Known> = columns.iter().map(known).collect();
        let since = match query.aggregate.as_ref().and_then(|aggregate| aggregate.last_days) {
            Some(days) => Some(session.now().await? - TimeDelta::days(i64::from(days))),
            None => None,
        };
        let prepared = Prepared { dialect: MYSQL, columns, zone: self.settings.zone(), since };
        if self.settings.time_zone.is_none() {
            prepared.refuse_times_without_zone(query)?;
        }
        Ok(prepared)
    }

    pub async fn now(&self) -> Result<DateTime<Utc>, ConnectorError> {
        self.begin(SHORT).await?.now().await
    }

    pub async fn newest(&self, query: &Query) -> Result<Option<i64>, ConnectorError> {
        let mut session = self.begin(LONG).await?;
        let sql = self.prepare(&mut session, query).await?.statements(query, |statements| statements.newest())?;
        session.first(&sql, LONG).await
    }

    pub async fn count(&self, query: &Query, window: Option<Window>) -> Result<Count, ConnectorError> {
        let mut session = self.begin(LONG).await?;
        let prepared = self.prepare(&mut session, query).await?;
        let (rows, nulls) = prepared
            .statements(query, |statements| Ok::<_, ConnectorError>((statements.count(window)?, statements.count_nulls()?)))?;
        let rows = session.first(&rows, LONG).await?.unwrap_or_default();
        let null_cursors = match nulls {
            Some(sql) => session.first(&sql, LONG).await?.unwrap_or_default(),
            None => 0,
        };
        Ok(Count { rows, null_cursors })
    }

    pub async fn estimate(&self, query: &Query, window: Option<Window>) -> Result<Estimate, ConnectorError> {
        let mut session = self.begin(SHORT).await?;
        let prepared = self.prepare(&mut session, query).await?;
        let sql = prepared.statements(query, |statements| statements.select(window, None))?;
        let plan: Vec<Row> = within(SHORT, session.connection()?.query(format!("EXPLAIN {sql}"))).await?;
        let rows = plan.iter().filter_map(|step| step.get_opt::<Option<i64>, _>("rows")?.ok()?).max().unwrap_or_default();
        let columns = if query.columns.is_empty() { prepared.columns.len() } else { query.columns.len() };
        let width = i64::try_from(columns).unwrap_or(i64::MAX).saturating_mul(BYTES_OF_COLUMN);
        Ok(Estimate { rows: Some(rows), bytes: rows.saturating_mul(width) })
    }

    pub async fn sample(&self, query: &Query, rows: u32) -> Result<Sample, ConnectorError> {
        let mut session = self.begin(SHORT).await?;
        let prepared = self.prepare(&mut session, query).await?;
        let inner = prepared.statements(query, |statements| statements.select(None, Some(u64::from(rows))))?;
        let columns = session.columns(&inner).await?;
        let names: Vec<String> = columns.iter().map(|column| column.name_str().into_owned()).collect();
        let cells: Vec<String> =
            names.iter().map(|name| format!("LEFT(CAST({} AS CHAR), {LONGEST_CELL})", MYSQL.name(name))).collect();
        let sql = format!("SELECT {} FROM ({inner}) AS {}", cells.join(", "), MYSQL.name("sample"));
        let found: Vec<Row> = within(SHORT, session.connection()?.query(sql)).await?;
        let text = |row: &Row, at: usize| row.get_opt::<Option<Vec<u8>>, _>(at)?.ok()?;
        let cell = |row: &Row, at: usize| text(row, at).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let rows = found.iter().map(|row| (0..names.len()).map(|at| cell(row, at)).collect()).collect();
        Ok(Sample { columns: names, rows })
    }
}

fn known(column: &Column) -> Known {
    let stores = match column.column_type() {
        ColumnType::MYSQL_TYPE_DATETIME | ColumnType::MYSQL_TYPE_DATETIME2 => Stores::LocalTime,
        ColumnType::MYSQL_TYPE_DATE | ColumnType::MYSQL_TYPE_NEWDATE => Stores::Date,
        _ => Stores::Other,
    };
    Known { name: column.name_str().into_owned(), stores }
}
