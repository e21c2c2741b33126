//! The loop of a task: claim a trial, run it, record it, until none is left.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncConnection;
use serde_json::{Value, json};

use super::error::TuningError;
use super::history::History;
use super::model::{RunSearch, SearchStatus, Trial, TrialResult, TrialStatus, TuningJob};
use super::new_items::{BesideNewItems, ColdBaselineScore};
use super::service::{self, Algorithms};
use super::store::RunBy;
use super::{lost_workers, split_cache, store};
use crate::features::datasets;
use crate::features::evaluation::{self, EvaluationConfig};
use crate::features::models;
use crate::features::projects;
use crate::features::task_logs;
use crate::ml::cold_start::ColdBaseline;
use crate::ml::context::Context;
use crate::ml::error::{MlError, MlResult};
use crate::ml::metrics::Metric;
use crate::ml::registry;
use crate::ml::splits::Split;
use crate::ml::trials::{self, TrialOutcome};
use crate::ml::tuning::{Sampler, Study, Suggestion};
use crate::ml::weights::Weights;
use crate::platform::compute;
use crate::platform::queue::JobContext;
use crate::platform::services::Services;

/// Why a task ended before the search was complete.
pub enum Stop {
    /// The worker is shutting down, or the job was cancelled; a running trial stays claimed, to be run again.
    HandedBack,
    /// Its turn is over, and others wait.
    Yielded,
    /// Other work uses the memory that it needs; a running trial stays claimed, to be run again.
    WaitsForMemory,
    Failed(TuningError),
}

impl<E: Into<TuningError>> From<E> for Stop {
    fn from(error: E) -> Self {
        match error.into() {
            TuningError::Engine(MlError::Cancelled) => Self::HandedBack,
            TuningError::Engine(MlError::MemoryInUse { .. }) | TuningError::MemoryInUse(_) => Self::WaitsForMemory,
            error => Self::Failed(error),
        }
    }
}

/// The state of a task that is shared by all of its trials.
struct Search<'a> {
    services: &'a Services,
    context: &'a JobContext<Services>,
    job: TuningJob,
    history: History,
    study: Study,
    /// The weights of the project, for trials that do not search them.
    weights: Weights,
    split: Arc<Split>,
    metric: Metric,
    cutoff: i32,
    threads: usize,
    /// When this task began its turn.
    began: DateTime<Utc>,
}

/// The minimum time that a task works after reading its data before it yields to others.
const TURN: TimeDelta = TimeDelta::seconds(20);

/// Works on a tuning job until no trial is left.
pub async fn run(task: &RunSearch, context: &JobContext<Services>) -> Result<(), Stop> {
    lost_workers::account(task, context).await?;
    let Some(mut search) = prepare(task, context).await? else { return unless_cancelled(task, context).await };
    search.record_baseline().await?;
    while let Some(trial) = search.claim().await? {
        let outcome = search.attempt(&trial).await?;
        search.record(&trial, outcome).await?;
        if context.cancel.is_cancelled() || context.shutdown.is_cancelled() {
            return Err(Stop::HandedBack);
        }
        if search.has_had_its_turn().await? {
            return Err(Stop::Yielded);
        }
    }
    service::finish_if_done(search.services, search.job.id, Some(context.job_id), search.is_out_of_time()).await?;
    unless_cancelled(task, context).await
}

/// Ends the task as cancelled if it finds its job cancelled before its own cancellation arrives.
async fn unless_cancelled(task: &RunSearch, context: &JobContext<Services>) -> Result<(), Stop> {
    let job = store::find(&mut *context.app.db.conn().await?, task.tuning_job_id).await?;
    match job {
        Some(job) if job.status == SearchStatus::Cancelled => Err(Stop::HandedBack),
        _ => Ok(()),
    }
}

async fn prepare<'a>(task: &RunSearch, context: &'a JobContext<Services>) -> Result<Option<Search<'a>>, Stop> {
    let services = &context.app;
    let mut connection = services.db.conn().await?;
    let Some(job) = store::find(&mut connection, task.tuning_job_id).await?.filter(TuningJob::is_live) else { return Ok(None) };
    let data = datasets::find(&mut connection, job.fields.data_id).await?;
    let data = data.ok_or_else(|| TuningError::Data("The training data of this job has been deleted.".to_owned()))?;
    let split = evaluation::find_split(&mut connection, job.fields.split_id).await?;
    let evaluation: EvaluationConfig = evaluation::find_evaluation(&mut connection, job.fields.evaluation_id).await?;
    let weights = projects::of_data(&mut connection, job.fields.data_id).await?.weights();
    let cold = split.fields.scheme.holds_out_items();
    let algorithms = Algorithms::of(job.fields.tried_algorithms_json.as_ref()).suited(cold);
    drop(connection);
    let weighed = job.fields.search_weights || !weights.is_neutral();
    let described = cold || algorithms.names.iter().any(|name| registry::learns_from_features(name));
    let split = split_cache::split_of(context, &data, &split.to_engine(), weighed.then_some(&weights), described).await?;
    let study = match job.fields.search_weights {
        true => trials::study_with_weights(&algorithms.names, Sampler::Tpe, job.seed(), &weights, split.days_covered())?,
        false => trials::study(&algorithms.names, Sampler::Tpe, job.seed())?,
    };
    let metric = evaluation.fields.target_metric.into();
    let mut search = Search {
        services,
        context,
        history: History::default(),
        study,
        weights,
        split,
        metric,
        cutoff: evaluation.fields.cutoff,
        threads: compute::threads(&services.settings, at_once(services, &job)),
        began: services.clock.now(),
        job,
    };
    search.start(&algorithms).await?;
    Ok(Some(search))
}

/// Returns the number of tasks that share the cores.
fn at_once(services: &Services, job: &TuningJob) -> usize {
    (job.fields.n_tasks_parallel.max(1) as usize).min(services.settings.worker_concurrency.max(1))
}

impl Search<'_> {
    fn now(&self) -> DateTime<Utc> {
        self.services.clock.now()
    }

    /// Marks the job as running and starts its time limit, if this is its first task.
    async fn start(&mut self, algorithms: &Algorithms) -> Result<(), Stop> {
        let (id, now, line) = (self.job.id, self.now(), service::line(self.job.id, Some(self.context.job_id)));
        let mut texts =
            vec![format!("Start job {id} / {} trials on {} interactions.", self.job.fields.n_trials, self.split.train.nnz())];
        texts.extend(algorithms.log_lines());
        let default = i32::try_from(self.services.settings.default_timeout_overall).ok().filter(|seconds| *seconds > 0);
        let timeout = self.job.fields.timeout_overall.or(default);
        let mut connection = self.services.db.conn().await?;
        connection
            .transaction(async move |connection| -> Result<(), TuningError> {
                if store::start(connection, id, env!("CARGO_PKG_VERSION"), timeout, now).await? {
                    for text in &texts {
                        task_logs::write(connection, line, text).await?;
                    }
                    store::announce(connection, id).await?;
                }
                Ok(())
            })
            .await?;
        if let Some(started) = store::find(&mut connection, self.job.id).await? {
            self.job = started;
        }
        Ok(())
    }

    /// Returns whether another tenant with a better claim waits; called between two trials.
    async fn has_had_its_turn(&self) -> Result<bool, Stop> {
        let now = self.now();
        if now < self.began + TURN {
            return Ok(false);
        }
        let mut connection = self.services.db.conn().await?;
        Ok(self.context.should_yield(&mut connection, now).await?)
    }

    /// Scores the most popular items, the baseline that every trial has to beat. Of new items it is the popularity that features
    /// predict, beside the other baselines.
    async fn record_baseline(&self) -> Result<(), Stop> {
        if self.job.baseline_score.is_some() {
            return Ok(());
        }
        let (split, metric, cutoff, context) = (self.split.clone(), self.metric, self.cutoff as usize, self.engine_context(None));
        let (score, cold) = blocking(move || baselines(&split, metric, cutoff, &context)).await??;
        let mut connection = self.services.db.conn().await?;
        store::set_baseline(&mut connection, self.job.id, score, cold.as_deref()).await?;
        store::announce(&mut connection, self.job.id).await?;
        Ok(())
    }

    /// Claims the next trial: the one that this task was running when its worker died, or a new one. `None` if all are taken.
    async fn claim(&mut self) -> Result<Option<Trial>, Stop> {
        let mut connection = self.services.db.conn().await?;
        let (id, now) = (self.job.id, self.now());
        let run_by = RunBy { queue_job: self.context.job_id, lost_workers: self.context.lost_workers };
        // After an error it is empty, and everything is read again.
        let (mut history, search) = (std::mem::take(&mut self.history), &*self);
        let (history, claimed) = connection
            .transaction(async move |connection| -> Result<_, TuningError> {
                let Some(job) = store::lock(connection, id).await?.filter(TuningJob::is_live) else { return Ok((history, None)) };
                history.refresh(connection, id).await?;
                if let Some(trial) = store::interrupted(connection, id, run_by.queue_job).await? {
                    return Ok((history, Some(trial)));
                }
                let number = history.len() as i32;
                if number >= job.fields.n_trials || search.is_out_of_time() {
                    return Ok((history, None));
                }
                let Suggestion { algorithm, mut params } = search.study.ask(&history.records(), number as u32)?;
                search.weights.complete(&mut params);
                let trial = store::begin_trial(connection, id, number, &algorithm, params, run_by, now).await?;
                store::announce(connection, id).await?;
                Ok((history, Some(trial)))
            })
            .await?;
        self.history = history;
        Ok(claimed)
    }

    /// Runs a trial on a blocking thread. Returns an error only for shutdown, cancellation or waiting for memory: a failed trial
    /// is an outcome.
    async fn attempt(&self, trial: &Trial) -> Result<TrialOutcome, Stop> {
        let limit =
            self.job.fields.timeout_singlestep.map(|seconds| self.now() + Duration::from_secs(u64::from(seconds.unsigned_abs())));
        // Other jobs may wait for this trial to end, so it lasts no longer than a training may.
        let deadline = [limit, self.deadline(), models::training_deadline(self.services)].into_iter().flatten().min();
        // The requested budget is only an upper limit: free memory limits it further.
        let context = self.engine_context(deadline).with_memory_budget((self.job.fields.memory_budget.max(1) as u64) << 20);
        let suggestion =
            Suggestion { algorithm: trial.algorithm.clone(), params: trial.parameters.as_object().cloned().unwrap_or_default() };
        let (split, study, metric, cutoff) = (self.split.clone(), self.study.clone(), self.metric, self.cutoff as usize);
        let history = self.history.records();
        let outcome = blocking(move || {
            let algorithm = suggestion.algorithm.clone();
            let mut prune = |step, score| study.should_prune(&history, &algorithm, step, score);
            trials::run_trial(&suggestion, &split, metric, cutoff, &context, &mut prune)
        })
        .await?;
        match outcome {
            Ok(outcome) => Ok(outcome),
            Err(MlError::Cancelled) => Err(Stop::HandedBack),
            // Once the time limit of the search has passed, waiting is pointless.
            Err(error @ MlError::MemoryInUse { .. }) if self.is_out_of_time() => Ok(TrialOutcome::pruned(error.to_string())),
            Err(MlError::MemoryInUse { .. }) => Err(Stop::WaitsForMemory),
            Err(error) => Ok(TrialOutcome::failed(error.to_string())),
        }
    }

    async fn record(&self, trial: &Trial, outcome: TrialOutcome) -> Result<(), Stop> {
        let state = TrialStatus::from(outcome.state);
        let mut parameters = trial.parameters.as_object().cloned().unwrap_or_default();
        parameters.extend(outcome.params);
        let result = TrialResult {
            state,
            parameters: Value::Object(parameters),
            score: outcome.score.filter(|score| score.is_finite()),
            interval_low: outcome.interval.map(|(low, _)| low),
            interval_high: outcome.interval.map(|(_, high)| high),
            metrics: Some(
                outcome.metrics.iter().map(|(metric, value)| (metric.as_str().to_owned(), Value::from(*value))).collect(),
            ),
            intermediate: service::intermediate_json(&outcome.intermediate),
            note: outcome.note,
            finished_at: self.now(),
            beside_new_items: outcome.beside_new_items.as_ref().map(|beside| json!(BesideNewItems::from(beside))),
        };
        let text = service::trial_line(trial, &result, self.metric.as_str(), self.cutoff);
        let (id, queue_job, trial_id) = (self.job.id, self.context.job_id, trial.id);
        let best = (state == TrialStatus::Completed).then_some(result.score).flatten();
        let mut connection = self.services.db.conn().await?;
        connection
            .transaction(async move |connection| -> Result<(), TuningError> {
                // The job is locked before its trials, as everywhere, so that a concurrent cancellation waits.
                store::lock(connection, id).await?;
                if !store::end_trial(connection, trial_id, &result).await? {
                    return Ok(());
                }
                if let Some(score) = best {
                    store::raise_best(connection, id, score).await?;
                }
                task_logs::write(connection, service::line(id, Some(queue_job)), &text).await?;
                Ok(store::announce(connection, id).await?)
            })
            .await?;
        Ok(())
    }

    fn deadline(&self) -> Option<DateTime<Utc>> {
        let seconds = self.job.fields.timeout_overall?;
        Some(self.job.started_at.unwrap_or_else(|| self.now()) + Duration::from_secs(u64::from(seconds.unsigned_abs())))
    }

    fn is_out_of_time(&self) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= self.now())
    }

    fn engine_context(&self, deadline: Option<DateTime<Utc>>) -> Context {
        let memory = self.services.memory().promise();
        models::engine_context(self.context, self.job.seed(), self.threads, deadline, memory)
    }
}

/// Returns the score that every trial has to beat, and what each baseline of new items reaches where the split holds out items.
fn baselines(split: &Split, metric: Metric, cutoff: usize, context: &Context) -> MlResult<(f64, Option<Vec<ColdBaselineScore>>)> {
    if !split.has_cold_items() {
        return Ok((trials::popularity_baseline(split, metric, cutoff, context)?, None));
    }
    let score = |name: &ColdBaseline| {
        let outcome = trials::run_cold_baseline(*name, split, metric, cutoff, context)?;
        Ok(ColdBaselineScore::new(*name, &outcome))
    };
    let scores: Vec<ColdBaselineScore> = ColdBaseline::ALL.iter().map(score).collect::<MlResult<_>>()?;
    let impersonal = scores.iter().find(|one| one.name == ColdBaseline::PopularityFromFeatures);
    Ok((impersonal.map_or(0.0, |one| one.score.mean), Some(scores)))
}

/// Runs heavy work on a blocking thread; a panic there fails the task, not the worker.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, TuningError> {
    compute::blocking(work)
        .await
        .map_err(|error| TuningError::Data(format!("The engine stopped unexpectedly: {error}. Please report this.")))
}
