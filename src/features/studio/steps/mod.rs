//! The stages of a run, one after the other. Each is safe to repeat: what it creates is recorded in the run within the transaction
//! that creates it.

mod checking;
mod deploying;
mod encoding;
mod reading;
mod record;
mod searching;
mod tables;
mod training;

use super::error::StudioError;
use super::model::{Run, Stage};
use super::store;
use crate::platform::services::Services;

pub use record::give_up;

/// Whether a run has more to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The next stage can begin.
    On,
    /// The jobs of this group have to end first.
    WaitsFor(String),
    Over,
}

/// Goes through the present stage of a run.
pub async fn advance(services: &Services, id: i64) -> Result<Progress, StudioError> {
    let found = store::find(&mut *services.db.conn().await?, id).await?;
    let Some(run) = found.filter(Run::is_live) else { return Ok(Progress::Over) };
    match run.stage {
        Stage::Reading => reading::run(services, &run).await,
        Stage::Checking => checking::run(services, &run).await,
        Stage::Encoding => encoding::run(services, &run).await,
        Stage::Searching => searching::run(services, &run).await,
        Stage::Training => training::run(services, &run).await,
        Stage::Deploying => deploying::run(services, &run).await,
        Stage::Ready => Ok(Progress::Over),
    }
}
