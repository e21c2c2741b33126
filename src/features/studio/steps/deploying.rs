//! Deploying: the model answers in a slot of its project, in which later retrainings replace it.

use diesel_async::AsyncConnection;

use super::Progress;
use super::record::{Found, begin, lock, pass_locked};
use crate::features::accounts::Guarded;
use crate::features::deployments;
use crate::features::projects::Project;
use crate::features::retraining;
use crate::features::studio::error::StudioError;
use crate::features::studio::model::{Changes, Run};
use crate::features::studio::stages::StageDetail;
use crate::platform::services::Services;

/// Deploys the model of a run, which is ready then.
pub async fn run(services: &Services, run: &Run) -> Result<Progress, StudioError> {
    if !begin(services, run).await? {
        return Ok(Progress::Over);
    }
    let (id, stage, now) = (run.id, run.stage, services.clock.now());
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| -> Result<Progress, StudioError> {
            let Some(run) = lock(connection, id, stage).await? else { return Ok(Progress::On) };
            let gone = |what: &str| StudioError::Failed(format!("The {what} of this run has been deleted."));
            let model = run.trained_model_id.ok_or_else(|| gone("model"))?;
            let (project, _) = <Project as Guarded>::load(connection, run.project_id).await?.ok_or_else(|| gone("project"))?;
            let slot = deployments::deploy(connection, project.id, &retraining::slot_name(&project), model, now).await?;
            let detail = StageDetail { slot: Some(slot.fields.name.clone()), ..StageDetail::default() };
            let changes = Changes { slot_id: Some(slot.id), ..Changes::default() };
            pass_locked(connection, &run, Found { detail, changes, ..Found::default() }, now).await?;
            Ok(Progress::Over)
        })
        .await
}
