//! The scheduler: creates a run for each schedule that is due. Any number of processes may do this; each round has one leader,
//! and if it dies another leads the next round.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use tokio_util::sync::CancellationToken;

use super::cadence;
use super::error::RetrainingError;
use super::model::{CatchUp, NewRun, RunCause, Schedule};
use super::{starting, store};
use crate::platform::db::try_to_lead;
use crate::platform::services::Services;

/// A firing that is this late was missed because no scheduler was running; the schedule says what happens then.
const MISSED_AFTER: TimeDelta = TimeDelta::minutes(10);
/// The largest number of schedules that one transaction fires.
const MOST_AT_ONCE: usize = 1_000;
/// Any number that nothing else in the database locks: "retrain" on a telephone's keypad.
const LEADER_LOCK: i64 = 7_387_246;

/// Fires due schedules until cancelled.
pub async fn keep_firing(services: Services, stop: CancellationToken) {
    cadence::keep_firing(services, stop, "schedules", |services| async move { fire_due(&services).await }).await;
}

/// Creates a run for each schedule that is due, and sets when each is due next. Returns the number of runs created.
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

/// Fires the schedules that have been due for longest. Returns their number, and that of the runs created.
async fn fire_some(services: &Services) -> anyhow::Result<(usize, usize)> {
    let now = services.clock.now();
    let least = TimeDelta::seconds(services.settings.min_schedule_interval_seconds.into());
    let most_waiting = services.settings.max_waiting_jobs_per_organisation;
    let mut connection = services.db.conn().await?;
    let fired = connection
        .transaction(async move |connection| -> Result<(usize, usize), RetrainingError> {
            if !try_to_lead(connection, LEADER_LOCK).await? {
                return Ok((0, 0));
            }
            let due = store::lock_due(connection, now, MOST_AT_ONCE).await?;
            let mut fired = 0;
            for schedule in &due {
                fired += usize::from(fire(connection, schedule, now, (least, most_waiting)).await?);
            }
            Ok((due.len(), fired))
        })
        .await?;
    Ok(fired)
}

/// Creates a run of a schedule that is due, unless it was missed and is to be skipped. Returns whether there is a run.
async fn fire(
    connection: &mut AsyncPgConnection,
    schedule: &Schedule,
    now: DateTime<Utc>,
    (least, most_waiting): (TimeDelta, u32),
) -> Result<bool, RetrainingError> {
    let times = (Some(schedule.fields.cron_expression.as_str()), schedule.fields.time_zone.as_str());
    let next = cadence::due_next(times, schedule.next_run_at, now, least);
    store::set_next_run(connection, schedule.id, next).await?;
    if schedule.fields.catch_up == CatchUp::Skip && schedule.next_run_at.is_some_and(|due| now - due > MISSED_AFTER) {
        return Ok(false);
    }
    let (schedule_id, project_id) = (schedule.id, schedule.project_id);
    let (cause, scheduled_for) = (RunCause::Schedule, schedule.next_run_at);
    let run = NewRun { schedule_id, project_id, cause, triggered_by: None, scheduled_for };
    starting::start_or_skip(connection, schedule, run, most_waiting, now).await?;
    Ok(true)
}
