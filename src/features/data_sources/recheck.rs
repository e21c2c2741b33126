//! Counts the last windows of a source again. Rows that were committed later than the settle time are found, and so are those that
//! were deleted: such a window is read again, and replaces what was read of it before.

use diesel_async::AsyncConnection;

use super::error::SourceError;
use super::model::{Cause, DataSource, Mode, SourceRun};
use super::service::runs as service;
use super::store::{runs, sources};
use super::{opening, windows};
use crate::connectors::Window;
use crate::platform::services::Services;

/// Windows that are counted again.
const RECOUNTED: usize = 3;

/// Accepted runs among which the last windows are.
const MOST_RUNS: i64 = 100;

/// Counts the last windows of a source, and starts a run for each whose count differs from what was read.
pub async fn recheck(services: &Services, id: i64) -> Result<(), SourceError> {
    let mut connection = services.db.conn().await?;
    let Some(source) = sources::find(&mut connection, id).await?.filter(|source| source.fields.mode == Mode::Incremental) else {
        return Ok(());
    };
    let last = last_windows(runs::accepted(&mut connection, id, MOST_RUNS).await?);
    drop(connection);
    if last.is_empty() {
        return Ok(());
    }
    let mut opened = opening::of_source(services, &source).await?;
    if let Some(cursor) = &mut opened.query.cursor {
        cursor.with_nulls = false;
    }
    for (run, window) in last {
        let count = opened.connector.count(&opened.query, Some(window)).await?;
        if count.rows != read_in_window(&source, &run) {
            read_again(services, source.id, window).await?;
        }
    }
    Ok(())
}

/// Returns the rows of a run that were in its window: those without a cursor are in none.
fn read_in_window(source: &DataSource, run: &SourceRun) -> i64 {
    if source.fields.reads_null_cursors() { (run.rows_read - run.null_cursors).max(0) } else { run.rows_read }
}

/// Returns the last windows with the newest run that read each, of runs with the newest first.
fn last_windows(accepted: Vec<SourceRun>) -> Vec<(SourceRun, Window)> {
    let mut last: Vec<(SourceRun, Window)> = Vec::new();
    for run in accepted {
        let Some(window) = run.window() else { continue };
        if !last.iter().any(|(_, newer)| windows::overlap(*newer, window)) {
            last.push((run, window));
        }
    }
    last.sort_by_key(|(_, window)| std::cmp::Reverse(window.hi));
    last.truncate(RECOUNTED);
    last
}

/// Starts a run of a window, unless one is under way.
async fn read_again(services: &Services, source: i64, window: Window) -> Result<(), SourceError> {
    let most_waiting = services.settings.max_waiting_jobs_per_organisation;
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| {
            let Some(source) = sources::lock(connection, source).await? else { return Ok(()) };
            if runs::is_rechecked(connection, source.id, window.lo, window.hi).await? {
                return Ok(());
            }
            let run = service::of_source(&source, Cause::Recheck, None, Some(window));
            service::begin(connection, run, most_waiting).await.map(drop)
        })
        .await
}
