//! Deliveries that follow a retraining.

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::error::DestinationError;
use super::model::{Delivery, DeliveryCause, DeliveryState, Destination};
use super::service::{self, Start};
use super::store;
use crate::features::projects::Topic;
use crate::platform::outbox::Event;
use crate::platform::queue;
use crate::platform::services::Services;

/// Starts the deliveries that follow a retraining. A subscriber of the outbox: it runs in the transaction that deletes the event,
/// so that each retraining starts them once.
pub fn follow_retraining<'a>(
    services: &'a Services,
    connection: &'a mut AsyncPgConnection,
    event: &'a Event,
) -> BoxFuture<'a, anyhow::Result<()>> {
    followed(services, connection, event).boxed()
}

async fn followed(services: &Services, connection: &mut AsyncPgConnection, event: &Event) -> anyhow::Result<()> {
    let Some(project) = event.project_id.filter(|_| event.topic == Topic::RetrainingCompleted.wire()) else { return Ok(()) };
    let Some(run) = event.payload["retraining_run"].as_i64() else { return Ok(()) };
    let (now, most_waiting) = (services.clock.now(), services.settings.max_waiting_jobs_per_organisation);
    for destination in store::lock_following(connection, project).await? {
        replace_outdated(connection, &destination, now).await?;
        let start = Start { cause: DeliveryCause::Retraining, user: None, retraining_run: Some(run) };
        service::start_or_refuse(connection, &destination, start, most_waiting, now).await?;
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
