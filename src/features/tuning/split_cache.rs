//! The upload of a job, read and split once per process rather than once per task or trial.

use std::sync::{Arc, LazyLock, Weak};

use tokio::sync::Mutex;

use super::error::TuningError;
use crate::features::datasets::{self, TrainingData};
use crate::ml::interactions::InteractionLog;
use crate::ml::splits::{self, Split, SplitConfig};
use crate::ml::weights::Weights;
use crate::platform::services::Services;

/// What makes two splits the same: the bytes of the upload and every field of the configuration.
type Key = String;

/// Weak: the memory is free again when the last task that uses it ends.
static LAST: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

type Known = Vec<(Key, Weak<Split>)>;

/// The interactions of an upload.
pub async fn log_of(services: &Services, data: &TrainingData) -> Result<InteractionLog, TuningError> {
    datasets::load_log(services, data).await.map_err(|error| match error.is_passing() {
        true => TuningError::Passing(error.to_string()),
        false => TuningError::Data(error.to_string()),
    })
}

/// The split of an upload, with what weights are made of where they are wanted. Tasks that ask at once wait for the
/// first one's answer.
pub async fn split_of(
    services: &Services,
    data: &TrainingData,
    config: &SplitConfig,
    weights: Option<&Weights>,
) -> Result<Arc<Split>, TuningError> {
    let key = format!("{}:{:?}:{config:?}:{weights:?}", data.id, data.sha256);
    let mut known = LAST.lock().await;
    known.retain(|(_, split)| split.strong_count() > 0);
    if let Some(split) = known.iter().find(|(other, _)| *other == key).and_then(|(_, split)| split.upgrade()) {
        return Ok(split);
    }
    let log = log_of(services, data).await?;
    let (weights, config) = (weights.cloned(), config.clone());
    let split = tokio::task::spawn_blocking(move || match weights {
        None => splits::split(&log, &config),
        Some(weights) => {
            let counted = weights.counted(&log);
            Ok(splits::split(&counted, &config)?.with_evidence(&counted))
        }
    })
    .await
    .map_err(|error| TuningError::Data(format!("The data could not be split: {error}")))??;
    let split = Arc::new(split);
    known.push((key, Arc::downgrade(&split)));
    Ok(split)
}
