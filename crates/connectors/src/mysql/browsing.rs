//! Schemas, tables and columns, from the catalogue: no table is read.

use mysql_async::prelude::Queryable as _;
use mysql_async::{Params, Row};

use super::super::answers::{Entry, EntryKind, Listing, MOST_ENTRIES};
use super::super::error::ConnectorError;
use super::Mysql;
use super::session::{SHORT, within};

const SCHEMAS: &str = "
    SELECT schema_name FROM information_schema.schemata
     WHERE schema_name NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys') ORDER BY schema_name LIMIT ?";

const TABLES: &str = "
    SELECT table_name, table_type LIKE '%VIEW%', CAST(table_rows AS SIGNED), CAST(data_length AS SIGNED)
      FROM information_schema.tables WHERE table_schema = ? ORDER BY table_name LIMIT ?";

/// The number of distinct values is known of columns that an index begins with.
const COLUMNS: &str = "
    SELECT c.column_name, c.column_type, CAST(MAX(s.cardinality) AS SIGNED)
      FROM information_schema.columns c
      LEFT JOIN information_schema.statistics s
             ON s.table_schema = c.table_schema AND s.table_name = c.table_name AND s.column_name = c.column_name
            AND s.seq_in_index = 1
     WHERE c.table_schema = ? AND c.table_name = ?
     GROUP BY c.column_name, c.column_type, c.ordinal_position ORDER BY c.ordinal_position LIMIT ?";

impl Mysql {
    pub async fn browse(&self, path: &[String]) -> Result<Listing, ConnectorError> {
        let limit = MOST_ENTRIES + 1;
        match path {
            [] => self.list(SCHEMAS, (limit,).into(), |row| Some(Entry::named(text(row, 0)?, EntryKind::Schema))).await,
            [schema] => self.list(TABLES, (schema, limit).into(), table_of).await,
            [schema, table] => {
                let listing = self.list(COLUMNS, (schema, table, limit).into(), column_of).await?;
                match listing.entries.is_empty() {
                    true => Err(ConnectorError::NoSuchTable(format!("{schema}.{table}"))),
                    false => Ok(listing),
                }
            }
            _ => Err(ConnectorError::BadQuery("A path has at most a schema and a table.".to_owned())),
        }
    }

    async fn list(&self, sql: &str, values: Params, entry: impl Fn(&Row) -> Option<Entry>) -> Result<Listing, ConnectorError> {
        let mut session = self.begin(SHORT).await?;
        let rows: Vec<Row> = within(SHORT, session.connection()?.exec(sql, values)).await?;
        let is_cut = rows.len() > MOST_ENTRIES;
        Ok(Listing { entries: rows.iter().take(MOST_ENTRIES).filter_map(entry).collect(), is_cut })
    }
}

fn text(row: &Row, at: usize) -> Option<String> {
    row.get_opt::<Option<String>, _>(at)?.ok()?
}

fn number(row: &Row, at: usize) -> Option<i64> {
    row.get_opt::<Option<i64>, _>(at)?.ok()?
}

fn table_of(row: &Row) -> Option<Entry> {
    let kind = if number(row, 1) == Some(1) { EntryKind::View } else { EntryKind::Table };
    Some(Entry { rows: number(row, 2), bytes: number(row, 3), ..Entry::named(text(row, 0)?, kind) })
}

fn column_of(row: &Row) -> Option<Entry> {
    let entry = Entry::named(text(row, 0)?, EntryKind::Column);
    Some(Entry { data_type: text(row, 1), distinct: number(row, 2), ..entry })
}
