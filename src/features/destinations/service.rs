//! Decisions about destinations: when they are due, and when there is a delivery.

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use super::error::DestinationError;
use super::files::ListFormat;
use super::model::{DeliverLists, Delivery, DeliveryCause, DeliveryState, Destination, DestinationFields, NewDelivery};
use super::{parts, store};
use crate::features::accounts::Guarded;
use crate::features::deployments::DeploymentSlot;
use crate::features::item_metadata::{self, Subject};
use crate::features::models::{self, ModelError};
use crate::features::projects::{self, Topic};
use crate::platform::blobs::Blobs;
use crate::platform::compute;
use crate::platform::queue::{self, EnqueueOptions};
use crate::platform::services::Services;

/// Entries of the lists of one part: a few seconds of work, which an interrupted delivery repeats at most.
const ENTRIES_OF_PART: i64 = 1 << 23;

/// Deletes a destination with its deliveries and their files; one that is under way is cancelled.
pub async fn delete(services: &Services, id: i64) -> Result<(), DestinationError> {
    let mut connection = services.db.conn().await?;
    let gone = connection
        .transaction(async move |connection| -> Result<Vec<Delivery>, DestinationError> {
            store::lock(connection, id).await?;
            let gone = store::delete(connection, id).await?;
            for delivery in gone.iter().filter(|delivery| delivery.is_live()) {
                queue::cancel_group(connection, &Delivery::group(delivery.id)).await?;
            }
            Ok(gone)
        })
        .await?;
    remove_files(&services.blobs, gone).await;
    Ok(())
}

/// Removes the files of deliveries. What cannot be removed takes space until it is swept.
async fn remove_files(blobs: &Blobs, gone: Vec<Delivery>) {
    let blobs = blobs.clone();
    let remove = move || {
        gone.iter().try_for_each(|delivery| {
            delivery.storage_key.as_ref().map_or(Ok(()), |key| blobs.remove(key))?;
            parts::remove(&blobs, delivery.id)
        })
    };
    match compute::blocking(remove).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "files of deliveries could not be removed"),
        Err(error) => tracing::warn!(%error, "removing files of deliveries stopped unexpectedly"),
    }
}

/// Why a delivery is started.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    pub cause: DeliveryCause,
    pub user: Option<i64>,
    /// The retraining run that it follows.
    pub retraining_run: Option<i64>,
}

/// Starts a delivery now, at a user's request.
pub async fn run(
    connection: &mut AsyncPgConnection,
    destination: i64,
    user: i64,
    most_waiting: u32,
) -> Result<Delivery, DestinationError> {
    connection
        .transaction(async move |connection| {
            let destination = store::lock(connection, destination).await?.ok_or(DestinationError::Gone)?;
            let start = Start { cause: DeliveryCause::Manual, user: Some(user), retraining_run: None };
            begin(connection, &destination, start, most_waiting).await
        })
        .await
}

/// Creates and enqueues a delivery with the present model, unless one is under way. The caller has locked the destination. Fails,
/// with nothing stored, if the organisation of the project has `most_waiting` jobs already.
async fn begin(
    connection: &mut AsyncPgConnection,
    destination: &Destination,
    start: Start,
    most_waiting: u32,
) -> Result<Delivery, DestinationError> {
    if store::under_way(connection, destination.id).await?.is_some() {
        return Err(DestinationError::UnderWay);
    }
    let model = model_of(connection, &destination.fields).await?.ok_or(DestinationError::WithoutModel)?;
    let items = item_metadata::newest(connection, destination.project_id, Subject::Item).await?;
    let delivery = NewDelivery { trained_model_id: Some(model.id), items_key: items, ..new(destination, start) };
    connection
        .transaction(async move |connection| {
            let delivery = store::insert_delivery(connection, delivery).await?;
            enqueue(connection, &delivery, most_waiting).await?;
            Ok(delivery)
        })
        .await
}

fn new(destination: &Destination, start: Start) -> NewDelivery {
    let fields = &destination.fields;
    NewDelivery {
        project_id: destination.project_id,
        destination_id: destination.id,
        cause: start.cause,
        triggered_by: start.user,
        retraining_run_id: start.retraining_run,
        lists: fields.lists,
        cutoff: fields.cutoff,
        exclude_seen: fields.exclude_seen,
        diversity: fields.diversity,
        // A table is filled from rows.
        format: if fields.target.is_some() { ListFormat::Csv } else { fields.format },
        trained_model_id: None,
        items_key: None,
        part_lists: (ENTRIES_OF_PART / i64::from(fields.cutoff).max(1)).max(1),
        connection_id: fields.connection_id,
        target: fields.target.clone(),
    }
}

/// Starts a delivery without a user, unless one is under way. One that cannot begin is recorded as failed. The caller has locked
/// the destination.
pub async fn start_or_refuse(
    connection: &mut AsyncPgConnection,
    destination: &Destination,
    start: Start,
    most_waiting: u32,
    now: DateTime<Utc>,
) -> Result<(), DestinationError> {
    match begin(connection, destination, start, most_waiting).await {
        Ok(_) => Ok(()),
        Err(DestinationError::UnderWay) => {
            tracing::info!(destination = destination.id, "a delivery is skipped: the one before is under way");
            Ok(())
        }
        Err(refusal) if refusal.is_refusal() => {
            let delivery = store::insert_delivery(connection, new(destination, start)).await?;
            fail(connection, &delivery, &refusal.to_string(), now).await
        }
        Err(error) => Err(error),
    }
}

/// Returns the model of a destination, which must have a file; `None` if it is gone.
pub async fn model_of(
    connection: &mut AsyncPgConnection,
    fields: &DestinationFields,
) -> Result<Option<models::TrainedModel>, DestinationError> {
    let id = match (fields.model_id, fields.slot_id) {
        (Some(model), _) => Some(model),
        (None, Some(slot)) => DeploymentSlot::load(connection, slot).await?.map(|(slot, _)| slot.fields.trained_model_id),
        (None, None) => None,
    };
    let Some(id) = id else { return Ok(None) };
    let model = models::find(connection, id).await?;
    if let Some(model) = model.as_ref().filter(|model| !model.has_file()) {
        return Err(ModelError::without_file(model).into());
    }
    Ok(model)
}

async fn enqueue(connection: &mut AsyncPgConnection, delivery: &Delivery, most_waiting: u32) -> Result<(), DestinationError> {
    let options = EnqueueOptions {
        unique_key: Some(Delivery::group(delivery.id)),
        group_key: Some(Delivery::group(delivery.id)),
        turn: projects::turn_of(connection, delivery.project_id).await?,
        ..EnqueueOptions::default()
    };
    queue::enqueue(connection, &DeliverLists { delivery_id: delivery.id }, options).await?;
    projects::admit_jobs(connection, delivery.project_id, 1, most_waiting).await??;
    Ok(())
}

/// Records why a delivery failed; without effect if it is gone or has ended already.
pub async fn fail(
    connection: &mut AsyncPgConnection,
    delivery: &Delivery,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), DestinationError> {
    if store::end(connection, delivery.id, DeliveryState::Failed, Some(reason), now).await? {
        let name = store::name_of(connection, delivery.id).await?;
        let told = json!({ "delivery": delivery.id, "destination": delivery.destination_id, "name": name, "error": reason });
        projects::record(connection, delivery.project_id, Topic::DeliveryFailed, told).await?;
    }
    Ok(())
}

/// Cancels a delivery that is waiting or running.
pub async fn cancel(services: &Services, delivery: Delivery) -> Result<Delivery, DestinationError> {
    let mut connection = services.db.conn().await?;
    let (id, now) = (delivery.id, services.clock.now());
    let cancelled = connection
        .transaction(async move |connection| -> Result<Delivery, DestinationError> {
            if !store::end(connection, id, DeliveryState::Cancelled, None, now).await? {
                return Err(DestinationError::Over);
            }
            queue::cancel_group(connection, &Delivery::group(id)).await?;
            store::find_delivery(connection, id).await?.ok_or(DestinationError::Gone)
        })
        .await?;
    remove_files(&services.blobs, vec![delivery]).await;
    Ok(cancelled)
}

/// Tries a delivery again that failed or was cancelled, with the same model; parts that are complete are kept.
pub async fn retry(
    connection: &mut AsyncPgConnection,
    delivery: &Delivery,
    most_waiting: u32,
) -> Result<Delivery, DestinationError> {
    let (id, destination) = (delivery.id, delivery.destination_id);
    connection
        .transaction(async move |connection| {
            store::lock(connection, destination).await?.ok_or(DestinationError::Gone)?;
            if store::under_way(connection, destination).await?.is_some() {
                return Err(DestinationError::UnderWay);
            }
            let delivery = store::renew(connection, id).await?.ok_or(DestinationError::NotRetried)?;
            if delivery.trained_model_id.is_none() {
                return Err(DestinationError::WithoutModel);
            }
            enqueue(connection, &delivery, most_waiting).await?;
            Ok(delivery)
        })
        .await
}
