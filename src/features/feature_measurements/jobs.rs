//! The background job that measures what the fields of a feature set are worth.

use std::time::Duration;

use super::measuring::{self, Inputs};
use super::model::{FeatureMeasurement, MeasureFeatures, MeasurementResult};
use super::store;
use crate::features::accounts::Guarded;
use crate::features::datasets::{self, TrainingData};
use crate::features::feature_sets::FeatureSet;
use crate::features::item_metadata::{self, Subject};
use crate::features::models::{engine_context, training_deadline};
use crate::features::projects;
use crate::platform::compute;
use crate::platform::queue::{Job, JobContext, JobError};
use crate::platform::services::Services;

/// How long to wait for an upload that is still being prepared.
const PREPARATION_PAUSE: Duration = Duration::from_secs(2);

impl Job for MeasureFeatures {
    const KIND: &'static str = "measure_features";
    const MAX_ATTEMPTS: i32 = 3;
    /// The operator sets the time limit of a training, which is also that of a measurement; this one only ends a job that hangs.
    const TIMEOUT: Duration = Duration::from_secs(7 * 24 * 3_600);
    type Context = Services;

    async fn run(self, context: JobContext<Services>) -> Result<(), JobError> {
        let id = self.feature_measurement_id;
        let Some((inputs, data)) = prepare(&context.app, id).await? else { return Ok(()) };
        let mut connection = context.app.db.conn().await.map_err(|error| later(&error))?;
        if !store::begin(&mut connection, id).await.map_err(|error| later(&error))? {
            return Ok(());
        }
        drop(connection);
        let result = measure(&context, id, inputs, &data).await?;
        let result = serde_json::to_value(result).map_err(|error| JobError::Fail { reason: error.to_string() })?;
        let mut connection = context.app.db.conn().await.map_err(|error| later(&error))?;
        store::end(&mut connection, id, Ok(result), context.app.clock.now()).await.map_err(|error| later(&error))
    }

    async fn failed(self, services: Services, _job_id: i64, reason: String) {
        if let Err(error) = record_failure(&services, self.feature_measurement_id, &reason).await {
            let measurement = self.feature_measurement_id;
            tracing::error!(%error, measurement, "the failure of a measurement could not be recorded");
        }
    }
}

/// Returns what to measure on which data; `None` if the measurement has been deleted or has ended already.
async fn prepare(services: &Services, id: i64) -> Result<Option<(Inputs, TrainingData)>, JobError> {
    let mut connection = services.db.conn().await.map_err(|error| later(&error))?;
    let measurement = store::find(&mut connection, id).await.map_err(|error| later(&error))?;
    let Some(measurement) = measurement.filter(FeatureMeasurement::is_live) else { return Ok(None) };
    let load_set = <FeatureSet as Guarded>::load;
    let set = load_set(&mut connection, measurement.feature_set_id).await.map_err(|error| later(&error))?;
    let data = datasets::find(&mut connection, measurement.data_id).await.map_err(|error| later(&error))?;
    let (Some((set, _)), Some(data)) = (set, data) else { return Ok(None) };
    if data.is_coming() {
        return Err(JobError::Snooze(PREPARATION_PAUSE));
    }
    let spec = set.to_engine().map_err(|error| JobError::Fail { reason: format!("The spec cannot be read: {error}.") })?;
    let items = item_metadata::newest(&mut connection, data.project_id, Subject::Item).await.map_err(|error| later(&error))?;
    let items = items.ok_or_else(|| JobError::Fail { reason: measuring::NO_ITEMS.to_owned() })?;
    let weights = projects::of_data(&mut connection, data.id).await.map_err(|error| later(&error))?.weights();
    Ok(Some((Inputs { algorithm: measurement.algorithm, spec, items, weights }, data)))
}

/// Loads the data and measures on a blocking thread, while the progress is recorded.
async fn measure(
    context: &JobContext<Services>,
    id: i64,
    inputs: Inputs,
    data: &TrainingData,
) -> Result<MeasurementResult, JobError> {
    let services = context.app.clone();
    let deadline = training_deadline(&services);
    let log = datasets::load_log(&services, data).await.map_err(JobError::from)?;
    let (threads, memory) = (compute::threads(&services.settings, 1), services.memory().promise());
    let engine = engine_context(context, measuring::SEED, threads, deadline, memory);
    let (progress, mut steps) = tokio::sync::watch::channel((0, 0));
    let work = compute::blocking(move || {
        measuring::measure(&services, &inputs, &log, &engine, &mut |done, total| {
            progress.send_replace((done as i64, total as i64));
        })
    });
    let recorded = async {
        // The sender is dropped when the work ends. Steps that end while others are recorded are skipped.
        while steps.changed().await.is_ok() {
            let (done, total) = *steps.borrow_and_update();
            record_progress(&context.app, id, done, total).await;
        }
    };
    let (measured, ()) = tokio::join!(work, recorded);
    let crashed = |error| JobError::Fail { reason: format!("The engine stopped unexpectedly: {error}. Please report this.") };
    measured.map_err(crashed)?
}

/// Records progress; a failure only delays what users see.
async fn record_progress(services: &Services, id: i64, done: i64, total: i64) {
    let Ok(mut connection) = services.db.conn().await else { return };
    if let Err(error) = store::advance(&mut connection, id, done, total).await {
        tracing::warn!(%error, measurement = id, "the progress of a measurement could not be recorded");
    }
}

async fn record_failure(services: &Services, id: i64, reason: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut connection = services.db.conn().await?;
    Ok(store::end(&mut connection, id, Err(reason), services.clock.now()).await?)
}

/// Returns an error with which the job is tried again, for when the database is unavailable.
fn later(error: &dyn std::fmt::Display) -> JobError {
    JobError::Retry { reason: format!("The database could not be reached: {error}.") }
}
