//! Reads the rows of a run into a file, and stores it as an upload.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel_async::AsyncConnection;
use serde_json::json;

use super::stages::Stages;
use crate::connectors::{ConnectorError, EntryKind, FileObject, PullLimits, PulledFiles, Source, Stop, Window};
use crate::features::data_sources::error::SourceError;
use crate::features::data_sources::files::SharedFile;
use crate::features::data_sources::model::{DataSource, Mode, RunChanges, RunState, SourceRun, StageName, Target};
use crate::features::data_sources::opening::{self, Opened};
use crate::features::data_sources::quality::{Column, Report};
use crate::features::data_sources::service::ending;
use crate::features::data_sources::store::{files as recorded, runs};
use crate::features::data_sources::{judging, uploads, windows};
use crate::features::datasets::{self, DataError, KeptUpload, Received, Upload, remove_files};
use crate::features::item_metadata::{self, KeptMetadata, Subject};
use crate::features::projects;
use crate::platform::queue::CancellationFlag;
use crate::platform::services::Services;

/// The time between two records of how much has been read.
const TICK: Duration = Duration::from_secs(2);

/// Files that are named where an upload comes from.
pub(super) const NAMED: usize = 100;

/// Whether a run has an upload now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    Stored,
    /// It is over: there was nothing to read.
    Ended,
}

/// Marks a run as running, and begins its first stage.
pub(super) async fn begin(services: &Services, run: &SourceRun) -> Result<Stages, SourceError> {
    let mut stages = Stages::of(run);
    stages.begin(StageName::Counting, services.clock.now());
    let begun = RunChanges { state: Some(RunState::Running), stages: Some(stages.stored()), ..started(services, run) };
    record(services, run.id, begun).await?;
    Ok(stages)
}

/// Fixes the window of a run, reads its rows, and stores them as an upload that waits to be prepared.
pub async fn read(
    services: &Services,
    source: &DataSource,
    run: &SourceRun,
    cancel: &CancellationFlag,
) -> Result<Read, SourceError> {
    let mut stages = begin(services, run).await?;
    let opened = opening::of_source(services, source).await?;
    let window = if source.fields.mode == Mode::Incremental {
        let Some(window) = window_of(&opened, source, run).await? else {
            ending::end_without_window(services, run.id).await?;
            return Ok(Read::Ended);
        };
        Some(window)
    } else {
        None
    };
    let mut report = Report { columns: columns(&opened).await?, ..Report::default() };
    let mut counted = None;
    if window.is_some() {
        let count = opened.connector.count(&opened.query, window).await?;
        report.null_cursors = count.null_cursors;
        stages.end(StageName::Counting, count.rows, services.clock.now());
        counted = Some(count);
    } else {
        stages.end(StageName::Counting, 0, services.clock.now());
    }
    stages.begin(StageName::Reading, services.clock.now());
    let changes = RunChanges {
        window_lo: window.map(|window| window.lo),
        window_hi: window.map(|window| Some(window.hi)),
        null_cursors: Some(report.null_cursors),
        stages: Some(stages.stored()),
        ..RunChanges::default()
    };
    let run = record(services, run.id, changes).await?;
    let reads_nulls = source.fields.reads_null_cursors();
    if counted.is_some_and(|count| count.rows == 0 && (count.null_cursors == 0 || !reads_nulls)) {
        return end_empty(services, source, &run, report).await;
    }
    let (PulledFiles { pulled, .. }, file) = pull(services, &opened, Wanted::Rows(window), run.id, cancel).await?;
    let (rows, rejected) = (as_count(pulled.rows), as_count(pulled.rejected));
    (report.rows, report.rows_rejected) = (rows + rejected, rejected);
    report.null_cursors = report.null_cursors.max(as_count(pulled.null_cursors));
    stages.end(StageName::Reading, rows, services.clock.now());
    if report.rows == 0 {
        return end_empty(services, source, &run, report).await;
    }
    if is_unchanged(services, source, &run, &file).await? {
        ending::settle(services, run.id, Report { rows: 0, ..report }, Vec::new()).await?;
        return Ok(Read::Ended);
    }
    stages.begin(StageName::Preparing, services.clock.now());
    let changes = RunChanges {
        rows_read: Some(report.rows),
        rows_rejected: Some(rejected),
        bytes: Some(as_count(pulled.bytes)),
        report: Some(json!(report)),
        stages: Some(stages.stored()),
        ..RunChanges::default()
    };
    store(services, source, &run, &opened, file, (changes, Vec::new())).await?;
    Ok(Read::Stored)
}

pub(super) fn as_count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Returns the changes of a run that begins, or begins again.
fn started(services: &Services, run: &SourceRun) -> RunChanges {
    let started_at = run.started_at.unwrap_or_else(|| services.clock.now());
    RunChanges { started_at: Some(started_at), rows_read: Some(0), bytes: Some(0), ..RunChanges::default() }
}

pub(super) async fn record(services: &Services, id: i64, changes: RunChanges) -> Result<SourceRun, SourceError> {
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| {
            // It may have been cancelled meanwhile.
            runs::lock(connection, id).await?.filter(SourceRun::is_live).ok_or(ConnectorError::Stopped)?;
            Ok(runs::change(connection, id, changes).await?)
        })
        .await
}

/// Returns the window of a run: the one that it was given, or the next one. `None` if that is empty.
async fn window_of(opened: &Opened, source: &DataSource, run: &SourceRun) -> Result<Option<Window>, SourceError> {
    if let Some(window) = run.window() {
        return Ok(Some(window));
    }
    Ok(windows::next(source.position, opened.end_of_window(source).await?))
}

/// Returns the columns of the table that is read; none for a statement.
async fn columns(opened: &Opened) -> Result<Vec<Column>, SourceError> {
    let Source::Table(table) = &opened.query.from else { return Ok(Vec::new()) };
    let listing = opened.connector.browse(&[table.schema.clone(), table.table.clone()]).await?;
    let columns = listing.entries.into_iter().filter(|entry| entry.kind == EntryKind::Column);
    Ok(columns.map(|entry| Column { name: entry.name, data_type: entry.data_type }).collect())
}

/// Ends a run that read no row.
pub(super) async fn end_empty(
    services: &Services,
    source: &DataSource,
    run: &SourceRun,
    mut report: Report,
) -> Result<Read, SourceError> {
    let problems = judging::judge_run(services, source, run, &mut report).await?;
    ending::settle(services, run.id, report, problems).await?;
    Ok(Read::Ended)
}

/// What is read.
pub(super) enum Wanted<'a> {
    /// The rows of a window, or all.
    Rows(Option<Window>),
    Files(&'a [FileObject]),
}

/// Reads rows into a file, and records how far it is.
pub(super) async fn pull(
    services: &Services,
    opened: &Opened,
    wanted: Wanted<'_>,
    run: i64,
    cancel: &CancellationFlag,
) -> Result<(PulledFiles, Received), SourceError> {
    let file = SharedFile::create(services).await?;
    let limits = PullLimits { max_bytes: services.settings.max_expanded_bytes, ..PullLimits::default() };
    let (rows, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let progress = |read: u64, size: u64| {
        rows.store(read, Ordering::Relaxed);
        bytes.store(size, Ordering::Relaxed);
    };
    let stop = Stop::default();
    let _stops_when_dropped = stop.on_drop();
    let mut ticks = tokio::time::interval(TICK);
    let (query, into) = (&opened.query, Box::new(file.clone()));
    let mut pulling = pin!(async {
        match wanted {
            Wanted::Files(files) => opened.connector.pull_files(query, files, into, &limits, &progress, &stop).await,
            Wanted::Rows(window) => {
                let pulled = opened.connector.pull(query, window, into, &limits, &progress, &stop).await?;
                Ok(PulledFiles { pulled, ..PulledFiles::default() })
            }
        }
    });
    let pulled = loop {
        tokio::select! {
            pulled = &mut pulling => break pulled?,
            () = cancel.cancelled() => return Err(ConnectorError::Stopped.into()),
            _ = ticks.tick() => {
                services.disk().check().map_err(DataError::from)?;
                let (rows, bytes) = (rows.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed));
                let mut connection = services.db.conn().await?;
                runs::set_progress(&mut connection, run, as_count(rows), as_count(bytes)).await?;
            }
        }
    };
    Ok((pulled, file.finish()?))
}

/// Returns whether a snapshot has the bytes of the one before.
async fn is_unchanged(services: &Services, source: &DataSource, run: &SourceRun, file: &Received) -> Result<bool, SourceError> {
    if source.fields.mode != Mode::Snapshot {
        return Ok(false);
    }
    let mut connection = services.db.conn().await?;
    let last = runs::with_rows(&mut connection, source.id, 1).await?.pop().filter(|last| last.id != run.id);
    let Some(data) = last.and_then(|last| last.training_data_id) else { return Ok(false) };
    let former = datasets::find(&mut connection, data).await?;
    Ok(former.is_some_and(|former| former.problem().is_none() && former.sha256.as_ref() == Some(&file.sha256)))
}

/// An upload whose file is stored and whose row has to be written.
enum Kept {
    Data(KeptUpload),
    Metadata(KeptMetadata),
}

impl Kept {
    fn files(&self) -> Vec<String> {
        match self {
            Self::Data(kept) => kept.files(),
            Self::Metadata(kept) => kept.files(),
        }
    }
}

/// Stores the file of a run as an upload which is held, and enqueues its preparation, all at once, with the files that were read.
/// Does nothing if the run is over or has an upload.
pub(super) async fn store(
    services: &Services,
    source: &DataSource,
    run: &SourceRun,
    opened: &Opened,
    file: Received,
    (changes, read): (RunChanges, Vec<FileObject>),
) -> Result<(), SourceError> {
    let size = file.size;
    let upload = Upload { name: uploads::file_name(&source.fields.name, run.id, &opened.query), received: file };
    let target = source.fields.target;
    let kept = match target {
        Target::Interactions => Kept::Data(datasets::keep_upload(services, upload).await?),
        Target::Items | Target::Users => {
            let subject = if target == Target::Items { Subject::Item } else { Subject::User };
            let id_column = source.fields.query().id_column(target, &opened.project.fields);
            Kept::Metadata(item_metadata::keep_metadata(services, subject, upload, id_column).await?)
        }
    };
    let files = kept.files();
    let (id, project, maker) = (run.id, source.project_id, source.created_by);
    let allowed = services.settings.max_stored_bytes_per_organisation;
    let mut connection = services.db.conn().await?;
    let stored = connection
        .transaction(async move |connection| -> Result<(), SourceError> {
            let run = runs::lock(connection, id).await?.filter(SourceRun::is_live);
            let run = run.filter(|run| run.training_data_id.is_none() && run.item_meta_data_id.is_none());
            let run = run.ok_or(ConnectorError::Stopped)?;
            let names = read.iter().map(|file| file.key.clone()).take(NAMED).collect();
            let origin = uploads::origin(&run, names);
            recorded::record(connection, &run, &read).await?;
            let changes = match kept {
                Kept::Data(kept) => {
                    let data = datasets::add_pulled(connection, project, maker, kept, &origin).await?;
                    RunChanges { training_data_id: Some(Some(data.id)), ..changes }
                }
                Kept::Metadata(kept) => {
                    let metadata = item_metadata::add_pulled(connection, project, maker, kept, &origin).await?;
                    RunChanges { item_meta_data_id: Some(Some(metadata.id)), ..changes }
                }
            };
            runs::change(connection, id, changes).await?;
            projects::refuse_excess(connection, project, size, allowed).await??;
            Ok(())
        })
        .await;
    drop(connection);
    if stored.is_err() {
        remove_files(services, files).await;
    }
    stored
}
