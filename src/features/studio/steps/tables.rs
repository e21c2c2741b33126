//! The item file of a run, as the engine reads it.

use crate::features::datasets::TrainingDataStatus;
use crate::features::item_metadata::{self, ItemTable};
use crate::features::studio::error::StudioError;
use crate::features::studio::model::Run;
use crate::platform::compute;
use crate::platform::services::Services;

/// Returns the item file of a run in memory; `None` if none was sent.
pub async fn items_of(services: &Services, run: &Run) -> Result<Option<ItemTable>, StudioError> {
    let Some(id) = run.item_meta_data_id else { return Ok(None) };
    let found = item_metadata::find(&mut *services.db.conn().await?, id).await?;
    let Some(metadata) = found else {
        return Err(StudioError::Failed("The item file of this run has been deleted.".to_owned()));
    };
    let key = metadata.prepared_key.clone().filter(|_| metadata.status == TrainingDataStatus::Ready);
    let key = key.ok_or_else(|| StudioError::Failed(metadata.problem()))?;
    let (blobs, memory) = (services.blobs.clone(), services.memory().promise());
    let table = compute::blocking(move || item_metadata::read_within(&blobs, &key, &memory, || Ok(()))).await??;
    Ok(Some(table))
}
