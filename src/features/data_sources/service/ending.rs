//! How runs end: what they brought is put to use, held, accepted by a user, or discarded; or they failed.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::{Value, json};

use super::super::error::SourceError;
use super::super::model::{
    Cause, DataSource, FollowUp, Mode, RecheckWindows, RunChanges, RunState, SourceRun, Stage, StageName, Target,
};
use super::super::quality::Report;
use super::super::store::{files, runs as store, sources};
use super::super::{uploads, windows};
use crate::features::datasets::Standing;
use crate::features::projects::{self, Topic};
use crate::features::retraining;
use crate::platform::queue::{self, EnqueueOptions};
use crate::platform::services::Services;

/// What ending a run needs to know of the installation.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    pub at: DateTime<Utc>,
    pub most_waiting: u32,
}

impl Now {
    /// Returns the present.
    pub fn of(services: &Services) -> Self {
        Self { at: services.clock.now(), most_waiting: services.settings.max_waiting_jobs_per_organisation }
    }
}

/// Ends a run that has been checked: it is put to use, or held if there are problems. Does nothing if it is over already.
pub async fn settle(services: &Services, id: i64, report: Report, problems: Vec<String>) -> Result<(), SourceError> {
    let now = Now::of(services);
    let mut connection = services.db.conn().await?;
    let unused = connection
        .transaction(async move |connection| -> Result<_, SourceError> {
            let Some((source, run)) = lock_live(connection, id).await? else { return Ok(Vec::new()) };
            let changes = RunChanges {
                rows_read: Some(report.rows),
                rows_kept: Some(report.rows_kept),
                rows_rejected: Some(report.rows_rejected),
                report: Some(json!(report)),
                problems: Some(json!(problems)),
                ..RunChanges::default()
            };
            let run = store::change(connection, run.id, changes).await?;
            if problems.is_empty() {
                return put_to_use(connection, &source, &run, now).await;
            }
            end(connection, &run, RunState::Held, now.at).await?;
            tell(connection, &source, &run, Topic::SourceHeld).await?;
            Ok(Vec::new())
        })
        .await?;
    drop(connection);
    uploads::remove(services, &unused).await;
    Ok(())
}

/// Ends a run for which there is nothing to read, and whose window is empty.
pub async fn end_without_window(services: &Services, id: i64) -> Result<(), SourceError> {
    let now = services.clock.now();
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| {
            if let Some((_, run)) = lock_live(connection, id).await? {
                end(connection, &run, RunState::NothingNew, now).await?;
            }
            Ok(())
        })
        .await
}

async fn lock_live(connection: &mut AsyncPgConnection, id: i64) -> Result<Option<(DataSource, SourceRun)>, SourceError> {
    let Some(found) = store::find(connection, id).await? else { return Ok(None) };
    let Some(source) = sources::lock(connection, found.data_source_id).await? else { return Ok(None) };
    let run = store::lock(connection, id).await?.filter(SourceRun::is_live);
    Ok(run.map(|run| (source, run)))
}

/// Puts what a run brought to use: moves the position, replaces what was read of the window before, and starts what follows.
/// Returns the runs whose uploads are no longer needed. The caller has locked source and run.
async fn put_to_use(
    connection: &mut AsyncPgConnection,
    source: &DataSource,
    run: &SourceRun,
    now: Now,
) -> Result<Vec<SourceRun>, SourceError> {
    let is_incremental = source.fields.mode == Mode::Incremental;
    if is_incremental && run.cause.moves() {
        if source.position != run.window_lo {
            return Err(SourceError::Overtaken);
        }
        sources::set_position(connection, source.id, run.window_hi).await?;
    }
    let mut unused = store::superseded(connection, source.id).await?;
    if source.fields.mode == Mode::Files {
        replace_files(connection, source, run).await?;
    } else if run.rows_read > 0 || is_incremental {
        // A snapshot without rows replaces nothing: it was the same as before.
        for part in store::parts(connection, source.id, Standing::InUse).await?.iter().filter(|part| part.id != run.id) {
            if replaces(run, part) {
                uploads::set_standing(connection, part, Standing::Superseded).await?;
            }
        }
    }
    unused.extend(discard_overtaken(connection, source, run, now.at).await?);
    uploads::set_standing(connection, run, Standing::InUse).await?;
    let has_rows = run.rows_read > 0;
    if has_rows {
        follow_up(connection, source, run, now).await?;
    }
    let run = end(connection, run, if has_rows { RunState::Succeeded } else { RunState::NothingNew }, now.at).await?;
    tell(connection, source, &run, Topic::SourceSucceeded).await?;
    if is_incremental && run.cause.moves() {
        let key = Some(format!("recheck_windows:{}", source.id));
        let turn = projects::turn_of(connection, source.project_id).await?;
        let options = EnqueueOptions { unique_key: key.clone(), group_key: key, turn, ..EnqueueOptions::default() };
        queue::enqueue(connection, &RecheckWindows { data_source_id: source.id }, options).await?;
    }
    Ok(unused)
}

/// Makes the files of a run the current ones, and replaces the uploads whose files have been read again or are no longer current.
async fn replace_files(connection: &mut AsyncPgConnection, source: &DataSource, run: &SourceRun) -> Result<(), SourceError> {
    if files::of_run(connection, run.id).await?.is_empty() {
        return Ok(());
    }
    let sharing = files::sharing(connection, run).await?;
    files::put_to_use(connection, run).await?;
    let current: HashSet<i64> = files::current(connection, source.id).await?.into_iter().map(|file| file.run_id).collect();
    let is_replaced = |part: &SourceRun| {
        source.fields.target != Target::Interactions || sharing.contains(&part.id) || !current.contains(&part.id)
    };
    for part in store::parts(connection, source.id, Standing::InUse).await?.iter().filter(|part| part.id != run.id) {
        if is_replaced(part) {
            uploads::set_standing(connection, part, Standing::Superseded).await?;
            files::forget(connection, &[part.id]).await?;
        }
    }
    Ok(())
}

/// Returns whether a run has read everything that another one has.
fn replaces(run: &SourceRun, part: &SourceRun) -> bool {
    match (run.window(), part.window()) {
        (None, _) => true,
        (Some(window), Some(part)) => windows::covers(window, part),
        // A snapshot of the time before the source had a cursor.
        (Some(window), None) => window.lo.is_none(),
    }
}

/// Discards the held runs whose rows a run has read as well. Returns them.
async fn discard_overtaken(
    connection: &mut AsyncPgConnection,
    source: &DataSource,
    run: &SourceRun,
    now: DateTime<Utc>,
) -> Result<Vec<SourceRun>, SourceError> {
    let mut discarded = Vec::new();
    for held in store::lock_held(connection, run.data_source_id).await?.into_iter().filter(|held| held.id != run.id) {
        let is_covered = match (run.window(), held.window()) {
            (Some(window), Some(held)) => windows::overlap(window, held),
            _ if source.fields.mode == Mode::Files => has_files_of(connection, run, &held).await?,
            _ => true,
        };
        if is_covered {
            end(connection, &held, RunState::Discarded, now).await?;
            discarded.push(held);
        }
    }
    Ok(discarded)
}

/// Returns whether a run has read all files that a held one has.
async fn has_files_of(connection: &mut AsyncPgConnection, run: &SourceRun, held: &SourceRun) -> Result<bool, SourceError> {
    let read: HashSet<String> = files::of_run(connection, run.id).await?.into_iter().map(|file| file.key).collect();
    Ok(files::of_run(connection, held.id).await?.iter().all(|file| read.contains(&file.key)))
}

/// Starts a run of the retraining schedule if that follows.
async fn follow_up(
    connection: &mut AsyncPgConnection,
    source: &DataSource,
    run: &SourceRun,
    now: Now,
) -> Result<(), SourceError> {
    let schedule = source.fields.retraining_schedule_id.filter(|_| source.fields.follow_up == FollowUp::Retrain);
    let Some(schedule) = schedule.filter(|_| run.cause != Cause::Recheck) else { return Ok(()) };
    let Some(training) = retraining::after_data(connection, schedule, now.most_waiting, now.at).await? else {
        return Ok(());
    };
    let mut stages = run.stages();
    stages.push(Stage { name: StageName::Training, started_at: now.at, seconds: None, rows: None });
    let changes = RunChanges { retraining_run_id: Some(Some(training)), stages: Some(json!(stages)), ..RunChanges::default() };
    store::change(connection, run.id, changes).await?;
    Ok(())
}

async fn end(
    connection: &mut AsyncPgConnection,
    run: &SourceRun,
    state: RunState,
    now: DateTime<Utc>,
) -> Result<SourceRun, SourceError> {
    let changes = RunChanges { state: Some(state), finished_at: Some(Some(now)), ..RunChanges::default() };
    Ok(store::change(connection, run.id, changes).await?)
}

/// Records how a run ended, for others.
async fn tell(connection: &mut AsyncPgConnection, source: &DataSource, run: &SourceRun, topic: Topic) -> Result<(), SourceError> {
    let bound = |bound: Option<i64>| bound.map(|bound| windows::text(run.cursor_kind, bound));
    let told = json!({
        "data_source": source.id,
        "source_run": run.id,
        "name": source.fields.name,
        "rows": run.rows_read,
        "window_from": bound(run.window_lo),
        "window_to": bound(run.window_hi),
        "problems": run.problems(),
        "error": run.error,
    });
    Ok(projects::record(connection, source.project_id, topic, told).await?)
}

/// Puts a held run to use, at a user's request.
pub async fn accept(services: &Services, id: i64) -> Result<SourceRun, SourceError> {
    let now = Now::of(services);
    let mut connection = services.db.conn().await?;
    let (unused, run) = connection
        .transaction(async move |connection| -> Result<_, SourceError> {
            let (source, run) = lock_held(connection, id, "accepted").await?;
            if run.rows_read > 0 && run.training_data_id.is_none() && run.item_meta_data_id.is_none() {
                return Err(SourceError::NotUsable("The upload of this run has been deleted. Discard the run.".to_owned()));
            }
            let unused = put_to_use(connection, &source, &run, now).await?;
            let run = store::find(connection, id).await?.ok_or(diesel::result::Error::NotFound)?;
            Ok((unused, run))
        })
        .await?;
    drop(connection);
    uploads::remove(services, &unused).await;
    Ok(run)
}

/// Discards a held run with what it brought, at a user's request. The next run reads its window again.
pub async fn discard(services: &Services, id: i64) -> Result<SourceRun, SourceError> {
    let now = services.clock.now();
    let mut connection = services.db.conn().await?;
    let (before, after) = connection
        .transaction(async move |connection| -> Result<_, SourceError> {
            let (_, run) = lock_held(connection, id, "discarded").await?;
            let after = end(connection, &run, RunState::Discarded, now).await?;
            Ok((run, after))
        })
        .await?;
    drop(connection);
    uploads::remove(services, &[before]).await;
    Ok(after)
}

async fn lock_held(
    connection: &mut AsyncPgConnection,
    id: i64,
    changed: &'static str,
) -> Result<(DataSource, SourceRun), SourceError> {
    let found = store::find(connection, id).await?.ok_or(diesel::result::Error::NotFound)?;
    let source = sources::lock(connection, found.data_source_id).await?.ok_or(diesel::result::Error::NotFound)?;
    let run = store::lock(connection, id).await?.ok_or(diesel::result::Error::NotFound)?;
    match run.state {
        RunState::Held => Ok((source, run)),
        state => Err(SourceError::State { state, needed: "held", changed }),
    }
}

/// Records why a run failed, unless it is over already.
pub async fn fail(services: &Services, id: i64, code: Option<&str>, reason: &str) -> Result<(), SourceError> {
    let (now, code, reason) = (services.clock.now(), code.map(str::to_owned), reason.to_owned());
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| {
            let Some((source, run)) = lock_live(connection, id).await? else { return Ok(()) };
            fail_in(connection, (&source, &run), code, reason, now).await
        })
        .await
}

/// Records in the caller's transaction why a run failed. Without a code, that of the last attempt stays.
pub async fn fail_in(
    connection: &mut AsyncPgConnection,
    (source, run): (&DataSource, &SourceRun),
    code: Option<String>,
    reason: String,
    now: DateTime<Utc>,
) -> Result<(), SourceError> {
    let code = code.or_else(|| run.error_code.clone()).unwrap_or_else(|| "interrupted".to_owned());
    let changes = RunChanges {
        state: Some(RunState::Failed),
        error_code: Some(Some(code)),
        error: Some(Some(reason)),
        finished_at: Some(Some(now)),
        ..RunChanges::default()
    };
    let run = store::change(connection, run.id, changes).await?;
    tell(connection, source, &run, Topic::SourceFailed).await
}

/// Returns the report of a run as it is so far.
pub fn report_of(stored: Option<&Value>) -> Report {
    stored.and_then(|report| serde_json::from_value(report.clone()).ok()).unwrap_or_default()
}
