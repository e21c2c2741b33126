//! Decisions about models: creation, deletion and files.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncConnection, AsyncPgConnection};

use super::artifacts::{self, VerifiedFile};
use super::cache::ModelCache;
use super::error::ModelError;
use super::model::{TrainModel, TrainedModel};
use super::signing::Keyring;
use super::store;
use crate::features::accounts::Tenant;
use crate::features::datasets::PREVIEWS;
use crate::features::projects::{self, Kind};
use crate::platform::db::finishing;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::queue::{self, EnqueueOptions};
use crate::platform::services::Services;

/// Stores a model to be trained and enqueues its training in one transaction.
pub async fn create(connection: &mut AsyncPgConnection, configuration_id: i64, data_id: i64) -> QueryResult<TrainedModel> {
    create_from(connection, configuration_id, data_id, None).await
}

/// Creates a model as [`create`] does, on behalf of a user. Fails if the organisation of the project has `most_waiting` jobs already.
pub async fn create_asked(
    connection: &mut AsyncPgConnection,
    configuration: i64,
    data: i64,
    project: i64,
    most_waiting: u32,
) -> ApiResult<TrainedModel> {
    connection
        .transaction(async move |connection| {
            let model = create(connection, configuration, data).await?;
            projects::admit_jobs(connection, project, 1, most_waiting).await??;
            Ok(model)
        })
        .await
}

/// Creates a model, as [`create`] does, whose training starts from another model if the algorithm can.
pub async fn create_from(
    connection: &mut AsyncPgConnection,
    configuration_id: i64,
    data_id: i64,
    warm_start_from: Option<i64>,
) -> QueryResult<TrainedModel> {
    connection
        .transaction(async move |connection| {
            let model = store::insert(connection, configuration_id, data_id).await?;
            let turn = projects::of_data(connection, data_id).await?.turn(connection).await?;
            let options = EnqueueOptions { group_key: Some(TrainedModel::group(model.id)), turn, ..EnqueueOptions::default() };
            queue::enqueue(connection, &TrainModel { trained_model_id: model.id, warm_start_from }, options).await?;
            store::announce(connection, model.id).await?;
            Ok(model)
        })
        .await
}

/// Ends the training of a model, if it waits or runs, in the caller's transaction.
pub async fn cancel(connection: &mut AsyncPgConnection, id: i64, now: DateTime<Utc>) -> QueryResult<()> {
    if store::fail(connection, id, "Cancelled by a user.", now).await? {
        queue::cancel_group(connection, &TrainedModel::group(id)).await?;
        store::announce(connection, id).await?;
    }
    Ok(())
}

/// Deletes a model with its file and stops its training.
pub async fn delete(services: &Services, cache: Arc<ModelCache>, id: i64) -> ApiResult<()> {
    let services = services.clone();
    let deleting = async move {
        projects::remove(&services, Kind::TrainedModel, id).await?;
        cache.forget(id);
        // Without its model, a training would fail in any case, only later.
        queue::cancel_group(&mut *services.db.conn().await?, &TrainedModel::group(id)).await?;
        Ok(())
    };
    finishing(deleting).await.map_err(|error| ApiError::internal(&error))?
}

/// Returns the file of a model for a download, after verifying it.
pub async fn file(services: &Services, model: TrainedModel) -> ApiResult<Result<VerifiedFile, ModelError>> {
    let tenant = projects::tenant_of_data(&mut *services.db.conn().await?, model.data_id).await?;
    let (keys, blobs, id) = (Keyring::of(services), services.blobs.clone(), model.id);
    let opened = in_turn(tenant, move || artifacts::open_file(&blobs, &keys, &model)).await;
    if let Some(details) = opened.as_ref().err().and_then(ModelError::details) {
        tracing::error!(model = id, details, "the file of a model was not handed out");
    }
    Ok(opened)
}

/// Runs a check in a place of a tenant, since verifying reads a whole file. The place is held until it ends, even if its caller has
/// left.
async fn in_turn<T: Send + 'static>(
    tenant: Tenant,
    check: impl FnOnce() -> Result<T, ModelError> + Send + 'static,
) -> Result<T, ModelError> {
    let turn = PREVIEWS.admit(Some(tenant.party())).await?;
    let checked = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        check()
    });
    checked.await.map_err(|error| ModelError::Crashed(error.to_string()))?
}

/// Removes the file of a model and keeps the row. Fails while the model is being trained or is in use.
pub async fn unlink(services: &Services, cache: Arc<ModelCache>, model: TrainedModel) -> ApiResult<TrainedModel> {
    if model.is_live() {
        return Err(ApiError::conflict("This model is still being trained; there is no file to remove yet."));
    }
    let (services, id) = (services.clone(), model.id);
    let unlinking = async move {
        let mut connection = services.db.conn().await?;
        let bare = connection
            .transaction(async move |connection| -> ApiResult<TrainedModel> {
                projects::refuse_while_live(connection, Kind::TrainedModel, id).await?;
                Ok(store::unlink(connection, id).await?)
            })
            .await?;
        cache.forget(id);
        remove_file(&services, model.storage_key).await?;
        Ok(bare)
    };
    finishing(unlinking).await.map_err(|error| ApiError::internal(&error))?
}

async fn remove_file(services: &Services, key: Option<String>) -> ApiResult<()> {
    let Some(key) = key else { return Ok(()) };
    let blobs = services.blobs.clone();
    let removed = tokio::task::spawn_blocking(move || artifacts::remove(&blobs, &key)).await;
    removed.map_err(|error| ApiError::internal(&error))?.map_err(|error| ApiError::internal(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_check_whose_caller_has_left_still_holds_its_place() {
        const TENANT: Tenant = Tenant::Organisation(8);
        let places = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (release, hold) = tokio::sync::watch::channel(());
        for _ in 0..places {
            let (started, is_started) = tokio::sync::oneshot::channel();
            let (mut hold, runtime) = (hold.clone(), tokio::runtime::Handle::current());
            let left = tokio::spawn(in_turn(TENANT, move || {
                let _ = started.send(());
                let _ = runtime.block_on(hold.changed());
                Ok(())
            }));
            is_started.await.unwrap();
            left.abort();
            assert!(left.await.unwrap_err().is_cancelled());
        }
        let mut next = Box::pin(in_turn(TENANT, || Ok(())));
        let moment = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(moment, &mut next).await.is_err(), "the first checks are still running");
        drop(release);
        next.await.unwrap();
    }
}
