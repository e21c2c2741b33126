//! Reads the new and changed files of a source into one file, and stores it as an upload: one for each run, since a run is judged,
//! held and put to use as a whole.

use diesel_async::AsyncConnection;
use serde_json::json;

use super::reading::{NAMED, Read, Wanted, as_count, begin, end_empty, pull, record, store};
use crate::connectors::{ConnectorError, FileObject};
use crate::features::data_sources::error::SourceError;
use crate::features::data_sources::model::{DataSource, RunChanges, SourceRun, StageName};
use crate::features::data_sources::opening;
use crate::features::data_sources::planning::{self, Plan};
use crate::features::data_sources::quality::Report;
use crate::features::data_sources::service::ending;
use crate::features::data_sources::store::{files, runs};
use crate::platform::queue::CancellationFlag;
use crate::platform::services::Services;

/// Vanished files that a note names.
const SHOWN: usize = 5;

/// Lists the files, reads those that are new or have changed, and stores their rows as an upload that waits to be prepared. A run
/// whose worker was killed lists them again.
pub async fn read(
    services: &Services,
    source: &DataSource,
    run: &SourceRun,
    cancel: &CancellationFlag,
) -> Result<Read, SourceError> {
    let mut stages = begin(services, run).await?;
    let opened = opening::of_source(services, source).await?;
    let plan = planning::plan(services, source, &opened).await?;
    let mut report = report_of(&plan);
    stages.end(StageName::Counting, 0, services.clock.now());
    if plan.files.is_empty() {
        ending::settle(services, run.id, report, Vec::new()).await?;
        return Ok(Read::Ended);
    }
    stages.begin(StageName::Reading, services.clock.now());
    let run = record(services, run.id, RunChanges { stages: Some(stages.stored()), ..RunChanges::default() }).await?;
    let (pulled, file) = pull(services, &opened, Wanted::Files(&plan.files), run.id, cancel).await?;
    let (rows, rejected) = (as_count(pulled.pulled.rows), as_count(pulled.pulled.rejected));
    (report.rows, report.rows_rejected) = (rows + rejected, rejected);
    report.notes.extend(pulled.rejected);
    stages.end(StageName::Reading, rows, services.clock.now());
    if report.rows == 0 {
        remember(services, &run, &pulled.objects).await?;
        return end_empty(services, source, &run, report).await;
    }
    stages.begin(StageName::Preparing, services.clock.now());
    let changes = RunChanges {
        rows_read: Some(report.rows),
        rows_rejected: Some(rejected),
        bytes: Some(as_count(pulled.pulled.bytes)),
        report: Some(json!(report)),
        stages: Some(stages.stored()),
        ..RunChanges::default()
    };
    store(services, source, &run, &opened, file, (changes, pulled.objects)).await?;
    Ok(Read::Stored)
}

/// Records the files of a run that brings no row, so that they are not read again.
async fn remember(services: &Services, run: &SourceRun, read: &[FileObject]) -> Result<(), SourceError> {
    let (id, read) = (run.id, read.to_vec());
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| {
            let run = runs::lock(connection, id).await?.filter(SourceRun::is_live).ok_or(ConnectorError::Stopped)?;
            Ok(files::record(connection, &run, &read).await?)
        })
        .await
}

/// Returns what is known of a run before its files are read.
fn report_of(plan: &Plan) -> Report {
    let mut notes = Vec::new();
    if let Some(first) = plan.vanished.get(..plan.vanished.len().min(SHOWN)).filter(|first| !first.is_empty()) {
        let others = plan.vanished.len() - first.len();
        let more = if others == 0 { String::new() } else { format!(" and {others} more") };
        notes.push(format!("The source no longer has {}{more}. What was read of it stays.", first.join(", ")));
    }
    if plan.left > 0 {
        notes.push(format!("{} more new files are left for the next run.", plan.left));
    }
    Report {
        file_count: i64::try_from(plan.files.len()).unwrap_or(i64::MAX),
        files: plan.files.iter().map(|file| file.key.clone()).take(NAMED).collect(),
        lost_files: plan.lost.clone(),
        notes,
        ..Report::default()
    }
}
