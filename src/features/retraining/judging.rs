//! Computes the scores that the quality gate compares. It does not evaluate the two models themselves, one of which was trained
//! on all of the data, but their configurations: that of the new model is fitted to a part of the run's data, that of the
//! deployed model to the data it was trained on, without what is held out; both are scored on the rest of the run's data. So a
//! new model that is worse because of its data is detected, too. If the data of the deployed model is gone, or is that of the
//! run, its configuration is fitted to the same part as the new one's.

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use serde_json::{Map, Value};

use super::model::{GateFigures, JudgeRun, Run, Schedule};
use super::store;
use crate::features::accounts::Guarded;
use crate::features::datasets::{self, TrainingData};
use crate::features::evaluation::{self, EvaluationFields};
use crate::features::model_configs::ModelConfiguration;
use crate::features::models::TrainedModel;
use crate::features::tuning::{self, Contest, Entrant, TuningError};
use crate::ml::error::MlError;
use crate::ml::splits;
use crate::ml::tuning::Suggestion;
use crate::platform::memory;
use crate::platform::queue::{JobContext, JobError};
use crate::platform::services::Services;

/// Computes the scores of a run and stores them; does nothing if no run waits for them any more. Safe to repeat: it stores all or
/// nothing, and only the first time.
pub async fn judge(context: &JobContext<Services>, job: &JudgeRun) -> Result<(), JobError> {
    let Some((contest, [new, deployed])) = prepare(&context.app, job).await.map_err(refusal)? else { return Ok(()) };
    let gate_metric = format!("{}@{}", contest.metric.as_str(), contest.cutoff);
    let deployed_data_id = deployed.own_data.as_ref().map(|data| data.id);
    // The same configuration on the same data is evaluated once.
    let alike = deployed_data_id.is_none() && new.made_of == deployed.made_of;
    let entrants = if alike { vec![new] } else { vec![new, deployed] };
    let scores = tuning::scores(context, &contest, entrants).await.map_err(refusal)?;
    let [Some(new_score), Some(deployed_score)] = [scores.first().copied(), scores.last().copied()] else { return Ok(()) };
    let figures = GateFigures { gate_metric, new_score, deployed_score, deployed_data_id };
    let mut connection = context.app.db.conn().await.map_err(|error| refusal(error.into()))?;
    let (run, deployed) = (job.retraining_run_id, job.deployed_model_id);
    store::set_figures(&mut connection, run, deployed, figures).await.map_err(|error| refusal(error.into()))
}

/// Returns what to evaluate on which data: the configuration of the new model, and that of the deployed one.
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

/// Returns the training data of a model, if it can still be read and is not the data of the run.
async fn other_data(connection: &mut AsyncPgConnection, model: i64, of_run: &TrainingData) -> QueryResult<Option<TrainingData>> {
    let Some((model, _)) = TrainedModel::load(connection, model).await? else { return Ok(None) };
    let learnt = model.lineage["data_sha256"].as_str();
    // An upload may have been replaced since: then the rows that the model was trained on are gone.
    let is_it = |data: &TrainingData| data.problem().is_none() && learnt.is_some() && data.sha256.as_deref() == learnt;
    let data = datasets::find(connection, model.data_id).await?;
    Ok(data.filter(is_it).filter(|data| data.sha256 != of_run.sha256))
}

/// Returns the data with the configs of the schedule, or the default ones.
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

/// Returns the algorithm and parameters that a model was trained with, as its configuration may have been changed since. For a
/// model that is not trained yet, returns those of its configuration.
pub async fn made_of(connection: &mut AsyncPgConnection, model: i64) -> QueryResult<Option<Suggestion>> {
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
