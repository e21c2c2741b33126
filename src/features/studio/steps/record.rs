//! What is recorded about a run between two stages, and at its end.

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use super::Progress;
use crate::features::datasets;
use crate::features::item_metadata;
use crate::features::models;
use crate::features::projects::{self, Topic};
use crate::features::studio::error::StudioError;
use crate::features::studio::model::{Changes, Run, Stage, StudioState};
use crate::features::studio::stages::{StageDetail, StageState, Stages};
use crate::features::studio::store;
use crate::features::tuning;
use crate::platform::services::Services;

/// Marks the present stage as begun; false if the run is over.
pub async fn begin(services: &Services, run: &Run) -> Result<bool, StudioError> {
    let (id, stage, now) = (run.id, run.stage, services.clock.now());
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| -> Result<bool, StudioError> {
            let Some(run) = lock(connection, id, stage).await? else { return Ok(false) };
            let mut stages = Stages::of(&run.stages);
            stages.begin(stage, now);
            store::change(connection, id, Changes { stages: Some(stages.stored()), ..Changes::default() }).await?;
            Ok(true)
        })
        .await
}

/// Returns a run, locked, if it is still at this stage.
pub async fn lock(connection: &mut AsyncPgConnection, id: i64, stage: Stage) -> Result<Option<Run>, StudioError> {
    Ok(store::lock(connection, id).await?.filter(|run| run.is_live() && run.stage == stage))
}

/// What a stage found, and what it changes about its run.
#[derive(Debug, Default)]
pub struct Found {
    pub detail: StageDetail,
    /// Whether there was nothing to do.
    pub skipped: bool,
    pub warnings: Vec<String>,
    pub changes: Changes,
}

/// Ends the present stage and begins the next one, unless the run is over meanwhile.
pub async fn pass(services: &Services, run: &Run, found: Found) -> Result<Progress, StudioError> {
    let (id, stage, now) = (run.id, run.stage, services.clock.now());
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| -> Result<Progress, StudioError> {
            if let Some(run) = lock(connection, id, stage).await? {
                pass_locked(connection, &run, found, now).await?;
            }
            Ok(Progress::On)
        })
        .await
}

/// Ends the present stage of a run that the caller's transaction has locked.
pub async fn pass_locked(
    connection: &mut AsyncPgConnection,
    run: &Run,
    found: Found,
    now: DateTime<Utc>,
) -> Result<(), StudioError> {
    let next = Stage::ALL.iter().copied().skip_while(|stage| *stage != run.stage).nth(1).unwrap_or(Stage::Ready);
    let mut stages = Stages::of(&run.stages);
    stages.end(run.stage, if found.skipped { StageState::Skipped } else { StageState::Done }, found.detail, now);
    let mut changes = Changes { stage: Some(next), ..found.changes };
    if next == Stage::Ready {
        stages.end(next, StageState::Done, StageDetail::default(), now);
        (changes.state, changes.finished_at) = (Some(StudioState::Ready), Some(now));
        let told = json!({ "studio": run.id, "name": run.name, "model": run.trained_model_id, "slot": changes.slot_id });
        projects::record(connection, run.project_id, Topic::StudioReady, told).await?;
    } else {
        stages.begin(next, now);
    }
    changes.stages = Some(stages.stored());
    if !found.warnings.is_empty() {
        changes.warnings = Some(json!(run.warnings().into_iter().chain(found.warnings).collect::<Vec<_>>()));
    }
    store::change(connection, run.id, changes).await?;
    Ok(())
}

/// Marks a run as failed, for a reason that its user reads.
pub async fn give_up(services: &Services, id: i64, reason: &str) -> Result<(), StudioError> {
    let (mut connection, now, reason) = (services.db.conn().await?, services.clock.now(), reason.to_owned());
    let ended = connection
        .transaction(async move |connection| -> Result<Option<(Run, String)>, StudioError> {
            let Some(run) = store::lock(connection, id).await?.filter(Run::is_live) else { return Ok(None) };
            if let Some(search) = run.tuning_job_id {
                tuning::cancel_in(connection, search, now).await?;
            }
            if let Some(model) = run.trained_model_id {
                models::cancel(connection, model, now).await?;
            }
            let mut stages = Stages::of(&run.stages);
            stages.stop(run.stage, StageState::Failed, now);
            let changes = Changes {
                state: Some(StudioState::Failed),
                stages: Some(stages.stored()),
                error: Some(reason.clone()),
                finished_at: Some(now),
                ..Changes::default()
            };
            store::change(connection, id, changes).await?;
            let told = json!({ "studio": id, "name": run.name, "error": reason });
            projects::record(connection, run.project_id, Topic::StudioFailed, told).await?;
            Ok(Some((run, reason)))
        })
        .await?;
    drop(connection);
    match ended {
        Some((run, reason)) => give_up_uploads(services, &run, &reason).await,
        None => Ok(()),
    }
}

/// Records that uploads which are still in preparation cannot be prepared.
async fn give_up_uploads(services: &Services, run: &Run, reason: &str) -> Result<(), StudioError> {
    if let Some(data) = run.training_data_id {
        datasets::give_up(services, data, reason).await?;
    }
    for metadata in [run.item_meta_data_id, run.user_meta_data_id].into_iter().flatten() {
        item_metadata::give_up(services, metadata, reason).await?;
    }
    Ok(())
}
