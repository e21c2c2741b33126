//! SQL of the files that runs have read.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::super::model::{SourceFile, SourceRun};
use crate::connectors::FileObject;
use crate::schema::source_files;

/// Rows that are inserted at once.
const AT_ONCE: usize = 1_000;

/// Returns the files of a source that are in use, by their names.
pub async fn current(connection: &mut AsyncPgConnection, source: i64) -> QueryResult<Vec<SourceFile>> {
    source_files::table
        .filter(source_files::data_source_id.eq(source).and(source_files::is_current))
        .order(source_files::key)
        .select(SourceFile::as_select())
        .load(connection)
        .await
}

/// Returns the files that a run has read, by their names.
pub async fn of_run(connection: &mut AsyncPgConnection, run: i64) -> QueryResult<Vec<SourceFile>> {
    let files = source_files::table.filter(source_files::run_id.eq(run)).order(source_files::key);
    files.select(SourceFile::as_select()).load(connection).await
}

/// Records which files a run has read, in place of those that it has read before.
pub async fn record(connection: &mut AsyncPgConnection, run: &SourceRun, files: &[FileObject]) -> QueryResult<()> {
    diesel::delete(source_files::table.filter(source_files::run_id.eq(run.id))).execute(connection).await?;
    for files in files.chunks(AT_ONCE) {
        let row = |file: &FileObject| {
            (
                source_files::data_source_id.eq(run.data_source_id),
                source_files::run_id.eq(run.id),
                source_files::project_id.eq(run.project_id),
                source_files::key.eq(file.key.clone()),
                source_files::size.eq(file.size.and_then(|size| i64::try_from(size).ok())),
                source_files::version.eq(file.version.clone()),
            )
        };
        let rows: Vec<_> = files.iter().map(row).collect();
        diesel::insert_into(source_files::table).values(rows).execute(connection).await?;
    }
    Ok(())
}

/// Makes the files of a run the current ones of their names.
pub async fn put_to_use(connection: &mut AsyncPgConnection, run: &SourceRun) -> QueryResult<()> {
    let keys: Vec<String> = of_run(connection, run.id).await?.into_iter().map(|file| file.key).collect();
    let former = source_files::table
        .filter(source_files::data_source_id.eq(run.data_source_id).and(source_files::is_current))
        .filter(source_files::key.eq_any(keys));
    diesel::update(former).set(source_files::is_current.eq(false)).execute(connection).await?;
    let own = source_files::table.filter(source_files::run_id.eq(run.id));
    diesel::update(own).set(source_files::is_current.eq(true)).execute(connection).await.map(drop)
}

/// Forgets that the files of runs are in use.
pub async fn forget(connection: &mut AsyncPgConnection, runs: &[i64]) -> QueryResult<()> {
    let files = source_files::table.filter(source_files::run_id.eq_any(runs.to_vec()));
    diesel::update(files).set(source_files::is_current.eq(false)).execute(connection).await.map(drop)
}

/// Forgets which files of a source are in use, so that all are read again.
pub async fn forget_all(connection: &mut AsyncPgConnection, source: i64) -> QueryResult<()> {
    let files = source_files::table.filter(source_files::data_source_id.eq(source));
    diesel::update(files).set(source_files::is_current.eq(false)).execute(connection).await.map(drop)
}

/// Returns the runs some of whose files have the name of one of another run.
pub async fn sharing(connection: &mut AsyncPgConnection, run: &SourceRun) -> QueryResult<HashSet<i64>> {
    let keys: Vec<String> = of_run(connection, run.id).await?.into_iter().map(|file| file.key).collect();
    let others = source_files::table
        .filter(source_files::data_source_id.eq(run.data_source_id).and(source_files::key.eq_any(keys)))
        .filter(source_files::run_id.ne(run.id));
    let runs: Vec<i64> = others.select(source_files::run_id).distinct().load(connection).await?;
    Ok(runs.into_iter().collect())
}
