//! Training: the winner learns from everything.

use super::Progress;
use super::record::{Found, begin, pass};
use crate::features::models::{self, ModelStatus, TrainedModel};
use crate::features::studio::error::StudioError;
use crate::features::studio::model::{Run, Stage};
use crate::features::studio::stages::{StageDetail, Stages};
use crate::platform::services::Services;

/// Looks after the training of a run.
pub async fn run(services: &Services, run: &Run) -> Result<Progress, StudioError> {
    if !begin(services, run).await? {
        return Ok(Progress::Over);
    }
    let model = match run.trained_model_id {
        Some(id) => models::find(&mut *services.db.conn().await?, id).await?,
        None => None,
    };
    let Some(model) = model else {
        return Err(StudioError::Failed("The model of this run has been deleted.".to_owned()));
    };
    match model.status {
        ModelStatus::Pending | ModelStatus::Running => Ok(Progress::WaitsFor(TrainedModel::group(model.id))),
        ModelStatus::Failed => {
            Err(StudioError::Failed(model.error.unwrap_or_else(|| "The model could not be trained.".to_owned())))
        }
        ModelStatus::Completed => {
            let count = |number: Option<i32>| number.and_then(|number| u64::try_from(number).ok());
            let detail = StageDetail {
                algorithm: Stages::of(&run.stages).detail(Stage::Searching).algorithm,
                users: count(model.n_users),
                items: count(model.n_items),
                ..StageDetail::default()
            };
            pass(services, run, Found { detail, ..Found::default() }).await
        }
    }
}
