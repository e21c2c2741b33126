//! Searching: which algorithm with which parameters recommends best, judged on what is held out.

use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::{Map, Value, json};

use super::Progress;
use super::checking::facts;
use super::record::{Found, begin, lock, pass_locked};
use crate::features::accounts::{Guarded, Ownership};
use crate::features::evaluation::{self, EvaluationFields, SplitFields};
use crate::features::model_configs;
use crate::features::models;
use crate::features::projects::Project;
use crate::features::studio::error::StudioError;
use crate::features::studio::model::{Changes, Run, RunResult, Stage};
use crate::features::studio::plan::{CONTENT_KNN, Plan, Search};
use crate::features::studio::stages::{StageDetail, Stages};
use crate::features::studio::store;
use crate::features::studio::winner::{self, Winner};
use crate::features::tuning::{self, NewTuningJob, SearchStatus, TuningFields, TuningJob};
use crate::platform::services::Services;

/// Length of the judged lists.
const CUTOFF: i32 = 10;

/// Starts the search of a run, or goes on with what it found.
pub async fn run(services: &Services, run: &Run) -> Result<Progress, StudioError> {
    if !begin(services, run).await? {
        return Ok(Progress::Over);
    }
    let Some(data) = run.training_data_id else {
        return Err(StudioError::Failed("The training data of this run has been deleted.".to_owned()));
    };
    let checked = Stages::of(&run.stages).detail(Stage::Checking);
    let plan = facts(services, run, &checked).await?.plan(run.goal, run.budget_seconds).map_err(StudioError::Failed)?;
    match (plan, run.tuning_job_id) {
        (Plan::Content, _) => without_search(services, run, data).await,
        (Plan::Search(search), None) => start(services, run, data, search).await,
        (Plan::Search(search), Some(job)) => follow(services, run, data, job, search.algorithms[0]).await,
    }
}

/// Trains neighbours by what items have in common, of which there is nothing to search without interactions.
async fn without_search(services: &Services, run: &Run, data: i64) -> Result<Progress, StudioError> {
    let chosen = Chosen { algorithm: CONTENT_KNN.to_owned(), parameters: Map::new(), configuration: None };
    let detail = StageDetail { algorithm: Some(CONTENT_KNN.to_owned()), ..StageDetail::default() };
    train(services, run, data, chosen, Found { detail, skipped: true, ..Found::default() }).await
}

async fn start(services: &Services, run: &Run, data: i64, search: Search) -> Result<Progress, StudioError> {
    let (id, stage, budget) = (run.id, run.stage, run.budget_seconds);
    let most = i32::try_from(services.settings.max_trials).unwrap_or(i32::MAX);
    let n_trials = if most > 0 { search.most_trials.min(most) } else { search.most_trials };
    let mut connection = services.db.conn().await?;
    let job = connection
        .transaction(async move |connection| -> Result<Option<i64>, StudioError> {
            let Some(run) = lock(connection, id, stage).await?.filter(|run| run.tuning_job_id.is_none()) else { return Ok(None) };
            let Some((project, _)) = <Project as Guarded>::load(connection, run.project_id).await? else { return Ok(None) };
            let (split_id, evaluation_id) = configs(connection, &project, &run, &search).await?;
            let defaults = NewTuningJob::with_defaults(data, split_id, evaluation_id, run.created_by);
            let fields = TuningFields {
                n_trials,
                timeout_overall: Some(budget),
                timeout_singlestep: Some(search.trial_seconds),
                tried_algorithms_json: Some(json!(search.algorithms)),
                train_after_tuning: false,
                ..defaults.fields
            };
            let job = tuning::create(connection, NewTuningJob { fields, created_by: run.created_by }).await?;
            let mut stages = Stages::of(&run.stages);
            if let Some(searching) = stages.at(Stage::Searching) {
                searching.detail.most_trials = u64::try_from(n_trials).ok();
            }
            let changes = Changes { tuning_job_id: Some(job.id), stages: Some(stages.stored()), ..Changes::default() };
            store::change(connection, id, changes).await?;
            Ok(Some(job.id))
        })
        .await?;
    Ok(job.map_or(Progress::On, |job| Progress::WaitsFor(TuningJob::group(job))))
}

/// Creates the split and the evaluation config of a search, for its project.
async fn configs(
    connection: &mut AsyncPgConnection,
    project: &Project,
    run: &Run,
    search: &Search,
) -> Result<(i64, i64), StudioError> {
    let maker = run.created_by.ok_or_else(|| StudioError::Failed("The user of this run has been deleted.".to_owned()))?;
    let home = Ownership { organisation_id: project.organisation_id, project_id: Some(project.id) };
    let name = Some(format!("Studio run {}", run.id));
    let Search { scheme, n_heldout, n_test_users, .. } = *search;
    let split = SplitFields { name: name.clone(), scheme, n_heldout, n_test_users, ..SplitFields::default() };
    let split = evaluation::create_split(connection, split, maker, home).await?;
    let judged = EvaluationFields { name, cutoff: CUTOFF, ..EvaluationFields::default() };
    let judged = evaluation::create_evaluation(connection, judged, maker, home).await?;
    Ok((split.id, judged.id))
}

async fn follow(services: &Services, run: &Run, data: i64, job: i64, quickest: &str) -> Result<Progress, StudioError> {
    let mut connection = services.db.conn().await?;
    let Some((job, counts)) = tuning::snapshot(&mut connection, job).await? else {
        return Err(StudioError::Failed("The search of this run has been deleted.".to_owned()));
    };
    if job.is_live() {
        return Ok(Progress::WaitsFor(TuningJob::group(job.id)));
    }
    if job.status == SearchStatus::Cancelled {
        return Err(StudioError::Failed("The search of this run was cancelled.".to_owned()));
    }
    let winner = winner::of(&job, &tuning::trials_of(&mut connection, job.id).await?);
    let winner = winner.map(|winner| winner.beside_popularity(run.goal));
    drop(connection);
    let mut detail = StageDetail {
        trials: u64::try_from(counts.total() - counts.running).ok(),
        most_trials: u64::try_from(job.fields.n_trials).ok(),
        popularity_score: job.baseline_score,
        ..StageDetail::default()
    };
    match winner {
        Some((Winner { algorithm, parameters, is_best, scores }, warnings)) => {
            (detail.best_score, detail.popularity_score) = (Some(scores.score), Some(scores.popularity));
            detail.algorithm = Some(algorithm.clone());
            let result = RunResult {
                algorithm: algorithm.clone(),
                metric: EvaluationFields::default().target_metric.wire().to_owned(),
                cutoff: CUTOFF,
                score: scores.score,
                popularity_score: scores.popularity,
                new_items: scores.new_items,
            };
            let changes = Changes { result: Some(json!(result)), ..Changes::default() };
            let chosen = Chosen { algorithm, parameters, configuration: job.best_config_id.filter(|_| is_best) };
            train(services, run, data, chosen, Found { detail, warnings, changes, ..Found::default() }).await
        }
        None => {
            detail.algorithm = Some(quickest.to_owned());
            let warnings = vec![format!(
                "No trial of the search found what was held out, so {quickest} is trained with its usual parameters, and its quality \
                 is not known. Send more interactions, or allow a larger budget than {} seconds.",
                run.budget_seconds
            )];
            let chosen = Chosen { algorithm: quickest.to_owned(), parameters: Map::new(), configuration: None };
            train(services, run, data, chosen, Found { detail, warnings, ..Found::default() }).await
        }
    }
}

/// What is trained on all data.
struct Chosen {
    algorithm: String,
    parameters: Map<String, Value>,
    /// The configuration, if it exists already.
    configuration: Option<i64>,
}

/// Creates the model of a run, and ends its search.
async fn train(services: &Services, run: &Run, data: i64, chosen: Chosen, mut found: Found) -> Result<Progress, StudioError> {
    let (id, stage, now) = (run.id, run.stage, services.clock.now());
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| -> Result<Progress, StudioError> {
            let Some(run) = lock(connection, id, stage).await? else { return Ok(Progress::On) };
            let Chosen { algorithm, parameters, configuration } = chosen;
            let configuration = match configuration {
                Some(configuration) => configuration,
                None => {
                    let name = format!("Studio run {id}");
                    model_configs::create_for_data(connection, data, &name, &algorithm, parameters).await?
                }
            };
            found.changes.trained_model_id = Some(models::create(connection, configuration, data).await?.id);
            pass_locked(connection, &run, found, now).await?;
            Ok(Progress::On)
        })
        .await
}
