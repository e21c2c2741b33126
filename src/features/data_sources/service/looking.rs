//! Looks at what a source would read, without storing anything.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::error::SourceError;
use super::super::files::SharedFile;
use super::super::model::{DataSource, Mode, Target};
use super::super::opening::{self, Opened};
use super::super::{planning, uploads};
use crate::connectors::{Estimate, FileObject, PullLimits, Sample, Stop, Window};
use crate::features::datasets::{self, DataError, Upload};
use crate::features::item_metadata::{self, Subject};
use crate::platform::services::Services;

/// Rows of a preview.
const PREVIEWED: u32 = 100;

/// The largest number of rows that a dry run reads, and of their bytes.
const TRIED: u64 = 10_000;
const TRIED_BYTES: u64 = 256 << 20;

/// What a run would read.
#[derive(Debug, Serialize, ToSchema)]
pub struct DryRun {
    /// The source's estimate for the next run.
    estimate: Estimate,
    /// Rows that were read for the report: the first 10,000.
    rows_read: u64,
    /// The report that an upload of these rows would have; null if there are none.
    #[schema(value_type = Option<Object>)]
    report: Option<Value>,
}

/// Returns the first rows of a source, under the names that the project's files have.
pub async fn preview(services: &Services, source: &DataSource) -> Result<Sample, SourceError> {
    if source.fields.mode == Mode::Files {
        services.disk().check().map_err(DataError::from)?;
    }
    let opened = opening::of_source(services, source).await?;
    Ok(opened.connector.sample(&opened.query, PREVIEWED).await?)
}

/// Returns how much the next run would read, and the report on its first rows.
pub async fn dry_run(services: &Services, source: &DataSource) -> Result<DryRun, SourceError> {
    let opened = opening::of_source(services, source).await?;
    let window = window_of(&opened, source).await?;
    let files = match source.fields.mode {
        Mode::Files => Some(planning::plan(services, source, &opened).await?.files),
        Mode::Incremental | Mode::Snapshot => None,
    };
    let estimate = match &files {
        Some(files) => Estimate { rows: None, bytes: bytes_of(files) },
        None => opened.connector.estimate(&opened.query, window).await?,
    };
    let file = SharedFile::create(services).await?;
    let limits = PullLimits { max_bytes: TRIED_BYTES, max_rows: Some(TRIED), ..PullLimits::default() };
    let stop = Stop::default();
    let _stops_when_dropped = stop.on_drop();
    let into = Box::new(file.clone());
    let (query, connector) = (&opened.query, &opened.connector);
    let pulled = match &files {
        Some(files) => connector.pull_files(query, files, into, &limits, &|_, _| {}, &stop).await?.pulled,
        None => connector.pull(query, window, into, &limits, &|_, _| {}, &stop).await?,
    };
    let report = if pulled.rows == 0 { None } else { Some(report_on(services, source, &opened, file).await?) };
    Ok(DryRun { estimate, rows_read: pulled.rows, report })
}

fn bytes_of(files: &[FileObject]) -> i64 {
    files.iter().filter_map(|file| file.size).sum::<u64>().try_into().unwrap_or(i64::MAX)
}

/// Returns the window of the next run; `None` if everything is read.
async fn window_of(opened: &Opened, source: &DataSource) -> Result<Option<Window>, SourceError> {
    if source.fields.mode != Mode::Incremental {
        return Ok(None);
    }
    Ok(Some(Window { lo: source.position, hi: opened.end_of_window(source).await? }))
}

async fn report_on(services: &Services, source: &DataSource, opened: &Opened, file: SharedFile) -> Result<Value, SourceError> {
    let upload = Upload { name: uploads::file_name(&source.fields.name, 0, &opened.query), received: file.finish()? };
    let (target, project) = (source.fields.target, &opened.project);
    let subject = match target {
        Target::Interactions => return Ok(datasets::report_on(services, project, upload).await?),
        Target::Items => Subject::Item,
        Target::Users => Subject::User,
    };
    let id_column = source.fields.query().id_column(target, &project.fields);
    Ok(item_metadata::report_on(services, (project, subject), upload, id_column).await?)
}
