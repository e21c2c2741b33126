//! Starting runs without a user: when a schedule is due, and when a source has brought data.

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;

use super::error::RetrainingError;
use super::model::{NewRun, Run, RunCause, Schedule};
use super::{runner, service, store};

/// Creates a run of a schedule, or returns the one in progress. A run that its organisation may not have waiting is recorded as
/// skipped. The caller has locked the schedule.
pub async fn start_or_skip(
    connection: &mut AsyncPgConnection,
    schedule: &Schedule,
    run: NewRun,
    most_waiting: u32,
    now: DateTime<Utc>,
) -> Result<Run, RetrainingError> {
    match service::start(connection, schedule, run.clone(), most_waiting).await {
        Err(RetrainingError::TooManyWaitingJobs(refusal)) => {
            let run = store::insert_run(connection, run).await?;
            runner::skip(connection, &run, &refusal.to_string(), now).await?;
            Ok(run)
        }
        started => started,
    }
}

/// Starts a run of a schedule because a source has brought data, in the caller's transaction. Returns the run's id; `None` if the
/// schedule is disabled or gone.
pub async fn after_data(
    connection: &mut AsyncPgConnection,
    schedule: i64,
    most_waiting: u32,
    now: DateTime<Utc>,
) -> Result<Option<i64>, RetrainingError> {
    let Some(schedule) = store::lock_schedule(connection, schedule).await?.filter(|schedule| schedule.fields.is_enabled) else {
        return Ok(None);
    };
    let (schedule_id, project_id) = (schedule.id, schedule.project_id);
    let run = NewRun { schedule_id, project_id, cause: RunCause::Source, triggered_by: None, scheduled_for: None };
    Ok(Some(start_or_skip(connection, &schedule, run, most_waiting, now).await?.id))
}
