//! Decisions about schedules: when they are due, and when a run may be started.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncConnection, AsyncPgConnection};

use super::cadence::Cadence;
use super::error::RetrainingError;
use super::model::{NewRun, Run, RunCause, RunRetraining, Schedule, ScheduleFields};
use super::store;
use crate::features::evaluation;
use crate::features::projects::{self, Project};
use crate::platform::db::{QueryError, is_duplicate};
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::queue::{self, EnqueueOptions};

/// Returns when a schedule with this cadence is due next: `None` while it is disabled.
pub fn next_run(cadence: &Cadence, is_enabled: bool, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if is_enabled { cadence.next_after(now) } else { None }
}

/// Creates the schedule of a project. Moves configs that nothing uses yet to its organisation.
pub async fn create(
    connection: &mut AsyncPgConnection,
    project: &Project,
    maker: i64,
    fields: ScheduleFields,
    next_run_at: Option<DateTime<Utc>>,
) -> ApiResult<Schedule> {
    let (id, organisation) = (project.id, project.organisation_id);
    connection
        .transaction(async move |connection| {
            bring_configs(connection, fields.split_config_id, fields.evaluation_config_id, organisation).await?;
            store::insert_schedule(connection, id, maker, fields, next_run_at).await.map_err(there_already)
        })
        .await
}

fn there_already(error: QueryError) -> ApiError {
    if is_duplicate(&error) {
        return ApiError::field("project", "This project already has a retraining schedule. Change that one.");
    }
    error.into()
}

/// Changes a schedule. Moves newly referenced configs that nothing uses yet to the project's organisation.
pub async fn change(
    connection: &mut AsyncPgConnection,
    project: &Project,
    current: &Schedule,
    fields: ScheduleFields,
    next_run_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> ApiResult<Schedule> {
    let new = |wanted: Option<i64>, current: Option<i64>| wanted.filter(|id| Some(*id) != current);
    let split = new(fields.split_config_id, current.fields.split_config_id);
    let evaluation = new(fields.evaluation_config_id, current.fields.evaluation_config_id);
    let (id, organisation) = (current.id, project.organisation_id);
    connection
        .transaction(async move |connection| {
            bring_configs(connection, split, evaluation, organisation).await?;
            Ok(store::update_schedule(connection, id, fields, next_run_at, now).await?)
        })
        .await
}

async fn bring_configs(
    connection: &mut AsyncPgConnection,
    split: Option<i64>,
    evaluation: Option<i64>,
    organisation: i64,
) -> ApiResult<()> {
    if let Some(id) = split {
        evaluation::bring_split(connection, "split_config", id, organisation).await?;
    }
    if let Some(id) = evaluation {
        evaluation::bring_evaluation(connection, "evaluation_config", id, organisation).await?;
    }
    Ok(())
}

/// Starts a run now, at a user's request, as [`start`] does. Returns the existing run if one is in progress.
pub async fn trigger(
    connection: &mut AsyncPgConnection,
    schedule: i64,
    user: i64,
    most_waiting: u32,
) -> Result<Run, RetrainingError> {
    connection
        .transaction(async move |connection| {
            let schedule = store::lock_schedule(connection, schedule).await?.ok_or(RetrainingError::Gone)?;
            if !schedule.fields.is_enabled {
                return Err(RetrainingError::Disabled);
            }
            let (schedule_id, project_id) = (schedule.id, schedule.project_id);
            let run = NewRun { schedule_id, project_id, cause: RunCause::Manual, triggered_by: Some(user), scheduled_for: None };
            start(connection, &schedule, run, most_waiting).await
        })
        .await
}

/// Deletes a schedule and ends its live runs. Its runs stay in the list.
pub async fn delete(connection: &mut AsyncPgConnection, id: i64, now: DateTime<Utc>) -> QueryResult<()> {
    connection
        .transaction(async move |connection| {
            store::lock_schedule(connection, id).await?;
            store::end_live_runs(connection, id, "The schedule of this run was deleted.", now).await?;
            store::delete_schedule(connection, id).await
        })
        .await
}

/// Creates and enqueues a run unless one of this schedule is in progress. The caller has locked the schedule. Fails, with nothing
/// stored, if the organisation of the project has `most_waiting` jobs already.
pub async fn start(
    connection: &mut AsyncPgConnection,
    schedule: &Schedule,
    run: NewRun,
    most_waiting: u32,
) -> Result<Run, RetrainingError> {
    if let Some(run) = store::live_run(connection, schedule.id).await? {
        return Ok(run);
    }
    let (schedule, project) = (schedule.id, schedule.project_id);
    connection
        .transaction(async move |connection| {
            let run = store::insert_run(connection, run).await?;
            let options = EnqueueOptions {
                unique_key: Some(format!("retraining:{}", run.id)),
                group_key: Some(format!("retraining:{schedule}")),
                turn: projects::turn_of(connection, project).await?,
                ..EnqueueOptions::default()
            };
            queue::enqueue(connection, &RunRetraining { retraining_run_id: run.id }, options).await?;
            projects::admit_jobs(connection, project, 1, most_waiting).await??;
            Ok(run)
        })
        .await
}
