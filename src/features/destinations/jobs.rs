//! The background job that computes the lists of a delivery.

use std::time::Duration;

use diesel_async::AsyncConnection;
use serde_json::json;
use tokio::sync::watch;

use super::delivering::{self, Progress, Whole, Work};
use super::model::{DeliverLists, Delivered, Delivery};
use super::{parts, sending, service, store};
use crate::features::models::{self, engine_context};
use crate::features::projects::{self, TooManyStoredBytes, Topic};
use crate::platform::compute;
use crate::platform::queue::{Job, JobContext, JobError};
use crate::platform::services::Services;

/// Seed of the engine; lists do not depend on it.
const SEED: u64 = 0;
/// Deliveries of a destination whose files are kept.
const FILES_KEPT: i64 = 3;

impl Job for DeliverLists {
    const KIND: &'static str = "deliver_lists";
    /// Enough for a server that is restarted or overloaded for some minutes.
    const MAX_ATTEMPTS: i32 = 5;
    /// Only ends a job that hangs.
    const TIMEOUT: Duration = Duration::from_secs(7 * 24 * 3_600);
    type Context = Services;

    async fn run(self, context: JobContext<Services>) -> Result<(), JobError> {
        let Some((delivery, model)) = prepare(&context.app, self.delivery_id).await? else { return Ok(()) };
        let delivered = match deliver(&context, delivery.clone(), model).await {
            Ok(whole) => hand_over(&context, &delivery, whole).await,
            Err(error) => Err(error),
        };
        if let Err(JobError::Cancelled) | Ok(()) = delivered {
            remove_unused_parts(&context.app, delivery.id).await?;
        }
        delivered
    }

    async fn failed(self, services: Services, _: i64, reason: String) {
        if let Err(error) = record_failure(&services, self.delivery_id, &reason).await {
            tracing::error!(%error, delivery = self.delivery_id, "the failure of a delivery could not be recorded");
        }
    }
}

/// Marks a delivery as running, and returns it with its model; `None` if it has been deleted or has ended already.
async fn prepare(services: &Services, id: i64) -> Result<Option<(Delivery, models::TrainedModel)>, JobError> {
    services.disk().check().map_err(|shortage| JobError::Retry { reason: shortage.to_string() })?;
    let mut connection = services.db.conn().await.map_err(|error| later(&error))?;
    let delivery = store::find_delivery(&mut connection, id).await.map_err(|error| later(&error))?;
    let Some(delivery) = delivery.filter(Delivery::is_live) else { return Ok(None) };
    let model = match delivery.trained_model_id {
        Some(model) => models::find(&mut connection, model).await.map_err(|error| later(&error))?,
        None => None,
    };
    let Some(model) = model else {
        return Err(JobError::Fail { reason: "The model of this delivery has been deleted.".to_owned() });
    };
    let begun = store::begin(&mut connection, id, services.clock.now()).await.map_err(|error| later(&error))?;
    Ok(begun.then_some((delivery, model)))
}

/// Computes the file on a blocking thread, while the progress is recorded.
async fn deliver(context: &JobContext<Services>, delivery: Delivery, model: models::TrainedModel) -> Result<Whole, JobError> {
    let (services, id) = (&context.app, delivery.id);
    let (threads, memory) = (compute::threads(&services.settings, 1), services.memory().promise());
    let engine = engine_context(context, SEED, threads, None, memory);
    let (progress, mut steps) = watch::channel::<Progress>((0, 0));
    let work = Work { job: context.clone(), delivery, model, engine, progress };
    let working = compute::blocking(move || delivering::deliver(&work));
    let recorded = async {
        // The sender is dropped when the work ends. Steps that end while others are recorded are skipped.
        while steps.changed().await.is_ok() {
            let (done, total) = *steps.borrow_and_update();
            record_progress(services, id, done, total).await;
        }
    };
    let (whole, ()) = tokio::join!(working, recorded);
    let crashed = |error| JobError::Fail { reason: format!("The engine stopped unexpectedly: {error}. Please report this.") };
    whole.map_err(crashed)?
}

/// Sends the lists to the table of a delivery, or stores their file, and records the end.
async fn hand_over(context: &JobContext<Services>, delivery: &Delivery, whole: Whole) -> Result<(), JobError> {
    match delivery.target() {
        Some(target) => {
            sending::send(context, delivery, &target, &whole).await?;
            complete(&context.app, delivery, whole, None).await
        }
        None => complete(&context.app, delivery, whole, Some(parts::key_of(delivery.id, delivery.format))).await,
    }
}

/// Records progress; a failure only delays what users see.
async fn record_progress(services: &Services, id: i64, done: i64, total: i64) {
    let Ok(mut connection) = services.db.conn().await else { return };
    if let Err(error) = store::advance(&mut connection, id, done, total).await {
        tracing::warn!(%error, delivery = id, "the progress of a delivery could not be recorded");
    }
}

/// Stores the file, if it has a key, and records the end of the delivery, then removes the files that newer ones replace.
async fn complete(services: &Services, delivery: &Delivery, whole: Whole, key: Option<String>) -> Result<(), JobError> {
    let Whole { file, written } = whole;
    let delivered = Delivered {
        done: signed(written.entries.lists),
        row_count: signed(written.entries.rows),
        bytes: signed(written.bytes),
        storage_key: key,
    };
    let (id, project, destination) = (delivery.id, delivery.project_id, delivery.destination_id);
    let (now, allowed, blobs) =
        (services.clock.now(), services.settings.max_stored_bytes_per_organisation, services.blobs.clone());
    let mut connection = services.db.conn().await.map_err(|error| later(&error))?;
    let recorded = connection.transaction(async move |connection| -> Result<Vec<String>, CompletionError> {
        // The row stays locked until the file is stored. A delivery that has ended meanwhile leaves no file.
        if !store::complete(connection, id, &delivered, now).await? {
            return Ok(Vec::new());
        }
        let old = store::forget_old_files(connection, destination, FILES_KEPT).await?;
        let kept = if delivered.storage_key.is_some() { written.bytes } else { 0 };
        projects::refuse_excess(connection, project, kept, allowed).await??;
        let told = json!({
            "delivery": id,
            "destination": destination,
            "name": store::name_of(connection, id).await?,
            "lists": delivered.done,
            "rows": delivered.row_count,
            "bytes": delivered.bytes,
        });
        projects::record(connection, project, Topic::DeliverySucceeded, told).await?;
        if let Some(key) = delivered.storage_key {
            tokio::task::spawn_blocking(move || blobs.keep(file, &key)).await.map_err(std::io::Error::other)??;
        }
        Ok(old)
    });
    let old = recorded.await.map_err(|error| match error {
        // Without deletions another attempt would end the same way.
        CompletionError::Excess(excess) => JobError::Fail { reason: excess.to_string() },
        error => JobError::Retry { reason: format!("The delivery could not be recorded: {error}.") },
    })?;
    let blobs = services.blobs.clone();
    let removed = compute::blocking(move || old.iter().try_for_each(|key| blobs.remove(key))).await;
    if let Ok(Err(error)) = removed {
        tracing::warn!(%error, destination, "files of old deliveries could not be removed");
    }
    Ok(())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Why a finished delivery was not recorded.
#[derive(Debug, thiserror::Error)]
enum CompletionError {
    #[error(transparent)]
    Database(#[from] diesel::result::Error),
    #[error(transparent)]
    Files(#[from] std::io::Error),
    #[error(transparent)]
    Excess(#[from] TooManyStoredBytes),
}

/// Removes the parts of a delivery that has ended or is gone. Those of one that another worker continues stay.
async fn remove_unused_parts(services: &Services, id: i64) -> Result<(), JobError> {
    let mut connection = services.db.conn().await.map_err(|error| later(&error))?;
    let delivery = store::find_delivery(&mut connection, id).await.map_err(|error| later(&error))?;
    if delivery.is_some_and(|delivery| delivery.is_live()) {
        return Ok(());
    }
    let blobs = services.blobs.clone();
    if let Ok(Err(error)) = compute::blocking(move || parts::remove(&blobs, id)).await {
        tracing::warn!(%error, delivery = id, "the parts of a delivery could not be removed");
    }
    Ok(())
}

async fn record_failure(services: &Services, id: i64, reason: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut connection = services.db.conn().await?;
    let (now, reason) = (services.clock.now(), reason.to_owned());
    connection
        .transaction(async move |connection| -> Result<(), super::error::DestinationError> {
            match store::find_delivery(connection, id).await? {
                Some(delivery) => service::fail(connection, &delivery, &reason, now).await,
                None => Ok(()),
            }
        })
        .await?;
    Ok(())
}

/// Returns an error with which the job is tried again, for when the database is unavailable.
fn later(error: &dyn std::fmt::Display) -> JobError {
    JobError::Retry { reason: format!("The database could not be reached: {error}.") }
}
