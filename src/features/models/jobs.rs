//! The background job that trains a model.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use diesel_async::AsyncConnection;
use serde_json::json;

use super::artifacts::{self, Staged};
use super::engine::{engine_context, training_deadline};
use super::model::{Outcome, TrainModel, TrainedModel};
use super::ready::ReadyModel;
use super::signing::Keyring;
use super::store;
use super::training::{self, EarlierModel, Packed, Plan, Tables};
use crate::features::datasets::{self, TrainingData};
use crate::features::feature_sets;
use crate::features::item_metadata::{self, Subject, Unread};
use crate::features::projects::{self, StoredBytes, TooManyStoredBytes, Topic};
use crate::features::task_logs::{self, Line};
use crate::ml::algorithms::NewItems;
use crate::ml::context::Context;
use crate::ml::error::MlError;
use crate::ml::features::FeatureTable;
use crate::ml::registry;
use crate::platform::compute;
use crate::platform::memory;
use crate::platform::queue::{Job, JobContext, JobError};
use crate::platform::services::Services;

/// How long to wait for an upload that is still being prepared.
const PREPARATION_PAUSE: Duration = Duration::from_secs(2);

impl Job for TrainModel {
    const KIND: &'static str = "train_model";
    const MAX_ATTEMPTS: i32 = 3;
    /// The operator sets the time limit of a training; this one only ends a job that hangs.
    const TIMEOUT: Duration = Duration::from_secs(7 * 24 * 3_600);
    type Context = Services;

    async fn run(self, context: JobContext<Services>) -> Result<(), JobError> {
        let Some((mut plan, data, metadata)) = prepare(&context.app, self.trained_model_id).await? else { return Ok(()) };
        if !begin(&context, &plan).await? {
            return Ok(());
        }
        plan.before = earlier_model(&context.app, self.warm_start_from).await?;
        let (packed, staged, seconds) = train(&context, plan, &data, metadata).await?;
        complete(&context, self.trained_model_id, data.project_id, packed, staged, seconds).await
    }

    async fn failed(self, services: Services, job_id: i64, reason: String) {
        if let Err(error) = record_failure(&services, self.trained_model_id, job_id, &reason).await {
            tracing::error!(%error, model = self.trained_model_id, "the failure of a training could not be recorded");
        }
    }
}

/// Returns what to train on which data, with the prepared forms of the metadata; `None` if the model has been deleted or has ended
/// already.
async fn prepare(services: &Services, id: i64) -> Result<Option<(Plan, TrainingData, Tables<File>)>, JobError> {
    let mut connection = services.db.conn().await.map_err(|error| later(&error))?;
    let model = store::find(&mut connection, id).await.map_err(|error| later(&error))?;
    let Some(model) = model.filter(TrainedModel::is_live) else { return Ok(None) };
    let recipe = store::recipes(&mut connection, &[model.configuration_id]).await.map_err(|error| later(&error))?.pop();
    let data = datasets::find(&mut connection, model.data_id).await.map_err(|error| later(&error))?;
    let (Some(recipe), Some(data)) = (recipe, data) else { return Ok(None) };
    if data.is_coming() {
        return Err(JobError::Snooze(PREPARATION_PAUSE));
    }
    services.disk().check().map_err(|shortage| JobError::Retry { reason: shortage.to_string() })?;
    let project = projects::of_data(&mut connection, data.id).await.map_err(|error| later(&error))?;
    let allowed = services.settings.max_stored_bytes_per_organisation;
    let stored = projects::stored_bytes(&mut connection, &project, allowed).await.map_err(|error| later(&error))?;
    stored.map_or(Ok(()), StoredBytes::admit_any).map_err(|excess| JobError::Fail { reason: excess.to_string() })?;
    let feature_set = feature_sets::current(&mut connection, data.project_id).await.map_err(|error| later(&error))?;
    let plan = Plan {
        model_id: id,
        data_id: data.id,
        data_sha256: data.sha256.clone(),
        data_sources: data.sources.clone(),
        algorithm: recipe.recommender_class_name,
        parameters: recipe.parameters_json.as_object().cloned().unwrap_or_default(),
        weights: project.weights(),
        before: None,
        feature_set,
    };
    let project = data.project_id;
    let items = item_metadata::open_newest(&mut connection, &services.blobs, project, Subject::Item).await?;
    let users = item_metadata::open_newest(&mut connection, &services.blobs, project, Subject::User).await?;
    Ok(Some((plan, data, Tables { items, users })))
}

/// Returns the model to start from; `None` if it is gone or cannot be read, since training can always start from scratch.
async fn earlier_model(services: &Services, id: Option<i64>) -> Result<Option<EarlierModel>, JobError> {
    let Some(id) = id else { return Ok(None) };
    let mut connection = services.db.conn().await.map_err(|error| later(&error))?;
    let Some(row) = store::find(&mut connection, id).await.map_err(|error| later(&error))? else { return Ok(None) };
    drop(connection);
    let services = services.clone();
    let open = move || artifacts::open(&services.blobs, &Keyring::of(&services), &row, &services.memory().promise());
    match tokio::task::spawn_blocking(open).await {
        Ok(Ok((ReadyModel::Matrix(artifact), _))) => Ok(Some(EarlierModel { id, artifact: Arc::new(artifact) })),
        // A model of sessions has nothing that another training could start from.
        Ok(Ok((ReadyModel::Sessions(_), _))) => Ok(None),
        Ok(Err(error)) => {
            tracing::warn!(model = id, cause = ?error, "a training begins with nothing: the earlier model cannot be read");
            Ok(None)
        }
        Err(error) => Err(JobError::Retry { reason: format!("The earlier model could not be read: {error}.") }),
    }
}

async fn begin(context: &JobContext<Services>, plan: &Plan) -> Result<bool, JobError> {
    let mut connection = context.app.db.conn().await.map_err(|error| later(&error))?;
    let (id, now, line) = (plan.model_id, context.app.clock.now(), line(plan.model_id, context.job_id));
    let parameters = serde_json::Value::from(plan.parameters.clone());
    let text = format!("Start training model {id}: {} / {parameters}.", plan.algorithm);
    let begun = connection.transaction(async move |connection| -> diesel::QueryResult<bool> {
        if !store::begin(connection, id, now).await? {
            return Ok(false);
        }
        task_logs::write(connection, line, &text).await?;
        store::announce(connection, id).await?;
        Ok(true)
    });
    begun.await.map_err(|error| later(&error))
}

/// Loads the data, then fits and stages the model on a blocking thread. Also returns the duration in seconds.
async fn train(
    context: &JobContext<Services>,
    plan: Plan,
    data: &TrainingData,
    metadata: Tables<File>,
) -> Result<(Packed, Staged, f64), JobError> {
    let services = context.app.clone();
    let (start, deadline) = (services.clock.now(), training_deadline(&services));
    let log = datasets::load_log(&services, data).await.map_err(JobError::from)?;
    let (threads, memory) = (compute::threads(&services.settings, 1), services.memory().promise());
    let engine = engine_context(context, training::SEED, threads, deadline, memory);
    let work = move || {
        let read = |file: Option<File>| file.map(|file| read_table(&services, &plan, &file, &engine)).transpose();
        let (items, users) = (read(metadata.items)?.flatten(), read(metadata.users)?.flatten());
        let tables = Tables { items: items.as_ref(), users: users.as_ref() };
        let packed = training::fit(&plan, &log, tables, &engine).map_err(|error| ended(error, &services))?;
        let staged = artifacts::stage(&services.blobs, &Keyring::of(&services), plan.model_id, &packed.bytes);
        let staged = staged.map_err(|error| JobError::Retry { reason: format!("The model could not be stored: {error}.") })?;
        Ok::<_, JobError>((packed, staged))
    };
    let crashed = |error| JobError::Fail { reason: format!("The engine stopped unexpectedly: {error}. Please report this.") };
    let (packed, staged) = compute::blocking(work).await.map_err(crashed)??;
    Ok((packed, staged, (context.app.clock.now() - start).as_seconds_f64()))
}

/// Returns metadata for an algorithm that can use it; `None` for others. Blocks.
fn read_table(services: &Services, plan: &Plan, file: &File, engine: &Context) -> Result<Option<FeatureTable>, JobError> {
    if registry::find(&plan.algorithm).is_ok_and(|info| info.new_items() == NewItems::Never) {
        return Ok(None);
    }
    let memory = services.memory().promise();
    match item_metadata::read_opened(file, &memory, || engine.check()) {
        Ok(table) => Ok(Some(table.into_features())),
        Err(Unread::Memory(_)) if memory.waits_for_others() => Err(JobError::Snooze(memory::PAUSE)),
        Err(Unread::Memory(shortage)) => Err(JobError::Fail { reason: format!("The metadata cannot be read: {shortage}.") }),
        Err(Unread::Stopped(stopped)) => Err(ended(stopped, services)),
        Err(error) => Err(JobError::Retry { reason: format!("The metadata could not be read: {error}.") }),
    }
}

/// Converts an error of the engine into that of the job: another attempt would end the same way, unless other jobs hold the
/// memory.
fn ended(error: MlError, services: &Services) -> JobError {
    match error {
        MlError::TimedOut => JobError::Fail {
            reason: format!(
                "Training failed: it took longer than {} seconds (max_training_seconds). Set parameters that learn faster, such as \
                 fewer epochs, or ask the operator to raise the limit.",
                services.settings.max_training_seconds
            ),
        },
        MlError::Cancelled => JobError::Cancelled,
        MlError::MemoryInUse { .. } => JobError::Snooze(memory::PAUSE),
        error => JobError::Fail { reason: format!("Training failed: {error}.") },
    }
}

async fn complete(
    context: &JobContext<Services>,
    id: i64,
    project: i64,
    packed: Packed,
    staged: Staged,
    seconds: f64,
) -> Result<(), JobError> {
    let (services, line) = (&context.app, line(id, context.job_id));
    let stored = staged.stored.clone();
    let (size, allowed) = (stored.size, services.settings.max_stored_bytes_per_organisation);
    let learnt_from = if registry::learns_from_sessions(packed.lineage["algorithm"].as_str().unwrap_or_default()) {
        "sessions"
    } else {
        "users"
    };
    let text = format!(
        "Model {id} complete: {} {learnt_from}, {} items, {} interactions, {} bytes, {seconds:.1} seconds.",
        packed.n_users, packed.n_items, packed.n_interactions, stored.size
    );
    let text = packed.notes.iter().fold(text, |text, note| format!("{text} {note}"));
    let mut lineage = packed.lineage;
    lineage["training_seconds"] = seconds.into();
    let outcome = Outcome {
        storage_key: stored.key,
        signature: stored.signature,
        filesize: i64::try_from(stored.size).unwrap_or(i64::MAX),
        engine_version: training::ENGINE_VERSION.to_owned(),
        lineage,
        n_users: i32::try_from(packed.n_users).unwrap_or(i32::MAX),
        n_items: i32::try_from(packed.n_items).unwrap_or(i32::MAX),
    };
    let mut connection = services.db.conn().await.map_err(|error| later(&error))?;
    let now = services.clock.now();
    let blobs = services.blobs.clone();
    let told = json!({
        "model": id,
        "algorithm": outcome.lineage["algorithm"],
        "users": outcome.n_users,
        "items": outcome.n_items,
        "bytes": outcome.filesize,
        "seconds": seconds,
    });
    let recorded = connection.transaction(async move |connection| -> Result<(), CompletionError> {
        // The row stays locked until the file is stored. If a worker that was believed dead finishes too, only the first attempt
        // is recorded, with its file and its signature. A model that was deleted meanwhile leaves no file.
        if !store::complete(connection, id, &outcome, now).await? {
            return Ok(());
        }
        projects::record(connection, project, Topic::ModelTrained, told).await?;
        projects::refuse_excess(connection, project, size, allowed).await??;
        tokio::task::spawn_blocking(move || artifacts::keep(&blobs, staged)).await.map_err(std::io::Error::other)??;
        task_logs::write(connection, line, &text).await?;
        Ok(store::announce(connection, id).await?)
    });
    recorded.await.map_err(|error| match error {
        // Without deletions another attempt would end the same way.
        CompletionError::Excess(excess) => JobError::Fail { reason: excess.to_string() },
        error => JobError::Retry { reason: format!("The model could not be recorded: {error}.") },
    })
}

/// Why a finished training was not recorded.
#[derive(Debug, thiserror::Error)]
enum CompletionError {
    #[error(transparent)]
    Database(#[from] diesel::result::Error),
    #[error(transparent)]
    Files(#[from] std::io::Error),
    #[error(transparent)]
    Excess(#[from] TooManyStoredBytes),
}

async fn record_failure(
    services: &Services,
    id: i64,
    job_id: i64,
    reason: &str,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut connection = services.db.conn().await?;
    let (now, line, reason) = (services.clock.now(), line(id, job_id), reason.to_owned());
    connection
        .transaction(async move |connection| -> diesel::QueryResult<()> {
            if store::fail(connection, id, &reason, now).await? {
                let (project, told) = (store::project_of(connection, id).await?, json!({ "model": id, "error": reason }));
                projects::record(connection, project, Topic::ModelFailed, told).await?;
                task_logs::write(connection, line, &reason).await?;
                if let Some(search) = store::search_of(connection, id).await? {
                    let line = Line { tuning_job_id: Some(search), trained_model_id: None, ..line };
                    let text = format!("The search is complete, but its model {id} could not be trained. {reason}");
                    task_logs::write(connection, line, &text).await?;
                }
                store::announce(connection, id).await?;
            }
            Ok(())
        })
        .await?;
    Ok(())
}

fn line(model_id: i64, job_id: i64) -> Line {
    Line { job_id: Some(job_id), tuning_job_id: None, trained_model_id: Some(model_id) }
}

/// Returns an error with which the job is tried again, for when the database is unavailable.
fn later(error: &dyn std::fmt::Display) -> JobError {
    JobError::Retry { reason: format!("The database could not be reached: {error}.") }
}
