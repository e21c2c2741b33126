//! Deliveries that follow a retraining.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::error::DestinationError;
use super::model::{Delivery, DeliveryCause, DeliveryState, Destination, FollowRetraining};
use super::service::{self, Start};
use super::store;
use crate::features::projects::{self, Topic};
use crate::platform::outbox::Event;
use crate::platform::queue::{self, EnqueueOptions, Job, JobContext, JobError};
use crate::platform::services::Services;

/// Enqueues the job that starts the deliveries after a retraining. A subscriber of the outbox: it runs in the transaction that
/// deletes the event. The deliveries themselves need locks, which would then be held for other events, too.
pub fn follow_retraining<'a>(
    _: &'a Services,
    connection: &'a mut AsyncPgConnection,
    event: &'a Event,
) -> BoxFuture<'a, anyhow::Result<()>> {
    followed(connection, event).boxed()
}

async fn followed(connection: &mut AsyncPgConnection, event: &Event) -> anyhow::Result<()> {
    let Some(project_id) = event.project_id.filter(|_| event.topic == Topic::RetrainingCompleted.wire()) else { return Ok(()) };
    let Some(retraining_run_id) = event.payload["retraining_run"].as_i64() else { return Ok(()) };
    let options = EnqueueOptions { turn: projects::turn_of(connection, project_id).await?, ..EnqueueOptions::default() };
    queue::enqueue(connection, &FollowRetraining { project_id, retraining_run_id }, options).await?;
    Ok(())
}

impl Job for FollowRetraining {
    const KIND: &'static str = "follow_retraining";
    const MAX_ATTEMPTS: i32 = 10;
    const TIMEOUT: Duration = Duration::from_secs(600);
    type Context = Services;

    async fn run(self, context: JobContext<Services>) -> Result<(), JobError> {
        let started = start_all(&context.app, &self).await;
        started.map_err(|error| JobError::Retry { reason: format!("The deliveries could not be started: {error}.") })
    }

    async fn failed(self, _: Services, _: i64, reason: String) {
        tracing::error!(run = self.retraining_run_id, reason, "the deliveries after a retraining were not started");
    }
}

/// Starts the deliveries that have not been started yet, each in a transaction of its own.
async fn start_all(services: &Services, follow: &FollowRetraining) -> Result<(), DestinationError> {
    let (now, most_waiting) = (services.clock.now(), services.settings.max_waiting_jobs_per_organisation);
    let mut connection = services.db.conn().await?;
    let run = follow.retraining_run_id;
    for id in store::following(&mut connection, follow.project_id, run).await? {
        connection
            .transaction(async move |connection| {
                let Some(destination) = store::lock(connection, id).await? else { return Ok(()) };
                replace_outdated(connection, &destination, now).await?;
                let start = Start { cause: DeliveryCause::Retraining, user: None, retraining_run: Some(run) };
                service::start_or_refuse(connection, &destination, start, most_waiting, now).await
            })
            .await?;
    }
    Ok(())
}

/// Cancels the delivery that is under way if its lists are of a model that the destination no longer delivers. Its job removes
/// its parts.
async fn replace_outdated(
    connection: &mut AsyncPgConnection,
    destination: &Destination,
    now: DateTime<Utc>,
) -> Result<(), DestinationError> {
    let Some(live) = store::under_way(connection, destination.id).await? else { return Ok(()) };
    let model = service::model_of(connection, &destination.fields).await;
    if model.is_ok_and(|model| model.map(|model| model.id) == live.trained_model_id) {
        return Ok(());
    }
    if store::end(connection, live.id, DeliveryState::Cancelled, None, now).await? {
        queue::cancel_group(connection, &Delivery::group(live.id)).await?;
    }
    Ok(())
}
