//! The scheduler: creates a run for each source that is due. Any number of processes may do this; each round has one leader, and if
//! it dies another leads the next round. Times that were missed while none ran are made up for by one run.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use tokio_util::sync::CancellationToken;

use super::error::SourceError;
use super::model::{Cause, DataSource, NewRun};
use super::service::{ending, runs as service};
use super::store::{runs, sources as store};
use crate::features::retraining;
use crate::platform::db::try_to_lead;
use crate::platform::services::Services;

/// The largest number of sources that one transaction fires.
const MOST_AT_ONCE: i64 = 1_000;
/// Any number that nothing else in the database locks: "sources" on a telephone's keypad.
const LEADER_LOCK: i64 = 7_687_237;

/// Fires due sources until cancelled.
pub async fn keep_firing(services: Services, stop: CancellationToken) {
    retraining::keep_firing_due(services, stop, "sources", |services| async move { fire_due(&services).await }).await;
}

/// Creates a run for each source that is due, and sets when each is due next. Returns the number of runs created.
pub async fn fire_due(services: &Services) -> anyhow::Result<usize> {
    let mut all = 0;
    loop {
        let (due, fired) = fire_some(services).await?;
        all += fired;
        if due < MOST_AT_ONCE {
            return Ok(all);
        }
    }
}

/// Fires the sources that have been due for longest. Returns their number, and that of the runs created.
async fn fire_some(services: &Services) -> anyhow::Result<(i64, usize)> {
    let now = services.clock.now();
    let least = TimeDelta::seconds(services.settings.min_schedule_interval_seconds.into());
    let most_waiting = services.settings.max_waiting_jobs_per_organisation;
    let mut connection = services.db.conn().await?;
    let fired = connection
        .transaction(async move |connection| -> Result<(i64, usize), SourceError> {
            if !try_to_lead(connection, LEADER_LOCK).await? {
                return Ok((0, 0));
            }
            let due = store::lock_due(connection, now, MOST_AT_ONCE).await?;
            let mut fired = 0;
            for source in &due {
                fired += usize::from(fire(connection, source, now, (least, most_waiting)).await?);
            }
            Ok((i64::try_from(due.len()).unwrap_or(MOST_AT_ONCE), fired))
        })
        .await?;
    Ok(fired)
}

/// Creates a run of a source that is due, unless one is under way. A run that its organisation may not have waiting is recorded as
/// failed. Returns whether there is a run.
async fn fire(
    connection: &mut AsyncPgConnection,
    source: &DataSource,
    now: DateTime<Utc>,
    (least, most_waiting): (TimeDelta, u32),
) -> Result<bool, SourceError> {
    let times = (source.fields.cron_expression.as_deref(), source.fields.time_zone.as_str());
    let next = retraining::due_next(times, source.next_run_at, now, least);
    store::set_next_run(connection, source.id, next).await?;
    let run = NewRun { scheduled_for: source.next_run_at, ..service::of_source(source, Cause::Schedule, None, None) };
    match service::begin(connection, run.clone(), most_waiting).await {
        Err(SourceError::UnderWay) => return Ok(false),
        Err(error @ SourceError::WaitingJobs(_)) => {
            let run = runs::insert(connection, run).await?;
            let code = Some(error.code().to_owned());
            ending::fail_in(connection, (source, &run), code, error.to_string(), now).await?;
        }
        started => drop(started?),
    }
    Ok(true)
}
