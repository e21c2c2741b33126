//! The states of a run: PENDING until its data is ready (and combined, if it has several sources), RUNNING during its search or
//! training and then possibly its quality gate, and finally an end state. Each step is one transaction that locks the run, so
//! that a repeated step has no effect.

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use super::error::RetrainingError;
use super::gate::{self, Verdict};
use super::model::{Begun, Ended, Run, RunCause, RunData, RunStatus, Schedule};
use super::sources::{self, Choice, Chosen};
use super::{combining, store};
use crate::features::accounts::Guarded;
use crate::features::datasets;
use crate::features::deployments::{self, SlotError};
use crate::features::models::{self, ModelStatus, TrainedModel};
use crate::features::projects::{self, Project, Topic};
use crate::features::tuning::{self, NewTuningJob};
use crate::platform::services::Services;

/// Whether a run has more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    Waiting,
    Over,
}

/// Advances a run as far as possible at present.
pub async fn advance(services: &Services, id: i64) -> Result<Progress, RetrainingError> {
    let mut connection = services.db.conn().await?;
    let now = services.clock.now();
    connection
        .transaction(async move |connection| {
            let Some(run) = store::lock_run(connection, id).await? else { return Ok(Progress::Over) };
            let Some((schedule, _)) = Schedule::load(connection, run.schedule_id).await? else { return Ok(Progress::Over) };
            match run.status {
                RunStatus::Pending => begin(connection, &schedule, &run, now).await,
                RunStatus::Running => follow(connection, &schedule, &run, now).await,
                RunStatus::Completed | RunStatus::Failed | RunStatus::Skipped => Ok(Progress::Over),
            }
        })
        .await
}

/// Checks the search or the training of a run.
async fn follow(
    connection: &mut AsyncPgConnection,
    schedule: &Schedule,
    run: &Run,
    now: DateTime<Utc>,
) -> Result<Progress, RetrainingError> {
    match (run.trained_model_id, run.tuning_job_id) {
        (Some(model), _) => follow_model(connection, schedule, run, model, now).await,
        (None, Some(job)) => follow_search(connection, schedule, run, job, now).await,
        (None, None) => fail(connection, run, "What this run was training has been deleted.", now).await,
    }
}

/// Marks a run as failed.
pub async fn give_up(services: &Services, id: i64, reason: &str) -> Result<(), RetrainingError> {
    let mut connection = services.db.conn().await?;
    let (now, reason) = (services.clock.now(), reason.to_owned());
    connection
        .transaction(async move |connection| {
            if let Some(run) = store::lock_run(connection, id).await?.filter(Run::is_live) {
                fail(connection, &run, &reason, now).await?;
            }
            Ok(())
        })
        .await
}

async fn begin(
    connection: &mut AsyncPgConnection,
    schedule: &Schedule,
    run: &Run,
    now: DateTime<Utc>,
) -> Result<Progress, RetrainingError> {
    if !schedule.fields.is_enabled {
        return skip(connection, run, "The schedule is disabled.", now).await;
    }
    if let Some(combined) = run.training_data_id {
        return begin_on_combined(connection, schedule, run, combined, now).await;
    }
    let chosen = match sources::choose(connection, schedule).await? {
        Choice::Of(chosen) => chosen,
        Choice::Wait => return Ok(Progress::Waiting),
        Choice::None(reason) => return skip(connection, run, &reason, now).await,
    };
    let sha256 = chosen.checksum();
    if let Some(sha256) = sha256.as_deref().filter(|_| schedule.fields.skip_unchanged && run.cause == RunCause::Schedule)
        && store::last_success_was_of(connection, schedule.id, sha256).await?
    {
        let reason = "The data has not changed since the last successful run.";
        return skip(connection, run, reason, now).await;
    }
    if !has_work(schedule) {
        let reason =
            "There is nothing to train: choose a model configuration, or retuning with a split and an evaluation config.";
        return skip(connection, run, reason, now).await;
    }
    match chosen {
        Chosen::One(data) => {
            let rows = data.report.as_ref().and_then(|report| report["rows_kept"].as_i64());
            let data = RunData { training_data_id: data.id, data_sha256: sha256, data_rows_at_trigger: rows };
            start_work(connection, schedule, run, data, now).await
        }
        Chosen::Several(sources) => {
            let rows = sources.iter().map(datasets::Source::rows).sum();
            let maker = run.triggered_by.or(schedule.created_by);
            let data = combining::begin(connection, schedule.project_id, maker, &sources).await?;
            let data = RunData { training_data_id: data, data_sha256: sha256, data_rows_at_trigger: Some(rows) };
            store::set_run_data(connection, run.id, data).await?;
            Ok(Progress::Waiting)
        }
    }
}

/// Continues a run once its sources have been combined.
async fn begin_on_combined(
    connection: &mut AsyncPgConnection,
    schedule: &Schedule,
    run: &Run,
    combined: i64,
    now: DateTime<Utc>,
) -> Result<Progress, RetrainingError> {
    let Some(data) = datasets::find(connection, combined).await? else { return Ok(Progress::Waiting) };
    if data.is_coming() {
        return Ok(Progress::Waiting);
    }
    if let Some(problem) = data.problem() {
        return fail(connection, run, &problem, now).await;
    }
    let rows = data.report.as_ref().and_then(|report| report["rows_kept"].as_i64());
    let data = RunData { training_data_id: data.id, data_sha256: run.data_sha256.clone(), data_rows_at_trigger: rows };
    start_work(connection, schedule, run, data, now).await
}

/// Returns whether the schedule defines what to train.
fn has_work(schedule: &Schedule) -> bool {
    searches(schedule).is_some() || schedule.fields.model_configuration_id.is_some()
}

/// Returns the split and evaluation config of a search, if the schedule has searches enabled.
fn searches(schedule: &Schedule) -> Option<(i64, i64)> {
    schedule.fields.split_config_id.zip(schedule.fields.evaluation_config_id).filter(|_| schedule.fields.retune)
}

/// Starts the search or the training of a run.
async fn start_work(
    connection: &mut AsyncPgConnection,
    schedule: &Schedule,
    run: &Run,
    data: RunData,
    now: DateTime<Utc>,
) -> Result<Progress, RetrainingError> {
    let (mut tuning_job_id, mut trained_model_id) = (None, None);
    if let Some((split, evaluation)) = searches(schedule) {
        let maker = run.triggered_by.or(schedule.created_by);
        let job = NewTuningJob::with_defaults(data.training_data_id, split, evaluation, maker);
        let job = tuning::create(connection, job).await?;
        tuning_job_id = Some(job.id);
    } else if let Some(configuration) = schedule.fields.model_configuration_id {
        let before = if schedule.fields.warm_start { store::last_model(connection, schedule.id).await? } else { None };
        trained_model_id = Some(models::create_from(connection, configuration, data.training_data_id, before).await?.id);
    }
    store::set_run_data(connection, run.id, data).await?;
    let begun = Begun {
        status: RunStatus::Running,
        started_at: now,
        model_configuration_id: schedule.fields.model_configuration_id,
        trained_model_id,
        tuning_job_id,
    };
    store::begin_run(connection, run.id, begun).await?;
    store::set_last_run(connection, schedule.id, RunStatus::Running, now).await?;
    Ok(Progress::Waiting)
}

async fn follow_search(
    connection: &mut AsyncPgConnection,
    schedule: &Schedule,
    run: &Run,
    job: i64,
    now: DateTime<Utc>,
) -> Result<Progress, RetrainingError> {
    let Some((job, _)) = tuning::snapshot(connection, job).await? else {
        return fail(connection, run, "The tuning job of this run has been deleted.", now).await;
    };
    match (job.is_live(), job.tuned_model_id) {
        (true, _) => Ok(Progress::Waiting),
        (false, Some(model)) => follow_model(connection, schedule, run, model, now).await,
        (false, None) => {
            let reason = job.error.unwrap_or_else(|| "The tuning job ended without a model.".to_owned());
            fail(connection, run, &reason, now).await
        }
    }
}

async fn follow_model(
    connection: &mut AsyncPgConnection,
    schedule: &Schedule,
    run: &Run,
    model: i64,
    now: DateTime<Utc>,
) -> Result<Progress, RetrainingError> {
    let Some((model, _)) = TrainedModel::load(connection, model).await? else {
        return fail(connection, run, "The model of this run has been deleted.", now).await;
    };
    match model.status {
        ModelStatus::Completed => complete(connection, schedule, run, &model, now).await,
        ModelStatus::Failed => {
            let reason = model.error.unwrap_or_else(|| "The model could not be trained.".to_owned());
            fail(connection, run, &reason, now).await
        }
        ModelStatus::Pending | ModelStatus::Running => Ok(Progress::Waiting),
    }
}

async fn complete(
    connection: &mut AsyncPgConnection,
    schedule: &Schedule,
    run: &Run,
    model: &TrainedModel,
    now: DateTime<Utc>,
) -> Result<Progress, RetrainingError> {
    let mut slot = None;
    if schedule.fields.auto_deploy
        && let Some((project, _)) = Project::load(connection, schedule.project_id).await?
    {
        let name = gate::slot_name(&project);
        match gate::ask(connection, schedule, run, model.id, &name).await? {
            Verdict::Deploy => {}
            Verdict::Keep(reason) => {
                tell(connection, schedule.project_id, run, Topic::RetrainingRefusedByGate, &reason, Some(model.id)).await?;
                return end(connection, run, RunStatus::Skipped, &reason, now).await;
            }
            Verdict::Wait => return Ok(Progress::Waiting),
        }
        slot = match deployments::deploy(connection, project.id, &name, model.id, now).await {
            Ok(slot) => Some(slot.id),
            Err(SlotError::Database(error)) => return Err(error.into()),
            // Nothing has been written yet: the file was removed before the model could be deployed.
            Err(error @ SlotError::ModelWithoutFile(_)) => return fail(connection, run, &error.to_string(), now).await,
            Err(error) => return Err(RetrainingError::Slot(error)),
        };
    }
    let ended = Ended {
        status: RunStatus::Completed,
        error_message: String::new(),
        completed_at: now,
        trained_model_id: Some(model.id),
        deployed_slot_id: slot,
        was_warm_start: Some(model.was_warm_start()),
    };
    store::end_run(connection, run.id, ended).await?;
    store::set_last_run(connection, schedule.id, RunStatus::Completed, now).await?;
    tell(connection, schedule.project_id, run, Topic::RetrainingCompleted, "", Some(model.id)).await?;
    Ok(Progress::Over)
}

async fn fail(
    connection: &mut AsyncPgConnection,
    run: &Run,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<Progress, RetrainingError> {
    end(connection, run, RunStatus::Failed, reason, now).await
}

/// Ends a run without doing its work, for a reason that its schedule's users see.
pub async fn skip(
    connection: &mut AsyncPgConnection,
    run: &Run,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<Progress, RetrainingError> {
    if let Some((schedule, _)) = Schedule::load(connection, run.schedule_id).await? {
        tell(connection, schedule.project_id, run, Topic::RetrainingSkipped, reason, None).await?;
    }
    end(connection, run, RunStatus::Skipped, reason, now).await
}

/// Records how a run ended, for others.
async fn tell(
    connection: &mut AsyncPgConnection,
    project: i64,
    run: &Run,
    topic: Topic,
    reason: &str,
    model: Option<i64>,
) -> Result<(), RetrainingError> {
    let told = json!({ "retraining_run": run.id, "retraining_schedule": run.schedule_id, "model": model, "reason": reason });
    Ok(projects::record(connection, project, topic, told).await?)
}

async fn end(
    connection: &mut AsyncPgConnection,
    run: &Run,
    status: RunStatus,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<Progress, RetrainingError> {
    let error_message = reason.to_owned();
    let ended =
        Ended { status, error_message, completed_at: now, trained_model_id: None, deployed_slot_id: None, was_warm_start: None };
    store::end_run(connection, run.id, ended).await?;
    store::set_last_run(connection, run.schedule_id, status, now).await?;
    Ok(Progress::Over)
}
