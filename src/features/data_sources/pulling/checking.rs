//! Waits for the preparation of an upload, and checks the run.

use serde_json::Value;

use super::stages::Stages;
use crate::features::data_sources::error::SourceError;
use crate::features::data_sources::judging;
use crate::features::data_sources::model::{DataSource, RunChanges, SourceRun, StageName};
use crate::features::data_sources::service::ending;
use crate::features::data_sources::store::runs;
use crate::features::datasets::{self, DataError, PrepareData, TrainingDataStatus};
use crate::features::item_metadata::{self, PrepareItemMetadata};
use crate::platform::services::Services;

/// The preparation of an upload.
struct Preparation {
    group: String,
    status: TrainingDataStatus,
    error: Option<String>,
    report: Value,
}

/// Checks a run whose upload is prepared. Returns the group of the job that prepares it if it is not yet.
pub async fn check(services: &Services, source: &DataSource, run: &SourceRun) -> Result<Option<String>, SourceError> {
    let gone = || SourceError::NotUsable("The upload of this run was deleted before it was checked.".to_owned());
    let preparation = preparation(services, run).await?.ok_or_else(gone)?;
    match preparation.status {
        TrainingDataStatus::Preparing => return Ok(Some(preparation.group)),
        TrainingDataStatus::Failed => {
            let reason = preparation.error.unwrap_or_else(|| "What was read cannot be imported.".to_owned());
            return Err(DataError::NotUsable(reason).into());
        }
        TrainingDataStatus::Ready => {}
    }
    let mut report = ending::report_of(run.report.as_ref());
    report.add_prepared(&preparation.report);
    let (mut stages, now) = (Stages::of(run), services.clock.now());
    stages.end(StageName::Preparing, report.rows_kept, now);
    stages.begin(StageName::Checking, now);
    let problems = judging::judge_run(services, source, run, &mut report).await?;
    stages.end(StageName::Checking, report.rows, services.clock.now());
    let changes = RunChanges { stages: Some(stages.stored()), ..RunChanges::default() };
    runs::change(&mut *services.db.conn().await?, run.id, changes).await?;
    ending::settle(services, run.id, report, problems).await?;
    Ok(None)
}

/// Returns how far the preparation of the upload of a run is; `None` if the upload is gone.
async fn preparation(services: &Services, run: &SourceRun) -> Result<Option<Preparation>, SourceError> {
    let mut connection = services.db.conn().await?;
    if let Some(id) = run.training_data_id {
        let data = datasets::find(&mut connection, id).await?.filter(|data| data.storage_key.is_some());
        return Ok(data.map(|data| Preparation {
            group: PrepareData::group(id),
            status: data.status,
            error: data.error,
            report: data.report.unwrap_or_default(),
        }));
    }
    let Some(id) = run.item_meta_data_id else { return Ok(None) };
    let metadata = item_metadata::find(&mut connection, id).await?.filter(|metadata| metadata.storage_key.is_some());
    Ok(metadata.map(|metadata| Preparation {
        group: PrepareItemMetadata::group(id),
        status: metadata.status,
        error: metadata.error,
        report: metadata.report.unwrap_or_default(),
    }))
}
