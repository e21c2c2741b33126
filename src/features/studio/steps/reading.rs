//! Reading: every file is imported. Items without interactions become training data without rows.

use diesel_async::AsyncConnection;
use serde_json::Value;

use super::Progress;
use super::record::{Found, begin, lock, pass, pass_locked};
use super::tables::items_of;
use crate::features::datasets::{self, TrainingData};
use crate::features::item_metadata;
use crate::features::studio::error::StudioError;
use crate::features::studio::model::{Changes, Run};
use crate::features::studio::stages::StageDetail;
use crate::platform::services::Services;

/// Imports the files of a run.
pub async fn run(services: &Services, run: &Run) -> Result<Progress, StudioError> {
    if !begin(services, run).await? {
        return Ok(Progress::Over);
    }
    tokio::try_join!(
        import_interactions(services, run),
        import(services, run.item_meta_data_id),
        import(services, run.user_meta_data_id)
    )?;
    let data = match run.training_data_id {
        Some(id) => Some(usable(services, id).await?),
        None => None,
    };
    let detail = detail_of(services, run, data.as_ref()).await?;
    match data {
        Some(data) => {
            let warnings = rejected(data.report.as_ref(), "interactions").into_iter().collect();
            pass(services, run, Found { detail, warnings, ..Found::default() }).await
        }
        None => without_interactions(services, run, detail).await,
    }
}

async fn import_interactions(services: &Services, run: &Run) -> Result<(), StudioError> {
    match run.training_data_id {
        Some(id) => Ok(datasets::prepare_later(services, id).await?),
        None => Ok(()),
    }
}

async fn import(services: &Services, metadata: Option<i64>) -> Result<(), StudioError> {
    match metadata {
        Some(id) => Ok(item_metadata::prepare_later(services, id).await?),
        None => Ok(()),
    }
}

/// Returns training data that has been imported.
async fn usable(services: &Services, id: i64) -> Result<TrainingData, StudioError> {
    let data = datasets::find(&mut *services.db.conn().await?, id).await?;
    let data = data.ok_or_else(|| StudioError::Failed("The interactions of this run have been deleted.".to_owned()))?;
    match data.problem() {
        Some(problem) => Err(StudioError::Failed(problem)),
        None => Ok(data),
    }
}

async fn detail_of(services: &Services, run: &Run, data: Option<&TrainingData>) -> Result<StageDetail, StudioError> {
    let items = match run.item_meta_data_id {
        Some(id) => item_metadata::find(&mut *services.db.conn().await?, id).await?.and_then(|metadata| metadata.report),
        None => None,
    };
    let of_data = |field: &str| data.and_then(|data| data.report.as_ref()).and_then(|report| report[field].as_u64());
    let of_items = |field: &str| items.as_ref().and_then(|report| report[field].as_u64());
    Ok(StageDetail {
        rows: of_data("rows_kept"),
        rejected: Some(of_data("rejected").unwrap_or(0) + of_items("rejected").unwrap_or(0)),
        users: of_data("users"),
        items: of_data("items").or(of_items("items")),
        item_rows: of_items("rows_kept"),
        ..StageDetail::default()
    })
}

/// Returns a sentence about the rows that could not be imported, if there are any.
pub fn rejected(report: Option<&Value>, file: &str) -> Option<String> {
    let report = report?;
    let (rejected, total) = (report["rejected"].as_u64()?, report["rows_total"].as_u64()?);
    let first = &report["rejected_examples"][0];
    let why =
        first["reason"].as_str().map(|reason| format!(" The first is at line {}: {reason}.", first["line"])).unwrap_or_default();
    (rejected > 0).then(|| format!("{rejected} of {total} rows of the file \"{file}\" could not be imported.{why}"))
}

/// Creates training data that has the items of the item file and no interactions.
async fn without_interactions(services: &Services, run: &Run, detail: StageDetail) -> Result<Progress, StudioError> {
    let missing = || StudioError::Failed("This run has neither interactions nor items.".to_owned());
    let items = items_of(services, run).await?.ok_or_else(missing)?;
    let kept = datasets::keep_items_only(services, items.items().clone()).await?;
    let (files, id, stage, now) = (kept.files(), run.id, run.stage, services.clock.now());
    let mut connection = services.db.conn().await?;
    let recorded = connection
        .transaction(async move |connection| -> Result<bool, StudioError> {
            let Some(run) = lock(connection, id, stage).await? else { return Ok(false) };
            let maker = run.created_by.ok_or_else(|| StudioError::Failed("The user of this run has been deleted.".to_owned()))?;
            let data = datasets::add_kept(connection, run.project_id, maker, kept).await?;
            let changes = Changes { training_data_id: Some(data.id), ..Changes::default() };
            pass_locked(connection, &run, Found { detail, changes, ..Found::default() }, now).await?;
            Ok(true)
        })
        .await;
    drop(connection);
    if !matches!(recorded, Ok(true)) {
        datasets::remove_files(services, files).await;
    }
    recorded.map(|_| Progress::On)
}
