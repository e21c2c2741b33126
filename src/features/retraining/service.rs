//! Decisions about schedules: when they fall due, and who may ask for a run.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncConnection, AsyncPgConnection};

use super::cadence::Cadence;
use super::error::RetrainingError;
use super::jobs::Retrain;
use super::model::{NewRun, Run, Schedule};
use super::store;
use crate::platform::queue::{self, EnqueueOptions};

/// When a schedule with this cadence falls due next: never while it is disabled.
pub fn next_run(cadence: &Cadence, is_enabled: bool, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if is_enabled { cadence.next_after(now) } else { None }
}

/// A run at once, because somebody asked for it. While one is on its way that one will do.
pub async fn trigger(connection: &mut AsyncPgConnection, schedule: i64, user: i64) -> Result<Run, RetrainingError> {
    connection
        .transaction(async move |connection| {
            let schedule = store::lock_schedule(connection, schedule).await?.ok_or(RetrainingError::Gone)?;
            if !schedule.is_enabled {
                return Err(RetrainingError::Disabled);
            }
            let run = NewRun { schedule_id: schedule.id, cause: "manual", triggered_by: Some(user), scheduled_for: None };
            Ok(start(connection, &schedule, run).await?)
        })
        .await
}

/// Makes a run and hands it to the queue, unless one of this schedule is on its way. The caller holds the schedule.
pub async fn start(connection: &mut AsyncPgConnection, schedule: &Schedule, run: NewRun) -> QueryResult<Run> {
    if let Some(run) = store::live_run(connection, schedule.id).await? {
        return Ok(run);
    }
    let run = store::insert_run(connection, run).await?;
    let options = EnqueueOptions {
        unique_key: Some(format!("retraining:{}", run.id)),
        group_key: Some(format!("retraining:{}", schedule.id)),
        ..EnqueueOptions::default()
    };
    queue::enqueue(connection, &Retrain { retraining_run_id: run.id }, options).await?;
    Ok(run)
}
