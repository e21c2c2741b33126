//! Decisions about runs: when one may begin, be cancelled or be tried again.

use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use super::super::error::SourceError;
use super::super::model::{Cause, DataSource, Mode, NewRun, PullSource, RunChanges, RunState, SourceRun};
use super::super::store::{files, runs as store, sources};
use super::super::{uploads, windows};
use crate::connectors::Window;
use crate::features::datasets::Standing;
use crate::features::projects;
use crate::platform::queue::{self, EnqueueOptions};
use crate::platform::services::Services;

/// Creates and enqueues a run. The caller has locked the source. Fails, with nothing stored, if one that moves the position is under
/// way, or if the organisation of the project has `most_waiting` jobs already.
pub async fn begin(connection: &mut AsyncPgConnection, run: NewRun, most_waiting: u32) -> Result<SourceRun, SourceError> {
    if run.cause.moves() && store::has_live(connection, run.data_source_id, true).await? {
        return Err(SourceError::UnderWay);
    }
    connection
        .transaction(async move |connection| {
            let run = store::insert(connection, run).await?;
            enqueue(connection, &run).await?;
            projects::admit_jobs(connection, run.project_id, 1, most_waiting).await??;
            Ok(run)
        })
        .await
}

async fn enqueue(connection: &mut AsyncPgConnection, run: &SourceRun) -> diesel::QueryResult<()> {
    let group = SourceRun::group(run.id);
    let options = EnqueueOptions {
        unique_key: Some(format!("{group}:{}", run.attempt)),
        group_key: Some(group),
        turn: projects::turn_of(connection, run.project_id).await?,
        ..EnqueueOptions::default()
    };
    queue::enqueue(connection, &PullSource { source_run_id: run.id }, options).await.map(drop)
}

/// Returns a run of a source to be stored.
pub fn of_source(source: &DataSource, cause: Cause, user: Option<i64>, window: Option<Window>) -> NewRun {
    NewRun {
        data_source_id: source.id,
        project_id: source.project_id,
        cause,
        triggered_by: user,
        scheduled_for: None,
        cursor_kind: source.fields.cursor_kind,
        window_lo: window.and_then(|window| window.lo),
        window_hi: window.map(|window| window.hi),
    }
}

/// Starts a run now, at a user's request.
pub async fn start(services: &Services, source: i64, user: i64) -> Result<SourceRun, SourceError> {
    let most_waiting = services.settings.max_waiting_jobs_per_organisation;
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| {
            let source = sources::lock(connection, source).await?.ok_or(diesel::result::Error::NotFound)?;
            begin(connection, of_source(&source, Cause::Manual, Some(user), None), most_waiting).await
        })
        .await
}

/// Reads a window again that has been read. It is widened to whole windows, whose uploads it replaces.
pub async fn backfill(services: &Services, source: i64, user: i64, (from, to): (i64, i64)) -> Result<SourceRun, SourceError> {
    let most_waiting = services.settings.max_waiting_jobs_per_organisation;
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| {
            let source = sources::lock(connection, source).await?.ok_or(diesel::result::Error::NotFound)?;
            let end = source.position.filter(|_| source.fields.mode == Mode::Incremental);
            let window = end.map(|end| Window { lo: Some(from), hi: to.min(end) }).filter(|window| !window.is_empty());
            let Some(window) = window else {
                let text = "Only a window that has been read can be read again. Run the source first.";
                return Err(SourceError::NotUsable(text.to_owned()));
            };
            let parts = store::parts(connection, source.id, Standing::InUse).await?;
            let parts: Vec<Window> = parts.iter().filter_map(SourceRun::window).collect();
            let window = windows::widened(window, &parts);
            begin(connection, of_source(&source, Cause::Backfill, Some(user), Some(window)), most_waiting).await
        })
        .await
}

/// Cancels a run that waits or runs. What it read is removed.
pub async fn cancel(services: &Services, id: i64) -> Result<SourceRun, SourceError> {
    let (mut connection, now) = (services.db.conn().await?, services.clock.now());
    let (before, after) = connection
        .transaction(async move |connection| -> Result<_, SourceError> {
            let run = store::lock(connection, id).await?.ok_or(diesel::result::Error::NotFound)?;
            if !run.is_live() {
                return Err(SourceError::State { state: run.state, needed: "under way", changed: "cancelled" });
            }
            queue::cancel_group(connection, &SourceRun::group(id)).await?;
            let changes = RunChanges { state: Some(RunState::Cancelled), finished_at: Some(Some(now)), ..RunChanges::default() };
            let after = store::change(connection, id, changes).await?;
            Ok((run, after))
        })
        .await?;
    drop(connection);
    uploads::remove(services, &[before]).await;
    Ok(after)
}

/// Tries a run again that failed or was cancelled. One that moves the position reads what is new now; others read their window.
pub async fn retry(services: &Services, id: i64) -> Result<SourceRun, SourceError> {
    let most_waiting = services.settings.max_waiting_jobs_per_organisation;
    let mut connection = services.db.conn().await?;
    let (before, after) = connection
        .transaction(async move |connection| -> Result<_, SourceError> {
            let found = store::find(connection, id).await?.ok_or(diesel::result::Error::NotFound)?;
            sources::lock(connection, found.data_source_id).await?;
            let run = store::lock(connection, id).await?.ok_or(diesel::result::Error::NotFound)?;
            if !matches!(run.state, RunState::Failed | RunState::Cancelled) {
                return Err(SourceError::State { state: run.state, needed: "failed or cancelled", changed: "tried again" });
            }
            if run.cause.moves() && store::has_live(connection, run.data_source_id, true).await? {
                return Err(SourceError::UnderWay);
            }
            let after = store::change(connection, id, as_new(&run)).await?;
            files::record(connection, &after, &[]).await?;
            enqueue(connection, &after).await?;
            projects::admit_jobs(connection, run.project_id, 1, most_waiting).await??;
            Ok((run, after))
        })
        .await?;
    drop(connection);
    uploads::remove(services, &[before]).await;
    Ok(after)
}

/// Returns the changes that let a run begin again.
fn as_new(run: &SourceRun) -> RunChanges {
    let moves = run.cause.moves();
    RunChanges {
        state: Some(RunState::Queued),
        window_lo: moves.then_some(None),
        window_hi: moves.then_some(None),
        rows_read: Some(0),
        rows_kept: Some(0),
        rows_rejected: Some(0),
        null_cursors: Some(0),
        bytes: Some(0),
        stages: Some(json!([])),
        problems: Some(json!([])),
        training_data_id: Some(None),
        item_meta_data_id: Some(None),
        error_code: Some(None),
        error: Some(None),
        attempt: Some(run.attempt + 1),
        finished_at: Some(None),
        ..RunChanges::default()
    }
}
