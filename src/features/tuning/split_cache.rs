//! The upload of a job, read and split once per process rather than once per task or trial.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, Weak};

use super::error::TuningError;
use crate::features::datasets::{self, DataError, TrainingData};
use crate::features::item_metadata::{self, Unread};
use crate::ml::context::Context;
use crate::ml::error::MlResult;
use crate::ml::features::{FeatureSpec, FeatureTable, guess};
use crate::ml::interactions::InteractionLog;
use crate::ml::splits::{self, Split, SplitConfig};
use crate::ml::weights::Weights;
use crate::platform::compute;
use crate::platform::services::Services;

/// Identifies a split: the bytes of the upload and every field of the config.
type Key = String;

/// A split in progress or finished. Weak: the memory is freed when the last task that uses it ends.
type Slot = Arc<tokio::sync::Mutex<Weak<Split>>>;

static KNOWN: LazyLock<Mutex<HashMap<Key, Slot>>> = LazyLock::new(Mutex::default);

/// Returns the slot of a split, and drops slots that no task fills or uses any more.
fn slot_of(key: Key) -> Slot {
    let mut known = KNOWN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    known.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|split| split.strong_count() > 0));
    Arc::clone(known.entry(key).or_default())
}

/// Returns the interactions of an upload.
pub async fn log_of(services: &Services, data: &TrainingData) -> Result<InteractionLog, TuningError> {
    datasets::load_log(services, data).await.map_err(unread)
}

fn unread(error: DataError) -> TuningError {
    match error {
        DataError::Memory { waits_for_others: true, .. } => TuningError::MemoryInUse(error.to_string()),
        error if error.is_passing() => TuningError::Passing(error.to_string()),
        error => TuningError::Data(error.to_string()),
    }
}

/// Returns the split of an upload, with the inputs of weights and the features of items if requested: those of the newest item
/// metadata of its project. Concurrent tasks that need the same split wait for
/// the first one's result; others are not delayed.
pub async fn split_of(
    services: &Services,
    data: &TrainingData,
    config: &SplitConfig,
    weights: Option<&Weights>,
    described: bool,
) -> Result<Arc<Split>, TuningError> {
    let items = match described {
        true => item_metadata::newest(&mut *services.db.conn().await?, data.project_id).await?,
        false => None,
    };
    let key = format!("{}:{:?}:{config:?}:{weights:?}:{items:?}", data.id, data.sha256);
    let slot = slot_of(key);
    let mut known = slot.lock().await;
    if let Some(split) = known.upgrade() {
        return Ok(split);
    }
    let log = log_of(services, data).await?;
    // The log, its sorted form, and both sides of the split.
    let memory = services.memory().promise();
    datasets::ask_for(&memory, "This training data cannot be split now", log.heap_bytes() * 3).map_err(unread)?;
    let (weights, config) = (weights.cloned(), config.clone());
    let (of_services, moment) = (services.clone(), services.clock.now().timestamp_micros());
    let split = compute::blocking(move || -> Result<Split, TuningError> {
        let split = match weights {
            None => splits::split(&log, &config)?,
            Some(weights) => {
                let counted = weights.counted(&log);
                splits::split(&counted, &config)?.with_evidence(&counted)
            }
        };
        match items {
            None => Ok(split),
            Some(key) => Ok(describe(split, &table_of(&of_services, &key)?, &log, moment)?),
        }
    })
    .await
    .map_err(|error| TuningError::Data(format!("The data could not be split: {error}")))??;
    let split = Arc::new(split);
    *known = Arc::downgrade(&split);
    drop(memory);
    Ok(split)
}

/// Reads item metadata into memory. Blocks.
fn table_of(services: &Services, key: &str) -> Result<FeatureTable, TuningError> {
    let memory = services.memory().promise();
    let read = item_metadata::read_within(&services.blobs, key, &memory);
    read.map(|table| table.features()).map_err(|error| match error {
        Unread::Memory(shortage) => TuningError::MemoryInUse(shortage.to_string()),
        error => TuningError::Passing(format!("The item metadata could not be read: {error}.")),
    })
}

/// Encodes the features of the items, with the meaning that their columns seem to have.
fn describe(split: Split, table: &FeatureTable, log: &InteractionLog, moment: i64) -> MlResult<Split> {
    let now = log.training_moment(moment);
    let spec = FeatureSpec::from_guesses(&guess(table));
    split.with_item_features(&spec, table, &log.items, now, &Context::new(0, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_that_is_being_made_holds_up_only_those_who_want_the_same() {
        let slow = slot_of("slow".to_owned());
        let making = slow.lock().await;
        assert!(slot_of("other".to_owned()).try_lock().is_ok());
        assert!(slot_of("slow".to_owned()).try_lock().is_err());
        drop(making);
        drop(slow);
        slot_of("other".to_owned());
        assert!(!KNOWN.lock().unwrap().contains_key("slow"), "nobody uses it");
    }
}
