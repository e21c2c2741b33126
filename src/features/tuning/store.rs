//! SQL of tuning jobs and trials.

use chrono::{DateTime, Utc};
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::{Map, Value, json};

use super::model::{NewTuningJob, SearchStatus, Trial, TrialCounts, TrialResult, TrialStatus, TuningJob};
use super::new_items::ColdBaselineScore;
use crate::features::accounts::{Guarded, Ownership, Principal, load_of_project};
use crate::features::projects::visible_projects;
use crate::features::task_logs::{self, Update};
use crate::platform::http::{ApiResult, Filters, PageRequest, paginate};
use crate::platform::queue;
use crate::schema::{training_data, trials, tuning_jobs};

impl Guarded for TuningJob {
    load_of_project!(tuning_jobs, through training_data);

    fn matches(&self, ownership: Ownership, filters: &Filters) -> ApiResult<bool> {
        let of_project = filters.id("data__project")?.is_none_or(|wanted| Some(wanted) == ownership.project_id);
        let here = filters.id_is("id", self.id)? && filters.id_is("data", self.fields.data_id)? && of_project;
        Ok(here && filters.choice_is("status", self.status))
    }
}

/// The conditions of a list.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    pub id: Option<i64>,
    pub data: Option<i64>,
    pub project: Option<i64>,
    pub status: Option<SearchStatus>,
}

/// Returns one page of the jobs that a caller may see, newest first.
pub async fn list(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    filter: &JobFilter,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<TuningJob>)> {
    let query = || {
        let visible = training_data::project_id.eq_any(visible_projects(principal, filter.project));
        let mut query = tuning_jobs::table.inner_join(training_data::table).filter(visible).into_boxed();
        if let Some(id) = filter.id {
            query = query.filter(tuning_jobs::id.eq(id));
        }
        if let Some(data) = filter.data {
            query = query.filter(tuning_jobs::data_id.eq(data));
        }
        if let Some(status) = filter.status {
            query = query.filter(tuning_jobs::status.eq(status));
        }
        query
    };
    let rows = query().order((tuning_jobs::ins_datetime.desc(), tuning_jobs::id.desc())).select(TuningJob::as_select());
    paginate(connection, page, query().count(), rows).await
}

pub async fn insert(connection: &mut AsyncPgConnection, job: NewTuningJob) -> QueryResult<TuningJob> {
    diesel::insert_into(tuning_jobs::table).values(job).returning(TuningJob::as_returning()).get_result(connection).await
}

/// Deletes a job that is over; false if it is live or gone.
pub async fn delete(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<bool> {
    let over = tuning_jobs::status.ne_all(SearchStatus::LIVE);
    Ok(diesel::delete(tuning_jobs::table.find(id).filter(over)).execute(connection).await? == 1)
}

pub async fn find(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<TuningJob>> {
    tuning_jobs::table.find(id).select(TuningJob::as_select()).first(connection).await.optional()
}

/// Returns a job and locks it until the end of the transaction: claims of trials and the end of a job are serialised.
pub async fn lock(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<TuningJob>> {
    tuning_jobs::table.find(id).select(TuningJob::as_select()).for_update().first(connection).await.optional()
}

/// Changes PENDING to RUNNING; false if the job is running or over already.
pub async fn start(
    connection: &mut AsyncPgConnection,
    id: i64,
    engine_version: &str,
    timeout_overall: Option<i32>,
    at: DateTime<Utc>,
) -> QueryResult<bool> {
    let changed =
        diesel::update(tuning_jobs::table.filter(tuning_jobs::id.eq(id).and(tuning_jobs::status.eq(SearchStatus::Pending))))
            .set((
                tuning_jobs::status.eq(SearchStatus::Running),
                tuning_jobs::started_at.eq(at),
                tuning_jobs::engine_version.eq(engine_version),
                tuning_jobs::timeout_overall.eq(timeout_overall),
            ))
            .execute(connection)
            .await?;
    Ok(changed == 1)
}

/// Ends a live job; false if it was over already.
pub async fn end(
    connection: &mut AsyncPgConnection,
    id: i64,
    status: SearchStatus,
    error: Option<&str>,
    at: DateTime<Utc>,
) -> QueryResult<bool> {
    let live = tuning_jobs::id.eq(id).and(tuning_jobs::status.eq_any(SearchStatus::LIVE));
    let changed = diesel::update(tuning_jobs::table.filter(live))
        .set((tuning_jobs::status.eq(status), tuning_jobs::error.eq(error), tuning_jobs::finished_at.eq(at)))
        .execute(connection)
        .await?;
    Ok(changed == 1)
}

/// Records the result of a search.
pub async fn set_result(
    connection: &mut AsyncPgConnection,
    id: i64,
    best_score: f64,
    best_config_id: i64,
    tuned_model_id: Option<i64>,
) -> QueryResult<()> {
    diesel::update(tuning_jobs::table.find(id))
        .set((
            tuning_jobs::best_score.eq(best_score),
            tuning_jobs::best_config_id.eq(best_config_id),
            tuning_jobs::tuned_model_id.eq(tuned_model_id),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Records the score that every trial has to beat, and of new items what each baseline reaches.
pub async fn set_baseline(
    connection: &mut AsyncPgConnection,
    id: i64,
    score: f64,
    cold_baselines: Option<&[ColdBaselineScore]>,
) -> QueryResult<()> {
    let cold_baselines = cold_baselines.map(|baselines| json!(baselines));
    diesel::update(tuning_jobs::table.filter(tuning_jobs::id.eq(id).and(tuning_jobs::baseline_score.is_null())))
        .set((tuning_jobs::baseline_score.eq(score), tuning_jobs::cold_baselines.eq(cold_baselines)))
        .execute(connection)
        .await?;
    Ok(())
}

/// Raises the best score so far.
pub async fn raise_best(connection: &mut AsyncPgConnection, id: i64, score: f64) -> QueryResult<()> {
    let lower = tuning_jobs::best_score.is_null().or(tuning_jobs::best_score.lt(score));
    diesel::update(tuning_jobs::table.filter(tuning_jobs::id.eq(id)).filter(lower))
        .set(tuning_jobs::best_score.eq(score))
        .execute(connection)
        .await?;
    Ok(())
}

/// Lists all trials of a job in the order of their numbers.
pub async fn trials_of(connection: &mut AsyncPgConnection, job: i64) -> QueryResult<Vec<Trial>> {
    trials::table.filter(trials::tuning_job_id.eq(job)).order(trials::number).select(Trial::as_select()).load(connection).await
}

/// Lists the trials of a job whose numbers are higher than `after`, in the order of their numbers, and no more than `most`.
pub async fn trials_after(connection: &mut AsyncPgConnection, job: i64, after: i32, most: i64) -> QueryResult<Vec<Trial>> {
    trials::table
        .filter(trials::tuning_job_id.eq(job).and(trials::number.gt(after)))
        .order(trials::number)
        .limit(most)
        .select(Trial::as_select())
        .load(connection)
        .await
}

/// Returns the trials of a job from a number on, and those of the numbers in `besides`, in the order of their numbers.
pub async fn trials_from(connection: &mut AsyncPgConnection, job: i64, number: i32, besides: &[i32]) -> QueryResult<Vec<Trial>> {
    trials::table
        .filter(trials::tuning_job_id.eq(job))
        .filter(trials::number.ge(number).or(trials::number.eq_any(besides)))
        .order(trials::number)
        .select(Trial::as_select())
        .load(connection)
        .await
}

/// Returns the number of trials in each state, for each of the jobs.
pub async fn counts(connection: &mut AsyncPgConnection, jobs: &[i64]) -> QueryResult<Vec<(i64, TrialCounts)>> {
    let rows: Vec<(i64, TrialStatus, i64)> = trials::table
        .filter(trials::tuning_job_id.eq_any(jobs))
        .group_by((trials::tuning_job_id, trials::state))
        .select((trials::tuning_job_id, trials::state, count_star()))
        .load(connection)
        .await?;
    let mut counts: Vec<(i64, TrialCounts)> = jobs.iter().map(|job| (*job, TrialCounts::default())).collect();
    for (job, state, count) in rows {
        if let Some((_, of_job)) = counts.iter_mut().find(|(id, _)| *id == job) {
            match state {
                TrialStatus::Running => of_job.running = count,
                TrialStatus::Completed => of_job.completed = count,
                TrialStatus::Pruned => of_job.pruned = count,
                TrialStatus::Failed => of_job.failed = count,
            }
        }
    }
    Ok(counts)
}

/// Returns a trial that this queue job had begun before its worker died.
pub async fn interrupted(connection: &mut AsyncPgConnection, job: i64, run_by: i64) -> QueryResult<Option<Trial>> {
    trials::table
        .filter(trials::tuning_job_id.eq(job).and(trials::run_by.eq(run_by)).and(trials::state.eq(TrialStatus::Running)))
        .order(trials::number)
        .select(Trial::as_select())
        .first(connection)
        .await
        .optional()
}

/// The task that runs a trial.
#[derive(Debug, Clone, Copy)]
pub struct RunBy {
    pub queue_job: i64,
    /// Workers that it has lost so far.
    pub lost_workers: i32,
}

pub async fn begin_trial(
    connection: &mut AsyncPgConnection,
    job: i64,
    number: i32,
    algorithm: &str,
    parameters: Map<String, Value>,
    run_by: RunBy,
    at: DateTime<Utc>,
) -> QueryResult<Trial> {
    diesel::insert_into(trials::table)
        .values((
            trials::tuning_job_id.eq(job),
            trials::number.eq(number),
            trials::algorithm.eq(algorithm),
            trials::parameters.eq(Value::Object(parameters)),
            trials::state.eq(TrialStatus::Running),
            trials::run_by.eq(run_by.queue_job),
            trials::lost_before.eq(run_by.lost_workers),
            trials::started_at.eq(at),
        ))
        .returning(Trial::as_returning())
        .get_result(connection)
        .await
}

/// Records how many workers died while they ran a trial.
pub async fn set_lost_workers(connection: &mut AsyncPgConnection, trial: i64, lost: i32) -> QueryResult<()> {
    diesel::update(trials::table.find(trial)).set(trials::lost_workers.eq(lost)).execute(connection).await.map(drop)
}

/// Returns how many workers died while they ran a trial of this task.
pub async fn lost_with_trials(connection: &mut AsyncPgConnection, job: i64, run_by: i64) -> QueryResult<i32> {
    let of_task = trials::table.filter(trials::tuning_job_id.eq(job).and(trials::run_by.eq(run_by)));
    let sum: Option<i64> = of_task.select(diesel::dsl::sum(trials::lost_workers)).first(connection).await?;
    Ok(sum.and_then(|sum| i32::try_from(sum).ok()).unwrap_or_default())
}

/// Records the end of a trial; false if it had ended before, since a trial is counted once.
pub async fn end_trial(connection: &mut AsyncPgConnection, trial: i64, result: &TrialResult) -> QueryResult<bool> {
    let changed = diesel::update(trials::table.filter(trials::id.eq(trial).and(trials::state.eq(TrialStatus::Running))))
        .set(result)
        .execute(connection)
        .await?;
    Ok(changed == 1)
}

/// Ends the running trials of a job (of one queue job only, if given) without a result.
pub async fn abandon_trials(
    connection: &mut AsyncPgConnection,
    job: i64,
    run_by: Option<i64>,
    note: &str,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    let mut running = diesel::update(trials::table)
        .filter(trials::tuning_job_id.eq(job).and(trials::state.eq(TrialStatus::Running)))
        .set((trials::state.eq(TrialStatus::Failed), trials::note.eq(note), trials::finished_at.eq(at)))
        .into_boxed();
    if let Some(run_by) = run_by {
        running = running.filter(trials::run_by.eq(run_by));
    }
    running.execute(connection).await?;
    Ok(())
}

/// Records that a task of a job has failed: the queue records it only a moment later.
pub async fn note_failed_task(connection: &mut AsyncPgConnection, job: i64, queue_job: i64) -> QueryResult<()> {
    diesel::sql_query("UPDATE tuning_jobs SET failed_tasks = failed_tasks || $2 WHERE id = $1")
        .bind::<diesel::sql_types::BigInt, _>(job)
        .bind::<diesel::sql_types::BigInt, _>(queue_job)
        .execute(connection)
        .await
        .map(drop)
}

/// Returns whether a task of a job still runs or waits that has not failed.
pub async fn has_other_tasks(connection: &mut AsyncPgConnection, job: i64) -> QueryResult<bool> {
    let failed: Vec<i64> = tuning_jobs::table.find(job).select(tuning_jobs::failed_tasks).first(connection).await?;
    queue::has_live(connection, &TuningJob::group(job), &failed).await
}

/// Notifies subscribers of a change of this job when the transaction commits.
pub async fn announce(connection: &mut AsyncPgConnection, job: i64) -> QueryResult<()> {
    task_logs::announce(connection, Update::Tuning { tuning_job_id: job }).await
}
