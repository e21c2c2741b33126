//! The upload of a job, read and split once per process rather than once per task or trial.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, Weak};

use super::error::TuningError;
use crate::features::datasets::{self, DataError, TrainingData};
use crate::features::feature_sets::{self, CurrentSet};
use crate::features::item_metadata::{self, ItemTable, Subject, Unread};
use crate::features::models;
use crate::ml::context::Context;
use crate::ml::error::MlResult;
use crate::ml::features::{FeatureSpec, FeatureTable, guess};
use crate::ml::interactions::InteractionLog;
use crate::ml::splits::{self, Split, SplitConfig};
use crate::ml::weights::Weights;
use crate::platform::compute;
use crate::platform::queue::JobContext;
use crate::platform::services::Services;

/// Why a split that holds out items is impossible.
pub const NO_FEATURES: &str = "This split holds out items, which are then recommended by their features, and the project has no item \
     metadata. Upload it first, or choose a split with another scheme.";

/// Identifies a split: the bytes of the upload and every field of the config.
type Key = String;

/// Nothing that is made here depends on it.
const SEED: u64 = 0;

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
    context: &JobContext<Services>,
    data: &TrainingData,
    config: &SplitConfig,
    weights: Option<&Weights>,
    described: bool,
) -> Result<Arc<Split>, TuningError> {
    let services = &context.app;
    let (items, set) = match described {
        true => {
            let mut connection = services.db.conn().await?;
            let items = item_metadata::newest(&mut connection, data.project_id, Subject::Item).await?;
            (items, feature_sets::current(&mut connection, data.project_id).await?)
        }
        false => (None, None),
    };
    if items.is_none() && config.scheme.holds_out_items() {
        return Err(TuningError::Data(NO_FEATURES.to_owned()));
    }
    let of_set = set.as_ref().map(|set| set.id);
    let key = format!("{}:{:?}:{config:?}:{weights:?}:{items:?}:{of_set:?}", data.id, data.sha256);
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
    let of_services = services.clone();
    let engine = models::engine_context(context, SEED, 1, models::training_deadline(services), memory.clone());
    let engine = engine.beside(log.heap_bytes() * 3);
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
            Some(key) => Ok(describe(split, set, &table_of(&of_services, &key, &engine)?, &log, &engine)?),
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
fn table_of(services: &Services, key: &str, engine: &Context) -> Result<FeatureTable, TuningError> {
    let memory = services.memory().promise();
    let read = item_metadata::read_within(&services.blobs, key, &memory, || engine.check());
    read.map(ItemTable::into_features).map_err(|error| match error {
        Unread::Memory(shortage) if memory.waits_for_others() => TuningError::MemoryInUse(shortage.to_string()),
        Unread::Memory(shortage) => TuningError::Data(format!("The item metadata cannot be read: {shortage}.")),
        Unread::Stopped(stopped) => TuningError::Engine(stopped),
        error => TuningError::Passing(format!("The item metadata could not be read: {error}.")),
    })
}

/// Encodes the features of the items as the current feature set of the project says, or with the meaning that their columns seem
/// to have.
fn describe(
    split: Split,
    set: Option<CurrentSet>,
    table: &FeatureTable,
    log: &InteractionLog,
    engine: &Context,
) -> MlResult<Split> {
    let now = log.training_moment();
    let spec = set.map_or_else(|| FeatureSpec::from_guesses(&guess(table)), |set| set.spec);
    split.with_item_features(&spec, table, &log.items, now, &engine.beside(table.heap_bytes()))
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
