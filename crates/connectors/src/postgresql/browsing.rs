//! Schemas, tables and columns, from the catalogue and the statistics: no table is read.

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::super::answers::{Entry, EntryKind, Listing, MOST_ENTRIES};
use super::super::error::ConnectorError;
use super::Postgresql;
use super::session::SHORT;

const SCHEMAS: &str = "
    SELECT nspname::text FROM pg_namespace
     WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema' AND has_schema_privilege(oid, 'USAGE')
     ORDER BY nspname LIMIT $1";

/// A table that was never analysed has -1 estimated rows. Partitions are listed as the table that they are parts of.
const TABLES: &str = "
    SELECT c.relname::text, c.relkind IN ('v', 'm'), parts.rows, parts.bytes
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      CROSS JOIN LATERAL (
           SELECT CASE WHEN c.relkind = 'v' OR c.reltuples < 0 THEN NULL ELSE c.reltuples::bigint END AS rows,
                  CASE WHEN c.relkind IN ('r', 'm') THEN pg_relation_size(c.oid) END AS bytes WHERE c.relkind <> 'p'
           UNION ALL
           SELECT sum(part.reltuples) FILTER (WHERE part.reltuples >= 0)::bigint, sum(pg_relation_size(part.oid))::bigint
             FROM pg_partition_tree(c.oid) tree JOIN pg_class part ON part.oid = tree.relid
            WHERE c.relkind = 'p' AND tree.isleaf HAVING c.relkind = 'p') parts
     WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
     ORDER BY c.relname LIMIT $2";

/// A negative number of distinct values is a share of the rows.
const COLUMNS: &str = "
    SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), s.null_frac::float8,
           CASE WHEN s.n_distinct >= 0 THEN s.n_distinct::bigint
                WHEN c.reltuples >= 0 THEN round(-s.n_distinct * c.reltuples)::bigint END
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
      LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
                          AND s.inherited = (c.relkind = 'p')
     WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped
     ORDER BY a.attnum LIMIT $3";

impl Postgresql {
    pub async fn browse(&self, path: &[String]) -> Result<Listing, ConnectorError> {
        let limit = i64::try_from(MOST_ENTRIES + 1).unwrap_or(i64::MAX);
        match path {
            [] => self.list(SCHEMAS, &[&limit], |row| Entry::named(row.get(0), EntryKind::Schema)).await,
            [schema] => self.list(TABLES, &[schema, &limit], table_of).await,
            [schema, table] => {
                let listing = self.list(COLUMNS, &[schema, table, &limit], column_of).await?;
                match listing.entries.is_empty() {
                    true => Err(ConnectorError::NoSuchTable(format!("{schema}.{table}"))),
                    false => Ok(listing),
                }
            }
            _ => Err(ConnectorError::BadQuery("A path has at most a schema and a table.".to_owned())),
        }
    }

    async fn list(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
        entry: impl Fn(&Row) -> Entry,
    ) -> Result<Listing, ConnectorError> {
        let session = self.begin(SHORT).await?;
        let rows = session.within(SHORT, session.client.query(sql, values)).await?;
        Ok(Listing { entries: rows.iter().take(MOST_ENTRIES).map(entry).collect(), is_cut: rows.len() > MOST_ENTRIES })
    }
}

fn table_of(row: &Row) -> Entry {
    let kind = if row.get(1) { EntryKind::View } else { EntryKind::Table };
    Entry { rows: row.get(2), bytes: row.get(3), ..Entry::named(row.get(0), kind) }
}

fn column_of(row: &Row) -> Entry {
    let entry = Entry::named(row.get(0), EntryKind::Column);
    Entry { data_type: row.get(1), null_share: row.get(2), distinct: row.get(3), ..entry }
}
