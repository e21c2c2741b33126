//! Rows into a table, which is replaced as a whole.
//!
//! One transaction creates a table beside the present one, fills it by `COPY`, and gives it the name: readers see all old rows or
//! all new ones, and if anything fails, or either side dies, the old ones stay and nothing is left behind.

use std::io::Read;
use std::pin::pin;

use futures_util::SinkExt as _;
use tokio_postgres::types::Oid;
use tokio_util::bytes::Bytes;

use super::super::delivery::{DeliveredColumn, DeliveredType, TableDelivery, judge_shape, read_ahead, staged_names};
use super::super::error::ConnectorError;
use super::super::query::Table;
use super::super::rows::Task;
use super::super::statements::POSTGRESQL;
use super::Postgresql;
use super::session::{SHORT, Session};

/// Bytes that are sent at once.
const PIECE: usize = 256 << 10;

/// What a role needs to deliver.
const NEEDED: &str = "the role needs USAGE and CREATE on the schema, and has to own a table that is replaced";

/// Says what a table is: its columns, and what would be lost with it.
const PRESENT: &str = "
    SELECT c.oid, c.relkind = 'r' AND NOT c.relispartition,
           ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                 ORDER BY a.attnum),
           c.relrowsecurity OR EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2";

/// Returns the statements that give others the rights on the new table that they have on the present one, and its owner.
const RIGHTS: &str = "
    SELECT format('GRANT %s ON %s TO %s%s', a.privilege_type, $2::text,
                  CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                  CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
      FROM pg_class c, LATERAL aclexplode(c.relacl) a WHERE c.oid = $1 AND a.grantee <> c.relowner
    UNION ALL
    SELECT format('ALTER TABLE %s OWNER TO %s', $2::text, quote_ident(pg_get_userbyid(c.relowner)))
      FROM pg_class c WHERE c.oid = $1 AND pg_get_userbyid(c.relowner) <> current_user";

impl Postgresql {
    /// Replaces a table, and returns its rows.
    pub async fn deliver(&self, delivery: TableDelivery, task: &Task<'_>) -> Result<u64, ConnectorError> {
        let session = self.log_in(self.dial().await?).await?;
        let delivered = session.replace(delivery, task).await;
        if delivered.is_err() {
            self.cancel(&session).await;
        }
        delivered.map_err(|error| error.while_delivering(NEEDED))
    }
}

impl Session {
    async fn replace(&self, delivery: TableDelivery, task: &Task<'_>) -> Result<u64, ConnectorError> {
        let limit = task.limits.statement;
        let [next, _] = staged_names(&delivery.table.table);
        let next = POSTGRESQL.table(&Table { schema: delivery.table.schema.clone(), table: next });
        let target = POSTGRESQL.table(&delivery.table);
        self.begin_delivery(&delivery, limit).await?;
        let present = self.present(&delivery).await?;
        let create = match present {
            Some(_) => format!("CREATE TABLE {next} (LIKE {target} INCLUDING ALL)"),
            None => format!("CREATE TABLE {next} ({})", definitions(&delivery.columns)),
        };
        self.within(SHORT, self.client.batch_execute(&create)).await?;
        let (table, comment, columns) = (delivery.table.table.clone(), delivery.comment.clone(), delivery.columns.clone());
        let copied = self.copy(&next, delivery, task).await?;
        let mut last = vec![format!("COMMENT ON TABLE {next} IS '{}'", comment.replace('\'', "''"))];
        match (present, columns.first()) {
            (Some(present), _) => {
                last.extend(self.rights(present, &next).await?);
                last.push(format!("DROP TABLE {target}"));
            }
            (None, Some(first)) => last.push(format!("CREATE INDEX ON {next} ({})", POSTGRESQL.name(first.name))),
            (None, None) => {}
        }
        last.push(format!("ALTER TABLE {next} RENAME TO {}; COMMIT", POSTGRESQL.name(&table)));
        task.unless_stopped(None, self.within(limit, self.client.batch_execute(&last.join("; ")))).await??;
        Ok(copied)
    }

    /// Begins the transaction, as the only one that replaces the table.
    async fn begin_delivery(&self, delivery: &TableDelivery, limit: std::time::Duration) -> Result<(), ConnectorError> {
        let begin = format!(
            "BEGIN; SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = '60s'; SET LOCAL DateStyle = 'ISO, YMD';
             SET LOCAL client_encoding = 'UTF8'; SET LOCAL standard_conforming_strings = on",
            limit.as_millis()
        );
        self.within(SHORT, self.client.batch_execute(&begin)).await?;
        let name = format!("recotem {}.{}", delivery.table.schema, delivery.table.table);
        let lock = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))";
        let locked = self.within(SHORT, self.client.query_one(lock, &[&name])).await?;
        let is_alone: bool = locked.try_get(0).map_err(|error| self.in_words(&error))?;
        if is_alone { Ok(()) } else { Err(ConnectorError::Busy("another delivery is writing this table".to_owned())) }
    }

    /// Returns the number of the present table, if there is one; refuses one that was not made for these columns.
    async fn present(&self, delivery: &TableDelivery) -> Result<Option<Oid>, ConnectorError> {
        let (schema, table) = (&delivery.table.schema, &delivery.table.table);
        let Some(row) = self.within(SHORT, self.client.query_opt(PRESENT, &[schema, table])).await? else { return Ok(None) };
        let field = |error: tokio_postgres::Error| self.in_words(&error);
        let found: Vec<String> = row.try_get(2).map_err(field)?;
        judge_shape(delivery, row.try_get(1).map_err(field)?, &found)?;
        if row.try_get(3).map_err(field)? {
            let text = format!("{schema}.{table} has triggers or row security, which would be lost");
            return Err(ConnectorError::OtherTable(text));
        }
        row.try_get(0).map(Some).map_err(field)
    }

    async fn rights(&self, present: Oid, next: &str) -> Result<Vec<String>, ConnectorError> {
        let rows = self.within(SHORT, self.client.query(RIGHTS, &[&present, &next])).await?;
        rows.iter().map(|row| row.try_get(0).map_err(|error| self.in_words(&error))).collect()
    }

    async fn copy(&self, next: &str, delivery: TableDelivery, task: &Task<'_>) -> Result<u64, ConnectorError> {
        let names: Vec<String> = delivery.columns.iter().map(|column| POSTGRESQL.name(column.name)).collect();
        let sql = format!("COPY {next} ({}) FROM STDIN (FORMAT csv, HEADER)", names.join(", "));
        let begun = self.within(SHORT, self.client.copy_in::<_, Bytes>(&sql)).await?;
        let (mut sink, mut sent) = (pin!(begun), 0);
        let mut pieces = pieces(delivery.rows);
        while let Some(piece) = pieces.recv().await {
            let piece = piece.map_err(ConnectorError::Storage)?;
            sent += piece.len() as u64;
            let taken = task.unless_stopped(Some(task.limits.idle), sink.send(piece)).await?;
            taken.map_err(|error| self.in_words(&error))?;
            (task.progress)(0, sent);
        }
        task.unless_stopped(None, self.within(task.limits.statement, sink.as_mut().finish())).await?
    }
}

fn pieces(mut rows: Box<dyn Read + Send>) -> tokio::sync::mpsc::Receiver<std::io::Result<Bytes>> {
    read_ahead(move || {
        let mut piece = Vec::with_capacity(PIECE);
        let read = rows.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
        Ok((read > 0).then(|| piece.into()))
    })
}

fn definitions(columns: &[DeliveredColumn]) -> String {
    let definition = |column: &DeliveredColumn| {
        let kind = match column.kind {
            DeliveredType::Text => "text",
            DeliveredType::Integer => "integer",
            DeliveredType::Real => "real",
        };
        format!("{} {kind} NOT NULL", POSTGRESQL.name(column.name))
    };
    columns.iter().map(definition).collect::<Vec<_>>().join(", ")
}
