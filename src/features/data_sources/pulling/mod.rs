//! A run: the window is fixed and counted, its rows are read into a file, the file becomes an upload, and once that is prepared it is
//! checked against the guards. Of files, those that are new or have changed are read in place of a window. Every step is recorded with what it did in one transaction, so that a run goes on where a killed
//! worker left it.

mod checking;
mod files;
mod reading;
mod stages;

use super::error::SourceError;
use super::model::{Mode, RunChanges, SourceRun};
use super::service::ending;
use super::store::{runs, sources};
use crate::platform::queue::CancellationFlag;
use crate::platform::services::Services;

/// Whether a run has more to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Not before the jobs of this group are over.
    WaitsFor(String),
    Over,
}

/// Advances a run as far as possible at present.
pub async fn advance(services: &Services, id: i64, cancel: &CancellationFlag) -> Result<Progress, SourceError> {
    loop {
        let mut connection = services.db.conn().await?;
        let Some(run) = runs::find(&mut connection, id).await?.filter(SourceRun::is_live) else { return Ok(Progress::Over) };
        let Some(source) = sources::find(&mut connection, run.data_source_id).await? else { return Ok(Progress::Over) };
        drop(connection);
        if run.training_data_id.is_some() || run.item_meta_data_id.is_some() {
            match checking::check(services, &source, &run).await? {
                Some(group) => return Ok(Progress::WaitsFor(group)),
                None => return Ok(Progress::Over),
            }
        }
        let read = match source.fields.mode {
            Mode::Files => files::read(services, &source, &run, cancel).await?,
            Mode::Incremental | Mode::Snapshot => reading::read(services, &source, &run, cancel).await?,
        };
        if read == reading::Read::Ended {
            return Ok(Progress::Over);
        }
    }
}

/// Notes why an attempt failed, so that its code is known if it was the last one.
pub async fn note_failure(services: &Services, id: i64, error: &SourceError) {
    let changes = RunChanges {
        error_code: Some(Some(error.code().to_owned())),
        error: Some(Some(error.to_string())),
        ..RunChanges::default()
    };
    let noted = async {
        let mut connection = services.db.conn().await?;
        runs::change(&mut connection, id, changes).await?;
        Ok::<_, SourceError>(())
    };
    if let Err(error) = noted.await {
        tracing::warn!(%error, run = id, "the failure of an attempt could not be noted");
    }
}

/// Ends a run that cannot go on.
pub async fn give_up(services: &Services, id: i64, reason: &str) -> Result<(), SourceError> {
    ending::fail(services, id, None, reason).await
}
