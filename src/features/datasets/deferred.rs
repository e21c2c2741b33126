//! Preparation by a job: of large uploads, and of data that was combined from several sources.

use diesel_async::AsyncConnection;
use serde_json::Value;

use super::error::DataError;
use super::model::{FileKeys, TrainingData, TrainingDataStatus};
use super::service::{keep_prepared, remove_files, stoppable, stored_bytes};
use super::store::PreparationEnd;
use super::{notices, preparation, store, unpacked};
use crate::features::accounts::Guarded;
use crate::features::projects::{self, Project};
use crate::platform::compute;
use crate::platform::services::Services;
use crate::platform::tabular::ReadOptions;

/// Prepares data that was not prepared on arrival: a large upload, or combined data.
pub async fn prepare_later(services: &Services, id: i64) -> Result<(), DataError> {
    let mut connection = services.db.conn().await?;
    let Some(data) = store::find(&mut connection, id).await?.filter(|data| data.status == TrainingDataStatus::Preparing) else {
        return Ok(());
    };
    let Some((project, _)) = <Project as Guarded>::load(&mut connection, data.project_id).await? else {
        return Ok(());
    };
    drop(connection);
    let Some(keys) = data.keys() else { return Ok(()) };
    services.disk().check()?;
    let mut options = options_of(services, &project, &data);
    let name = data.basename.clone().unwrap_or_default();
    let (blobs, into, largest_expanded) = (services.blobs.clone(), keys.clone(), services.settings.max_expanded_bytes);
    let (threads, memory) = (compute::threads(&services.settings, 1), services.memory().promise());
    let prepared = stoppable(move |stop| {
        options.stop = stop.clone();
        let (path, name) = unpacked::readable(&blobs, &into.upload(), &name, largest_expanded, stop)?;
        let prepared = preparation::prepare(&path, &name, &options, largest_expanded, threads, &memory)?;
        Ok((keep_prepared(&blobs, &into, prepared)?, stored_bytes(&blobs, &into)?))
    });
    let (report, stored_bytes) = prepared.await?;
    let kept = match record_prepared(services, &data, &keys, report, stored_bytes).await {
        Err(error @ DataError::TooManyStoredBytes(_)) => {
            remove_files(services, vec![keys.prepared(), keys.rejected()]).await;
            return Err(error);
        }
        kept => kept?,
    };
    let mut connection = services.db.conn().await?;
    // Deleted or replaced in the meantime: no row refers to these files. (If another worker has prepared it, they are in use.)
    if !kept && store::find(&mut connection, id).await?.and_then(|data| data.keys()).as_ref() != Some(&keys) {
        remove_files(services, keys.all().to_vec()).await;
    }
    Ok(())
}

/// Records that data is prepared; false when it has gone or was replaced meanwhile. Fails if the organisation may not store what was
/// prepared.
async fn record_prepared(
    services: &Services,
    data: &TrainingData,
    keys: &FileKeys,
    report: Value,
    stored_bytes: i64,
) -> Result<bool, DataError> {
    let (id, project, key) = (data.id, data.project_id, keys.upload());
    let added = stored_bytes.saturating_sub(data.stored_bytes).max(0).unsigned_abs();
    let end = PreparationEnd {
        status: TrainingDataStatus::Ready,
        prepared_key: Some(keys.prepared()),
        report: Some(report),
        error: None,
        stored_bytes: Some(stored_bytes),
    };
    let allowed = services.settings.max_stored_bytes_per_organisation;
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| -> Result<bool, DataError> {
            let kept = store::end_preparation(connection, id, &key, end).await?;
            if kept {
                notices::tell_end(connection, id).await?;
                projects::refuse_excess(connection, project, added, allowed).await??;
            }
            Ok(kept)
        })
        .await
}

fn options_of(services: &Services, project: &Project, data: &TrainingData) -> ReadOptions {
    let size = data.filesize.and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
    preparation::options_for(project, size, services.settings.max_expanded_bytes, data.stored_at)
}

/// Records that an upload cannot be prepared.
pub async fn give_up(services: &Services, id: i64, reason: &str) -> Result<(), DataError> {
    let mut connection = services.db.conn().await?;
    if let Some(keys) = store::find(&mut connection, id).await?.and_then(|data| data.keys()) {
        let end = PreparationEnd {
            status: TrainingDataStatus::Failed,
            prepared_key: None,
            report: None,
            error: Some(reason.to_owned()),
            stored_bytes: None,
        };
        let recorded = connection.transaction(async move |connection| -> Result<(), DataError> {
            if store::end_preparation(connection, id, &keys.upload(), end).await? {
                notices::tell_end(connection, id).await?;
            }
            Ok(())
        });
        recorded.await?;
    }
    Ok(())
}
