//! The clock of destinations: creates a delivery for each one that is due. Any number of processes may do this; each round has one
//! leader. Deliveries that were missed while no scheduler ran are made up for by one.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use tokio_util::sync::CancellationToken;

use super::error::DestinationError;
use super::model::{DeliveryCause, Destination};
use super::service::{self, Start};
use super::store;
use crate::features::retraining;
use crate::platform::db::try_to_lead;
use crate::platform::services::Services;

/// The largest number of destinations that one transaction fires.
const MOST_AT_ONCE: usize = 1_000;
/// Any number that nothing else in the database locks: "deliver" on a telephone's keypad.
const LEADER_LOCK: i64 = 3_354_837;

/// Fires due destinations until cancelled.
pub async fn keep_firing(services: Services, stop: CancellationToken) {
    retraining::keep_firing_due(services, stop, "destinations", |services| async move { fire_due(&services).await }).await;
}

/// Creates a delivery for each destination that is due, and sets when each is due next. Returns the number of destinations.
pub async fn fire_due(services: &Services) -> anyhow::Result<usize> {
    let mut all = 0;
    loop {
        let due = fire_some(services).await?;
        all += due;
        if due < MOST_AT_ONCE {
            return Ok(all);
        }
    }
}

async fn fire_some(services: &Services) -> anyhow::Result<usize> {
    let now = services.clock.now();
    let least = TimeDelta::seconds(services.settings.min_schedule_interval_seconds.into());
    let most_waiting = services.settings.max_waiting_jobs_per_organisation;
    let mut connection = services.db.conn().await?;
    let fired = connection
        .transaction(async move |connection| -> Result<usize, DestinationError> {
            if !try_to_lead(connection, LEADER_LOCK).await? {
                return Ok(0);
            }
            let due = store::lock_due(connection, now, MOST_AT_ONCE).await?;
            for destination in &due {
                fire(connection, destination, now, (least, most_waiting)).await?;
            }
            Ok(due.len())
        })
        .await?;
    Ok(fired)
}

/// Creates a delivery of a destination that is due, unless one is under way. One that cannot begin is recorded as failed.
async fn fire(
    connection: &mut AsyncPgConnection,
    destination: &Destination,
    now: DateTime<Utc>,
    (least, most_waiting): (TimeDelta, u32),
) -> Result<(), DestinationError> {
    let times = (destination.fields.cron_expression.as_deref(), destination.fields.time_zone.as_str());
    let next = retraining::due_next(times, destination.next_run_at, now, least);
    store::set_next_run(connection, destination.id, next).await?;
    let start = Start { cause: DeliveryCause::Schedule, user: None, retraining_run: None };
    service::start_or_refuse(connection, destination, start, most_waiting, now).await
}
