//! SQL of changes.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel::upsert::excluded;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::model::{Change, NewChange, Waiting};
use crate::schema::item_changes;

/// Writes changes; each replaces an earlier one of the same item. Items must be distinct, and in rising order, in which others lock
/// them, too.
pub async fn write(connection: &mut AsyncPgConnection, changes: Vec<NewChange>) -> QueryResult<()> {
    diesel::insert_into(item_changes::table)
        .values(changes)
        .on_conflict((item_changes::project_id, item_changes::item_id))
        .do_update()
        .set((
            item_changes::cells.eq(excluded(item_changes::cells)),
            item_changes::bytes.eq(excluded(item_changes::bytes)),
            item_changes::changed_at.eq(excluded(item_changes::changed_at)),
            item_changes::sequence.eq(excluded(item_changes::sequence)),
        ))
        .execute(connection)
        .await
        .map(drop)
}

/// Returns the change of an item that waits.
pub async fn find(connection: &mut AsyncPgConnection, project: i64, item: &str) -> QueryResult<Option<Change>> {
    item_changes::table.find((project, item)).select(Change::as_select()).first(connection).await.optional()
}

/// Returns how much of a project waits.
pub async fn waiting(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<Waiting> {
    #[derive(QueryableByName)]
    struct Sums {
        #[diesel(sql_type = BigInt)]
        changes: i64,
        #[diesel(sql_type = BigInt)]
        bytes: i64,
    }
    let sql = "SELECT count(*) AS changes, coalesce(sum(bytes), 0)::bigint AS bytes FROM item_changes WHERE project_id = $1";
    let sums: Sums = diesel::sql_query(sql).bind::<BigInt, _>(project).get_result(connection).await?;
    Ok(Waiting { changes: sums.changes, bytes: sums.bytes })
}

/// Returns the columns of all changes of a project.
pub async fn columns(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Column {
        #[diesel(sql_type = Text)]
        name: String,
    }
    // The cells of a change that removes a row are null, and have no keys.
    let sql = "SELECT DISTINCT name FROM item_changes, json_object_keys(cells) AS keys(name) WHERE project_id = $1";
    let columns: Vec<Column> = diesel::sql_query(sql).bind::<BigInt, _>(project).load(connection).await?;
    Ok(columns.into_iter().map(|column| column.name).collect())
}

/// Keeps others that add columns to the item metadata of a project waiting until the transaction ends.
pub async fn begin_adding_columns(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<()> {
    let sql = "SELECT pg_advisory_xact_lock(hashtextextended('item_columns:' || $1, 0))";
    diesel::sql_query(sql).bind::<Text, _>(project.to_string()).execute(connection).await.map(drop)
}

/// Returns the oldest changes of a project with a sequence after this one: at most `most`, and none after the first that reaches this
/// many bytes.
pub async fn oldest(
    connection: &mut AsyncPgConnection,
    (project, after): (i64, i64),
    (most, bytes): (i64, i64),
) -> QueryResult<Vec<Change>> {
    let sql = "SELECT item_id, cells, bytes, sequence FROM (
            SELECT item_id, cells, bytes, sequence, sum(bytes) OVER (ORDER BY sequence) AS total
            FROM item_changes WHERE project_id = $1 AND sequence > $4 ORDER BY sequence LIMIT $2
        ) AS oldest
        WHERE total - bytes < $3 ORDER BY sequence";
    let query = diesel::sql_query(sql).bind::<BigInt, _>(project).bind::<BigInt, _>(most).bind::<BigInt, _>(bytes);
    query.bind::<BigInt, _>(after).load(connection).await
}

/// Locks changes in the order of their items. Those that have been replaced meanwhile are no longer among them.
pub async fn lock(connection: &mut AsyncPgConnection, project: i64, sequences: &[i64]) -> QueryResult<()> {
    let named = item_changes::table.filter(item_changes::project_id.eq(project).and(item_changes::sequence.eq_any(sequences)));
    let locked = named.order(item_changes::item_id).select(item_changes::sequence).for_update();
    locked.load::<i64>(connection).await.map(drop)
}

/// Keeps [`await_writers`] waiting until the transaction ends.
pub async fn begin_writing(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<()> {
    let sql = "SELECT pg_advisory_xact_lock_shared(hashtextextended('item_changes:' || $1, 0))";
    diesel::sql_query(sql).bind::<Text, _>(project.to_string()).execute(connection).await.map(drop)
}

/// Waits until the changes of a project that are being written are there, and keeps others waiting until the transaction ends.
pub async fn await_writers(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<()> {
    let sql = "SELECT pg_advisory_xact_lock(hashtextextended('item_changes:' || $1, 0))";
    diesel::sql_query(sql).bind::<Text, _>(project.to_string()).execute(connection).await.map(drop)
}
