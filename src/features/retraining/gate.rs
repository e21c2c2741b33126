//! The quality gate: with a tolerance set, a new model takes the place of a deployed one only if it is not notably worse. Judged
//! are not the two models, one of which has seen all of the data, but what they were made of. The new one's configuration is
//! fitted to a part of the run's data, the deployed one's to the data it was trained on, without what it must not know; both
//! score on the rest of the run's data. So a new model that is worse because its data are is found out, too. Where the data of
//! the deployed model are gone, or are those of the run, its configuration is fitted to the same part as the new one's.

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use serde_json::{Map, Value};

use super::error::RetrainingError;
use super::jobs::JudgeRun;
use super::model::{GateFigures, Run, Schedule, ScheduleFields};
use super::store;
use crate::features::accounts::Guarded;
use crate::features::datasets::{self, TrainingData};
use crate::features::deployments;
use crate::features::evaluation::{self, EvaluationFields};
use crate::features::model_configs::ModelConfiguration;
use crate::features::models::TrainedModel;
use crate::features::projects::{self, Project};
use crate::features::tuning::{self, Contest, Entrant, TuningError};
use crate::ml::error::MlError;
use crate::ml::registry;
use crate::ml::splits;
use crate::ml::tuning::Suggestion;
use crate::platform::memory;
use crate::platform::queue::{self, EnqueueOptions, JobContext, JobError};
use crate::platform::services::Services;

/// What the gate says to a new model.
#[derive(Debug)]
pub enum Verdict {
    Deploy,
    /// A sentence with both figures.
    Keep(String),
    /// The figures are on their way.
    Wait,
}

/// Whether a run's model may be deployed under a name. The first time it is asked, and again whenever another model answers
/// meanwhile, a background job is told to find the figures. Runs in the caller's transaction, which holds the run.
pub async fn ask(
    connection: &mut AsyncPgConnection,
    schedule: &Schedule,
    run: &Run,
    model: i64,
    slot_name: &str,
) -> Result<Verdict, RetrainingError> {
    let Some(tolerance) = schedule.fields.gate_tolerance else { return Ok(Verdict::Deploy) };
    // What answers must not change between this answer and the deployment.
    deployments::lock_project(connection, schedule.project_id).await?;
    let replaced = deployments::replaced_by(connection, schedule.project_id, slot_name).await?;
    let Some(deployed) = replaced.map(|slot| slot.fields.trained_model_id).filter(|deployed| *deployed != model) else {
        return Ok(Verdict::Deploy);
    };
    if run.deployed_model_id != Some(deployed) {
        store::begin_gate(connection, run.id, model, deployed).await?;
        let of_sessions = made_of(connection, model).await?.is_some_and(|new| registry::learns_from_sessions(&new.algorithm));
        if let Some(reason) = unlike(connection, deployed, of_sessions).await? {
            return Ok(Verdict::Keep(reason));
        }
        begin(connection, schedule.project_id, run.id, deployed).await?;
        return Ok(Verdict::Wait);
    }
    let (Some(metric), Some(new_score), Some(old_score)) = (&run.gate_metric, run.new_score, run.deployed_score) else {
        return Ok(Verdict::Wait);
    };
    if new_score >= old_score * (1.0 - tolerance) {
        return Ok(Verdict::Deploy);
    }
    let judged = match (run.training_data_id, run.deployed_data_id) {
        (Some(new), Some(old)) => format!(
            "judged by what was held out of training data {new}, the new model scores {new_score:.4} ({metric}) and the deployed \
             model {deployed}, which has learnt from training data {old}, scores {old_score:.4}"
        ),
        _ => format!(
            "on the same data the new model scores {new_score:.4} ({metric}) and the deployed model {deployed} scores {old_score:.4}"
        ),
    };
    let loss = tolerance * 100.0;
    Ok(Verdict::Keep(format!(
        "Not deployed: {judged}; the schedule allows a loss of {loss:.1} % at most. The slot keeps its model."
    )))
}

/// Why a schedule with these fields could never pass the gate as things stand; a sentence says what to do.
pub async fn obstacle(
    connection: &mut AsyncPgConnection,
    project: &Project,
    wanted: &ScheduleFields,
) -> QueryResult<Option<String>> {
    if !wanted.is_enabled || wanted.gate_tolerance.is_none() || !wanted.auto_deploy {
        return Ok(None);
    }
    let searches = wanted.retune && wanted.split_config_id.is_some() && wanted.evaluation_config_id.is_some();
    let of_sessions = match wanted.model_configuration_id {
        // No search tries a model of sessions.
        _ if searches => false,
        None => return Ok(None),
        Some(id) => {
            let configuration = ModelConfiguration::load(connection, id).await?;
            configuration
                .is_some_and(|(configuration, _)| registry::learns_from_sessions(&configuration.fields.recommender_class_name))
        }
    };
    match deployments::replaced_by(connection, project.id, &slot_name(project)).await? {
        Some(slot) => unlike(connection, slot.fields.trained_model_id, of_sessions).await,
        None => Ok(None),
    }
}

/// Why a new model cannot be compared with the deployed one, if it is of the other kind.
async fn unlike(connection: &mut AsyncPgConnection, deployed: i64, new_of_sessions: bool) -> QueryResult<Option<String>> {
    let Some(old) = made_of(connection, deployed).await? else { return Ok(None) };
    let kind = |of_sessions: bool| if of_sessions { "sessions" } else { "users and items" };
    let old_of_sessions = registry::learns_from_sessions(&old.algorithm);
    Ok((old_of_sessions != new_of_sessions).then(|| {
        format!(
            "Model {deployed}, which is deployed, has learnt from {}, the new one learns from {}, and no split judges both alike. \
             Deploy the first model of the new kind by hand, or take the tolerance out of the schedule.",
            kind(old_of_sessions),
            kind(new_of_sessions)
        )
    }))
}

/// The slot that the runs of a project deploy to.
pub fn slot_name(project: &Project) -> String {
    format!("auto-deploy-{}", project.fields.name)
}

async fn begin(connection: &mut AsyncPgConnection, project: i64, run: i64, deployed: i64) -> Result<(), RetrainingError> {
    let options = EnqueueOptions {
        unique_key: Some(format!("retraining-gate:{run}:{deployed}")),
        group_key: Some(format!("retraining-run:{run}")),
        turn: projects::turn_of(connection, project).await?,
        ..EnqueueOptions::default()
    };
    queue::enqueue(connection, &JudgeRun { retraining_run_id: run, deployed_model_id: deployed }, options).await?;
    Ok(())
}

/// Finds the figures of a run and stores them; nothing when nobody waits for them any more. It may be done again from the
/// start, since it stores all or nothing, and only the first time.
pub async fn judge(context: &JobContext<Services>, job: &JudgeRun) -> Result<(), JobError> {
    let Some((contest, [new, deployed])) = prepare(&context.app, job).await.map_err(refusal)? else { return Ok(()) };
    let gate_metric = format!("{}@{}", contest.metric.as_str(), contest.cutoff);
    let deployed_data_id = deployed.own_data.as_ref().map(|data| data.id);
    // The same configuration on the same data need not be judged twice.
    let alike = deployed_data_id.is_none() && new.made_of == deployed.made_of;
    let entrants = if alike { vec![new] } else { vec![new, deployed] };
    let scores = tuning::scores(context, &contest, entrants).await.map_err(refusal)?;
    let [Some(new_score), Some(deployed_score)] = [scores.first().copied(), scores.last().copied()] else { return Ok(()) };
    let figures = GateFigures { gate_metric, new_score, deployed_score, deployed_data_id };
    let mut connection = context.app.db.conn().await.map_err(|error| refusal(error.into()))?;
    let (run, deployed) = (job.retraining_run_id, job.deployed_model_id);
    store::set_figures(&mut connection, run, deployed, figures).await.map_err(|error| refusal(error.into()))
}

/// What has to be judged on what: what the new model is made of, and what the deployed one is.
async fn prepare(services: &Services, job: &JudgeRun) -> Result<Option<(Contest, [Entrant; 2])>, TuningError> {
    let mut connection = services.db.conn().await?;
    let run = Run::load(&mut connection, job.retraining_run_id).await?.map(|(run, _)| run);
    let waits = |run: &Run| run.is_live() && run.new_score.is_none() && run.deployed_model_id == Some(job.deployed_model_id);
    let Some(run) = run.filter(waits) else { return Ok(None) };
    let Some((schedule, _)) = Schedule::load(&mut connection, run.schedule_id).await? else { return Ok(None) };
    let gone = |what: &str| TuningError::Data(format!("The {what} of this run has been deleted."));
    let data = match run.training_data_id {
        Some(id) => datasets::find(&mut connection, id).await?,
        None => None,
    };
    let contest = contest(&mut connection, &schedule, data.ok_or_else(|| gone("training data"))?).await?;
    let model = run.trained_model_id.ok_or_else(|| gone("model"))?;
    let made_of = [
        made_of(&mut connection, model).await?.ok_or_else(|| gone("model"))?,
        made_of(&mut connection, job.deployed_model_id).await?.ok_or_else(|| gone("deployed model"))?,
    ];
    let other = other_data(&mut connection, job.deployed_model_id, &contest.data).await?;
    let [new, deployed] = made_of;
    let entrants = [Entrant { made_of: new, own_data: None }, Entrant { made_of: deployed, own_data: other }];
    Ok(Some((contest, entrants)))
}

/// What a model has learnt from, where it can still be read and is not the data of the run.
async fn other_data(connection: &mut AsyncPgConnection, model: i64, of_run: &TrainingData) -> QueryResult<Option<TrainingData>> {
    let Some((model, _)) = TrainedModel::load(connection, model).await? else { return Ok(None) };
    let learnt = model.lineage["data_sha256"].as_str();
    // An upload may have been replaced since: then the rows that the model knows are gone.
    let is_it = |data: &TrainingData| data.problem().is_none() && learnt.is_some() && data.sha256.as_deref() == learnt;
    let data = datasets::find(connection, model.data_id).await?;
    Ok(data.filter(is_it).filter(|data| data.sha256 != of_run.sha256))
}

/// The configs of the schedule, or what they are by default.
async fn contest(connection: &mut AsyncPgConnection, schedule: &Schedule, data: TrainingData) -> Result<Contest, TuningError> {
    let split = match schedule.fields.split_config_id {
        Some(id) => evaluation::find_split(connection, id).await?.to_engine(),
        None => splits::SplitConfig::default(),
    };
    let measure = match schedule.fields.evaluation_config_id {
        Some(id) => evaluation::find_evaluation(connection, id).await?.fields,
        None => EvaluationFields::default(),
    };
    let metric = measure.target_metric.into();
    Ok(Contest { data, split, metric, cutoff: measure.cutoff.unsigned_abs() as usize })
}

/// Algorithm and parameters as a model was trained with them; its configuration may have been changed since. A model that was
/// not trained yet has only that.
async fn made_of(connection: &mut AsyncPgConnection, model: i64) -> QueryResult<Option<Suggestion>> {
    let Some((model, _)) = TrainedModel::load(connection, model).await? else { return Ok(None) };
    if let (Some(algorithm), Some(params)) = (model.lineage["algorithm"].as_str(), model.lineage["parameters"].as_object()) {
        return Ok(Some(Suggestion { algorithm: algorithm.to_owned(), params: params.clone() }));
    }
    let configuration = ModelConfiguration::load(connection, model.configuration_id).await?;
    Ok(configuration.map(|(configuration, _)| Suggestion {
        algorithm: configuration.fields.recommender_class_name,
        params: parameters(configuration.fields.parameters_json),
    }))
}

fn parameters(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(parameters) => parameters,
        _ => Map::new(),
    }
}

fn refusal(error: TuningError) -> JobError {
    let hint = match error {
        TuningError::Engine(MlError::BadSplit(_)) => ". Choose a split config for the schedule that suits its data.",
        _ => "",
    };
    let reason = format!("The new model could not be compared with the deployed one: {error}{hint}");
    match error {
        TuningError::Engine(MlError::Cancelled) => JobError::Cancelled,
        TuningError::Engine(MlError::MemoryInUse { .. }) | TuningError::MemoryInUse(_) => JobError::Snooze(memory::PAUSE),
        TuningError::Database(_) | TuningError::Connection(_) | TuningError::Passing(_) => JobError::Retry { reason },
        _ => JobError::Fail { reason },
    }
}
