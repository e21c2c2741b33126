//! Measuring the fields of a spec on loaded interactions: all of a measurement that needs no database.

use super::model::MeasurementResult;
use crate::features::item_metadata::{self, Unread};
use crate::ml::algorithms::TrainShape;
use crate::ml::context::Context;
use crate::ml::error::{MlError, MlResult};
use crate::ml::features::{FeatureSpec, FeatureTable, look_of};
use crate::ml::field_worth::{WorthData, WorthSettings, field_worth};
use crate::ml::interactions::InteractionLog;
use crate::ml::registry;
use crate::ml::splits::{self, SplitConfig, SplitScheme};
use crate::ml::weights::Weights;
use crate::platform::memory;
use crate::platform::queue::JobError;
use crate::platform::services::Services;

/// The seed of an algorithm that has no seed parameter, and of the intervals.
pub const SEED: u64 = 42;

/// The number of times that other items are held out.
const FOLDS: u32 = 3;

/// The length of the lists.
const CUTOFF: usize = 20;

/// Bytes of encoded items per byte of their values, at most, and once more without a field.
const ENCODED: u64 = 8;

/// Why a project without item metadata cannot be measured.
pub const NO_ITEMS: &str = "This project has no item metadata. Upload a file with one row for each item, and measure again.";

/// What to measure.
pub struct Inputs {
    pub algorithm: String,
    pub spec: FeatureSpec,
    /// The key of the prepared item metadata.
    pub items: String,
    /// The weights of interactions.
    pub weights: Weights,
}

/// Reads the item metadata and measures the fields. Calls `progress` with the steps done and those in total. Blocks.
pub fn measure(
    services: &Services,
    inputs: &Inputs,
    log: &InteractionLog,
    context: &Context,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<MeasurementResult, JobError> {
    let table = match item_metadata::read_within(&services.blobs, &inputs.items, &services.memory().promise(), || context.check())
    {
        Ok(table) => table.into_features(),
        Err(Unread::Gone) => return Err(JobError::Fail { reason: NO_ITEMS.to_owned() }),
        Err(Unread::Memory(_)) => return Err(JobError::Snooze(memory::PAUSE)),
        Err(Unread::Stopped(stopped)) => return Err(ended(stopped, services.settings.max_training_seconds)),
        Err(Unread::File(error)) => {
            return Err(JobError::Retry { reason: format!("The item metadata could not be read: {error}.") });
        }
    };
    let measured = result_of(inputs, log, &table, context, progress);
    measured.map_err(|error| ended(error, services.settings.max_training_seconds))
}

fn result_of(
    inputs: &Inputs,
    log: &InteractionLog,
    table: &FeatureTable,
    context: &Context,
    progress: &mut dyn FnMut(usize, usize),
) -> MlResult<MeasurementResult> {
    if !log.items.iter().any(|item| table.ids().find(item).is_some()) {
        let look = look_of(table.ids(), &log.items);
        return Err(MlError::BadInput(format!("none of the items of the item metadata is in the training data; {look}")));
    }
    let info = registry::find_matrix(&inputs.algorithm)?;
    let shape = TrainShape { n_users: log.users.len(), n_items: log.items.len(), nnz: log.n_rows() };
    let mut params = registry::starting_point(info.name);
    let estimate = info.estimate_memory_bytes(&params, shape)?;
    let needed = estimate.saturating_add(table.heap_bytes().saturating_mul(ENCODED));
    context.require_memory("measuring the fields", needed)?;
    let config = SplitConfig { scheme: SplitScheme::CI, ..SplitConfig::default() };
    let divided = splits::split(&inputs.weights.counted(log), &config)?;
    let (n_items, n_warm) = (divided.train.n_cols, divided.n_warm);
    drop(divided);
    inputs.weights.complete(&mut params);
    let data = WorthData { log, table, spec: &inputs.spec, now_micros: log.training_moment() };
    let settings = WorthSettings { algorithm: info.name.to_owned(), params, split: config, n_folds: FOLDS, cutoff: CUTOFF };
    let worth = field_worth(&data, &settings, context, progress)?;
    Ok(MeasurementResult::of(worth, n_items, n_items - n_warm))
}

/// Converts an error of the engine into that of the job: another attempt would end the same way, unless other jobs hold the
/// memory.
fn ended(error: MlError, most_seconds: u32) -> JobError {
    match error {
        MlError::TimedOut => JobError::Fail {
            reason: format!(
                "The measurement took longer than {most_seconds} seconds (max_training_seconds). Measure fewer fields at once, or \
                 ask the operator to raise the limit."
            ),
        },
        MlError::Cancelled => JobError::Cancelled,
        MlError::MemoryInUse { .. } => JobError::Snooze(memory::PAUSE),
        error => JobError::Fail { reason: format!("The measurement failed: {error}.") },
    }
}
