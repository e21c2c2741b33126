//! Rows into a table, which is replaced as a whole.
//!
//! A table beside the present one is filled, then both are renamed in one statement: readers see all old rows or all new ones. What
//! a delivery that was interrupted has left behind is dropped by the next one.

use std::io::{ErrorKind, Read};

use mysql_async::Value;
use mysql_async::prelude::Queryable as _;
use tokio::sync::mpsc;

use super::super::delivery::{DeliveredColumn, DeliveredType, TableDelivery, judge_shape, read_ahead, staged_names};
use super::super::error::ConnectorError;
use super::super::query::Table;
use super::super::rows::Task;
use super::super::statements::MYSQL;
use super::Mysql;
use super::session::{SHORT, Session, within};

/// Rows of one statement.
const ROWS: usize = 1_000;

/// Statements of one transaction.
const STATEMENTS: usize = 50;

/// The longest comment of a table, in characters.
const LONGEST_COMMENT: usize = 2_048;

/// What an account needs to deliver.
const NEEDED: &str = "the account needs SELECT, INSERT, CREATE, ALTER and DROP on the database";

/// Rows of CSV as values, and the bytes that are read with them.
struct Batch {
    values: Vec<Value>,
    rows: usize,
    read: u64,
}

impl Mysql {
    /// Replaces a table, and returns its rows.
    pub async fn deliver(&self, delivery: TableDelivery, task: &Task<'_>) -> Result<u64, ConnectorError> {
        let mut session = self.log_in().await?;
        let (id, table) = (session.connection()?.id(), delivery.table.clone());
        let delivered = session.replace(delivery, task).await;
        if delivered.is_err() {
            self.cancel(id).await;
            drop(session);
            if let Err(error) = self.clean(&table).await {
                tracing::debug!(%error, "what a delivery left behind stays until the next one");
            }
        }
        delivered.map_err(|error| error.while_delivering(NEEDED))
    }

    /// Drops what a delivery left behind, unless another one writes it.
    async fn clean(&self, table: &Table) -> Result<(), ConnectorError> {
        let mut session = self.log_in().await?;
        session.begin_delivery(table).await?;
        session.run(&format!("DROP TABLE IF EXISTS {}", staged(table).join(", ")), SHORT).await
    }
}

/// Returns the new table until it replaces the present one, and the present one after that, with their schema.
fn staged(table: &Table) -> [String; 2] {
    staged_names(&table.table).map(|name| MYSQL.table(&Table { schema: table.schema.clone(), table: name }))
}

impl Session {
    async fn run(&mut self, sql: &str, limit: std::time::Duration) -> Result<(), ConnectorError> {
        within(limit, self.connection()?.query_drop(sql)).await
    }

    async fn replace(&mut self, delivery: TableDelivery, task: &Task<'_>) -> Result<u64, ConnectorError> {
        let [next, old] = staged(&delivery.table);
        let target = MYSQL.table(&delivery.table);
        self.begin_delivery(&delivery.table).await?;
        let is_present = self.is_present(&delivery).await?;
        self.run(&format!("DROP TABLE IF EXISTS {next}, {old}"), SHORT).await?;
        let create = match is_present {
            true => format!("CREATE TABLE {next} LIKE {target}"),
            false => format!("CREATE TABLE {next} ({}) {FORM}", definitions(&delivery.columns)),
        };
        self.run(&create, SHORT).await?;
        let comment: String = delivery.comment.chars().take(LONGEST_COMMENT).collect();
        self.run(&format!("ALTER TABLE {next} COMMENT = {}", Value::from(comment).as_sql(false)), SHORT).await?;
        let rows = self.fill(&next, delivery, task).await?;
        let swap = match is_present {
            true => format!("RENAME TABLE {target} TO {old}, {next} TO {target}"),
            false => format!("RENAME TABLE {next} TO {target}"),
        };
        self.run(&swap, task.limits.idle).await?;
        // What cannot be dropped now is dropped by the next delivery.
        if let Err(error) = self.run(&format!("DROP TABLE IF EXISTS {old}"), SHORT).await {
            tracing::debug!(%error, "the old rows of a delivered table stay until the next delivery");
        }
        Ok(rows)
    }

    /// Prepares a session that writes, as the only one that replaces the table.
    async fn begin_delivery(&mut self, table: &Table) -> Result<(), ConnectorError> {
        // A text that does not fit is an error, not cut. The server's other modes do not matter to what is sent.
        let settings = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', autocommit = 1, lock_wait_timeout = 60, \
                        net_read_timeout = 600, net_write_timeout = 600";
        self.run(settings, SHORT).await?;
        // Servers differ in whether upper and lower case make two names.
        let name = Value::from(format!("{}.{}", table.schema, table.table).to_lowercase()).as_sql(false);
        let lock: Option<i64> = self.first(&format!("SELECT GET_LOCK(CONCAT('recotem ', SHA1({name})), 5)"), SHORT).await?;
        match lock {
            Some(1) => Ok(()),
            _ => Err(ConnectorError::Busy("another delivery is writing this table".to_owned())),
        }
    }

    /// Returns whether the table exists; refuses one that was not made for these columns.
    async fn is_present(&mut self, delivery: &TableDelivery) -> Result<bool, ConnectorError> {
        let Table { schema, table } = &delivery.table;
        let of = format!(
            "TABLE_SCHEMA = {} AND TABLE_NAME = {}",
            Value::from(schema.as_str()).as_sql(false),
            Value::from(table.as_str()).as_sql(false)
        );
        let sql = format!("SELECT TABLE_TYPE FROM information_schema.TABLES WHERE {of}");
        let Some(kind) = self.first::<String>(&sql, SHORT).await? else { return Ok(false) };
        let sql = format!("SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE {of} ORDER BY ORDINAL_POSITION");
        let columns: Vec<String> = within(SHORT, self.connection()?.query(sql)).await?;
        judge_shape(delivery, kind == "BASE TABLE", &columns)?;
        let sql = format!(
            "SELECT count(*) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = {} AND EVENT_OBJECT_TABLE = {}",
            Value::from(schema.as_str()).as_sql(false),
            Value::from(table.as_str()).as_sql(false)
        );
        match self.first::<i64>(&sql, SHORT).await? {
            Some(0) | None => Ok(true),
            Some(_) => Err(ConnectorError::OtherTable(format!("{schema}.{table} has triggers, which would be lost"))),
        }
    }

    /// Inserts all rows in transactions of bounded size.
    async fn fill(&mut self, next: &str, delivery: TableDelivery, task: &Task<'_>) -> Result<u64, ConnectorError> {
        let names: Vec<String> = delivery.columns.iter().map(|column| MYSQL.name(column.name)).collect();
        let insert = format!("INSERT INTO {next} ({}) VALUES ", names.join(", "));
        let row = format!("({})", vec!["?"; names.len()].join(", "));
        let mut batches = batches(delivery.rows, &delivery.columns);
        let (mut rows, mut statements) = (0, 0);
        while let Some(batch) = batches.recv().await {
            let batch = batch.map_err(|error| match error.kind() {
                ErrorKind::InvalidData => ConnectorError::DoesNotFit(error.to_string()),
                _ => ConnectorError::Storage(error),
            })?;
            if statements % STATEMENTS == 0 {
                self.run(if statements == 0 { "START TRANSACTION" } else { "COMMIT AND CHAIN" }, task.limits.idle).await?;
            }
            statements += 1;
            rows += batch.rows as u64;
            // The library keeps the statements of full batches and of the last one prepared.
            let sql = format!("{insert}{}", vec![row.as_str(); batch.rows].join(", "));
            let inserted = within(task.limits.idle, self.connection()?.exec_drop(sql, batch.values));
            task.unless_stopped(None, inserted).await??;
            (task.progress)(rows, batch.read);
        }
        self.run("COMMIT", task.limits.idle).await?;
        Ok(rows)
    }
}

/// Texts are compared as they are, letter by letter.
const FORM: &str = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

fn batches(rows: Box<dyn Read + Send>, columns: &[DeliveredColumn]) -> mpsc::Receiver<std::io::Result<Batch>> {
    let mut reader = csv::Reader::from_reader(rows);
    let kinds: Vec<DeliveredType> = columns.iter().map(|column| column.kind).collect();
    read_ahead(move || {
        let mut batch = Batch { values: Vec::with_capacity(ROWS * kinds.len()), rows: 0, read: 0 };
        let mut record = csv::StringRecord::new();
        while batch.rows < ROWS && reader.read_record(&mut record)? {
            for (cell, kind) in record.iter().zip(&kinds) {
                batch.values.push(value(cell, *kind)?);
            }
            batch.rows += 1;
        }
        batch.read = reader.position().byte();
        Ok((batch.rows > 0).then_some(batch))
    })
}

fn value(cell: &str, kind: DeliveredType) -> std::io::Result<Value> {
    let invalid = |_| std::io::Error::new(ErrorKind::InvalidData, format!("\"{cell}\" is not a number"));
    Ok(match kind {
        DeliveredType::Text => Value::from(cell),
        DeliveredType::Integer => Value::from(cell.parse::<i64>().map_err(|error| invalid(error.to_string()))?),
        DeliveredType::Real => Value::from(cell.parse::<f64>().map_err(|error| invalid(error.to_string()))?),
    })
}

fn definitions(columns: &[DeliveredColumn]) -> String {
    let definition = |column: &DeliveredColumn| {
        let kind = match column.kind {
            DeliveredType::Text => "VARCHAR(512)",
            DeliveredType::Integer => "INT",
            DeliveredType::Real => "FLOAT",
        };
        format!("{} {kind} NOT NULL", MYSQL.name(column.name))
    };
    let key = columns.first().map(|first| format!("KEY ({})", MYSQL.name(first.name)));
    columns.iter().map(definition).chain(key).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rows_are_read_in_batches() {
        let text: String =
            std::iter::once("user_id,rank\n".to_owned()).chain((1..=ROWS + 1).map(|n| format!("u{n},{n}\n"))).collect();
        let column = |name, kind| DeliveredColumn { name, kind };
        let columns = [column("user_id", DeliveredType::Text), column("rank", DeliveredType::Integer)];
        let length = text.len() as u64;
        let mut batches = batches(Box::new(std::io::Cursor::new(text)), &columns);
        let first = batches.recv().await.unwrap().unwrap();
        assert_eq!((first.rows, first.values.len(), first.values[1].clone()), (ROWS, 2 * ROWS, Value::Int(1)));
        let last = batches.recv().await.unwrap().unwrap();
        assert_eq!((last.rows, last.read), (1, length));
        assert!(batches.recv().await.is_none());
        assert!(value("x", DeliveredType::Real).is_err());
    }
}
