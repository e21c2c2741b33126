//! SQL of schedules and runs.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::model::{Begun, Ended, GateFigures, NewRun, Run, RunData, RunStatus, Schedule, ScheduleFields};
use crate::features::accounts::{Guarded, Ownership, Principal, load_of_project};
use crate::features::datasets::{Standing, TrainingData, TrainingDataStatus};
use crate::features::projects::page_of_project;
use crate::platform::http::{ApiResult, Filters, PageRequest};
use crate::schema::{retraining_runs, retraining_schedules, training_data};

impl Guarded for Schedule {
    load_of_project!(retraining_schedules);

    fn matches(&self, _: Ownership, filters: &Filters) -> ApiResult<bool> {
        filters.id_is("project", self.project_id)
    }
}

impl Guarded for Run {
    load_of_project!(retraining_runs);

    fn matches(&self, _: Ownership, filters: &Filters) -> ApiResult<bool> {
        let here = filters.id_is("project", self.project_id)? && filters.id_is("schedule", self.schedule_id)?;
        Ok(here && filters.choice_is("status", self.status))
    }
}

/// Returns one page of the schedules that a caller may see, newest first.
pub async fn list_schedules(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    project: Option<i64>,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<Schedule>)> {
    page_of_project!(retraining_schedules as Schedule, by ins_datetime, connection, principal, project, page)
}

/// Returns one page of the runs that a caller may see, newest first.
pub async fn list_runs(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    (project, schedule): (Option<i64>, Option<i64>),
    status: Option<RunStatus>,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<Run>)> {
    page_of_project!(retraining_runs as Run, by ins_datetime, connection, principal, project, page, {
        schedule => retraining_runs::schedule_id.eq(schedule),
        status => retraining_runs::status.eq(status),
    })
}

pub async fn insert_schedule(
    connection: &mut AsyncPgConnection,
    project_id: i64,
    maker: i64,
    fields: ScheduleFields,
    next_run_at: Option<DateTime<Utc>>,
) -> QueryResult<Schedule> {
    let project = retraining_schedules::project_id.eq(project_id);
    let next_run = retraining_schedules::next_run_at.eq(next_run_at);
    diesel::insert_into(retraining_schedules::table)
        .values((fields, next_run, project, retraining_schedules::created_by.eq(maker)))
        .returning(Schedule::as_returning())
        .get_result(connection)
        .await
}

pub async fn update_schedule(
    connection: &mut AsyncPgConnection,
    id: i64,
    fields: ScheduleFields,
    next_run_at: Option<DateTime<Utc>>,
    at: DateTime<Utc>,
) -> QueryResult<Schedule> {
    let next_run = retraining_schedules::next_run_at.eq(next_run_at);
    diesel::update(retraining_schedules::table.find(id))
        .set((fields, next_run, retraining_schedules::updated_at.eq(at)))
        .returning(Schedule::as_returning())
        .get_result(connection)
        .await
}

pub async fn delete_schedule(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
    diesel::delete(retraining_schedules::table.find(id)).execute(connection).await?;
    Ok(())
}

/// Ends the pending and running runs of a schedule.
pub async fn end_live_runs(
    connection: &mut AsyncPgConnection,
    schedule: i64,
    reason: &str,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    let live = retraining_runs::schedule_id.eq(schedule).and(retraining_runs::status.eq_any(RunStatus::LIVE));
    diesel::update(retraining_runs::table.filter(live))
        .set((
            retraining_runs::status.eq(RunStatus::Failed),
            retraining_runs::error_message.eq(reason),
            retraining_runs::completed_at.eq(at),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Returns a schedule and locks it until the end of the transaction.
pub async fn lock_schedule(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<Schedule>> {
    let query = retraining_schedules::table.find(id).select(Schedule::as_select()).for_no_key_update();
    query.first(connection).await.optional()
}

/// Returns the schedules that are due, at most `most` of them, and locks them until the end of the transaction.
pub async fn lock_due(connection: &mut AsyncPgConnection, now: DateTime<Utc>, most: usize) -> QueryResult<Vec<Schedule>> {
    retraining_schedules::table
        .filter(retraining_schedules::is_enabled.and(retraining_schedules::next_run_at.le(now)))
        .order(retraining_schedules::next_run_at)
        .select(Schedule::as_select())
        .limit(i64::try_from(most).unwrap_or(i64::MAX))
        .for_no_key_update()
        .skip_locked()
        .load(connection)
        .await
}

pub async fn set_next_run(connection: &mut AsyncPgConnection, id: i64, at: Option<DateTime<Utc>>) -> QueryResult<()> {
    diesel::update(retraining_schedules::table.find(id))
        .set(retraining_schedules::next_run_at.eq(at))
        .execute(connection)
        .await?;
    Ok(())
}

/// Records the status of its latest run on a schedule.
pub async fn set_last_run(connection: &mut AsyncPgConnection, id: i64, status: RunStatus, at: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(retraining_schedules::table.find(id))
        .set((retraining_schedules::last_run_at.eq(at), retraining_schedules::last_run_status.eq(status)))
        .execute(connection)
        .await?;
    Ok(())
}

/// Returns some runs.
pub async fn runs(connection: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<Vec<Run>> {
    retraining_runs::table.filter(retraining_runs::id.eq_any(ids)).select(Run::as_select()).load(connection).await
}

/// Returns the pending or running run of a schedule.
pub async fn live_run(connection: &mut AsyncPgConnection, schedule: i64) -> QueryResult<Option<Run>> {
    retraining_runs::table
        .filter(retraining_runs::schedule_id.eq(schedule).and(retraining_runs::status.eq_any(RunStatus::LIVE)))
        .select(Run::as_select())
        .first(connection)
        .await
        .optional()
}

pub async fn insert_run(connection: &mut AsyncPgConnection, run: NewRun) -> QueryResult<Run> {
    diesel::insert_into(retraining_runs::table).values(run).returning(Run::as_returning()).get_result(connection).await
}

/// Returns a run and locks it until the end of the transaction.
pub async fn lock_run(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<Run>> {
    retraining_runs::table.find(id).select(Run::as_select()).for_no_key_update().first(connection).await.optional()
}

/// Records the data of a run.
pub async fn set_run_data(connection: &mut AsyncPgConnection, id: i64, data: RunData) -> QueryResult<()> {
    diesel::update(retraining_runs::table.find(id)).set(data).execute(connection).await?;
    Ok(())
}

pub async fn begin_run(connection: &mut AsyncPgConnection, id: i64, begun: Begun) -> QueryResult<()> {
    diesel::update(retraining_runs::table.find(id)).set(begun).execute(connection).await?;
    Ok(())
}

/// Records the comparison of a run's model with a deployed one, and clears the figures of an earlier comparison.
pub async fn begin_gate(connection: &mut AsyncPgConnection, id: i64, model: i64, deployed: i64) -> QueryResult<()> {
    diesel::update(retraining_runs::table.find(id))
        .set((
            retraining_runs::trained_model_id.eq(model),
            retraining_runs::deployed_model_id.eq(deployed),
            retraining_runs::gate_metric.eq(None::<String>),
            retraining_runs::new_score.eq(None::<f64>),
            retraining_runs::deployed_score.eq(None::<f64>),
            retraining_runs::deployed_data_id.eq(None::<i64>),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Stores the figures of a comparison while the run waits for them.
pub async fn set_figures(connection: &mut AsyncPgConnection, id: i64, deployed: i64, figures: GateFigures) -> QueryResult<()> {
    let waiting = retraining_runs::id
        .eq(id)
        .and(retraining_runs::status.eq(RunStatus::Running))
        .and(retraining_runs::deployed_model_id.eq(deployed))
        .and(retraining_runs::new_score.is_null());
    diesel::update(retraining_runs::table.filter(waiting)).set(figures).execute(connection).await?;
    Ok(())
}

pub async fn end_run(connection: &mut AsyncPgConnection, id: i64, ended: Ended) -> QueryResult<()> {
    diesel::update(retraining_runs::table.find(id)).set(ended).execute(connection).await?;
    Ok(())
}

/// States of uploads that can be used for training, now or soon.
const USABLE: [TrainingDataStatus; 2] = [TrainingDataStatus::Ready, TrainingDataStatus::Preparing];

/// Returns the newest upload of a project that is ready for training, or else the newest that is still being prepared.
pub async fn newest_data(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<Option<TrainingData>> {
    training_data::table
        .filter(training_data::project_id.eq(project).and(training_data::storage_key.is_not_null()))
        .filter(training_data::status.eq_any(USABLE).and(training_data::sources.is_null()))
        .filter(training_data::standing.eq(Standing::InUse))
        // "ready" comes after "preparing" in the alphabet.
        .order((training_data::status.desc(), training_data::ins_datetime.desc(), training_data::id.desc()))
        .select(TrainingData::as_select())
        .first(connection)
        .await
        .optional()
}

/// Lists all uploads of a project that are ready for training or still being prepared, oldest first.
pub async fn all_uploads(connection: &mut AsyncPgConnection, project: i64) -> QueryResult<Vec<TrainingData>> {
    training_data::table
        .filter(training_data::project_id.eq(project).and(training_data::storage_key.is_not_null()))
        .filter(training_data::status.eq_any(USABLE).and(training_data::sources.is_null()))
        .filter(training_data::standing.eq(Standing::InUse))
        .order((training_data::ins_datetime, training_data::id))
        .select(TrainingData::as_select())
        .load(connection)
        .await
}

/// Returns the model of the last successful run of a schedule.
pub async fn last_model(connection: &mut AsyncPgConnection, schedule: i64) -> QueryResult<Option<i64>> {
    retraining_runs::table
        .filter(retraining_runs::schedule_id.eq(schedule).and(retraining_runs::status.eq(RunStatus::Completed)))
        .filter(retraining_runs::trained_model_id.is_not_null())
        .order(retraining_runs::id.desc())
        .select(retraining_runs::trained_model_id)
        .first(connection)
        .await
        .optional()
        .map(Option::flatten)
}

/// Returns whether the last successful run of a schedule used data with this checksum.
pub async fn last_success_was_of(connection: &mut AsyncPgConnection, schedule: i64, sha256: &str) -> QueryResult<bool> {
    let last: Option<Option<String>> = retraining_runs::table
        .filter(retraining_runs::schedule_id.eq(schedule).and(retraining_runs::status.eq(RunStatus::Completed)))
        .order(retraining_runs::id.desc())
        .select(retraining_runs::data_sha256)
        .first(connection)
        .await
        .optional()?;
    Ok(last.flatten().as_deref() == Some(sha256))
}
