//! Opening a model for requests, with the items of the metadata that it was not trained on.
//!
//! Adding those takes as long as there are items, so it is bounded in time and memory, and a model serves without them meanwhile,
//! or when they are too many.

use std::time::Duration;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use super::artifacts::{load, prepared};
use super::engine::bounded;
use super::error::ModelError;
use super::model::TrainedModel;
use super::ready::ReadyModel;
use super::signing::Keyring;
use crate::features::item_metadata::{self, Unread};
use crate::ml::artifact::{Addition, NewRows};
use crate::ml::context::Context;
use crate::ml::error::MlError;
use crate::platform::blobs::Blobs;
use crate::platform::memory::Promise;
use crate::platform::services::Services;

/// How long adding new items may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// While requests wait for the model: as long as a request waits for a place.
    Brief,
    /// While the model serves without them: enough for a hundred thousand items with features of their own, and short enough that
    /// the models of others have their turn.
    Long,
}

impl Patience {
    fn longest(self) -> Duration {
        match self {
            Self::Brief => Duration::from_secs(2),
            Self::Long => Duration::from_secs(30),
        }
    }
}

/// What became of the new items of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewItems {
    /// It has all that there are.
    Added,
    /// Adding them takes longer than requests can wait.
    Pending,
    /// They cannot be added.
    LeftOut,
}

/// A model in memory.
pub struct Opened {
    pub model: ReadyModel,
    /// Roughly its bytes in memory.
    pub bytes: u64,
    pub new_items: NewItems,
}

/// Why items were not added.
#[derive(Debug, thiserror::Error)]
enum Unadded {
    #[error("the item metadata cannot be read: {0}")]
    Unread(Unread),
    #[error(transparent)]
    Engine(#[from] MlError),
}

impl From<Unread> for Unadded {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Stopped(stopped) => Self::Engine(stopped),
            unread => Self::Unread(unread),
        }
    }
}

/// Reads a model, whose memory is reserved first, and adds the new items of a prepared form of item metadata, if it can have any.
/// If those cannot be added, the model is returned without them, and the log says why. Blocks.
pub fn open_with_items(
    services: &Services,
    row: &TrainedModel,
    items: Option<&str>,
    patience: Patience,
    stop: &CancellationToken,
) -> Result<Opened, ModelError> {
    // What was promised for the file is taken or free again before more is asked for.
    let (loaded, file_bytes) = load(&services.blobs, &Keyring::of(services), row, &services.memory().promise())?;
    let addition = match items.filter(|_| loaded.takes_new_items()) {
        Some(items) => {
            let memory = services.memory().promise();
            let context = context(services, patience, stop.clone(), memory.clone());
            addition_of(&services.blobs, (row.id, &loaded), items, &context, &memory)
        }
        None => Ok(None),
    };
    let (model, new_items) = with_addition(loaded, row.id, addition, patience)?;
    let (model, bytes) = prepared(model, file_bytes);
    Ok(Opened { model, bytes, new_items })
}

/// Returns the context in which new items are added: on the calling thread, since requests need the others.
fn context(services: &Services, patience: Patience, stop: CancellationToken, memory: Promise) -> Context {
    let longest = TimeDelta::from_std(patience.longest()).unwrap_or(TimeDelta::MAX);
    let deadline = services.clock.now().checked_add_signed(longest);
    bounded(Context::new(0, 1), move || stop.is_cancelled(), services.clock.clone(), deadline, memory)
}

/// Reads item metadata, and computes what it takes to add its new items. Rows that cannot be encoded are left out, and the log says so.
fn addition_of(
    blobs: &Blobs,
    (id, model): (i64, &ReadyModel),
    items: &str,
    context: &Context,
    memory: &Promise,
) -> Result<Option<Addition>, Unadded> {
    let table = item_metadata::read_within(blobs, items, memory, || context.check())?.into_features();
    let context = context.beside(table.heap_bytes());
    let NewRows { items, unreadable, n_unknown } = model.new_rows_of(&table, &context)?;
    if unreadable.n + n_unknown > 0 {
        let (n_unreadable, first) = (unreadable.n, unreadable.examples.first().map_or("", String::as_str));
        tracing::info!(model = id, n_unreadable, n_unknown, first, "the model leaves new items out");
    }
    Ok(items.map(|new| model.addition_of(new, &context)).transpose()?.flatten())
}

/// Returns the model with its new items, or as it is where they could not be computed.
fn with_addition(
    model: ReadyModel,
    id: i64,
    addition: Result<Option<Addition>, Unadded>,
    patience: Patience,
) -> Result<(ReadyModel, NewItems), ModelError> {
    Ok(match addition {
        Ok(Some(addition)) => (model.with_addition(addition)?, NewItems::Added),
        Ok(None) => (model, NewItems::Added),
        Err(Unadded::Engine(MlError::TimedOut)) if patience == Patience::Brief => (model, NewItems::Pending),
        // The process is stopping.
        Err(Unadded::Engine(MlError::Cancelled)) => (model, NewItems::LeftOut),
        Err(error) => {
            tracing::warn!(model = id, %error, "the model recommends no new items until its item metadata changes");
            (model, NewItems::LeftOut)
        }
    })
}

#[cfg(test)]
pub mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::features::item_metadata::prepared_bytes;
    use crate::features::models::training::{Plan, Tables, fit};
    use crate::ml::context::Interrupt;
    use crate::ml::features::FeatureTableBuilder;
    use crate::ml::interactions::InteractionLogBuilder;
    use crate::ml::weights::Weights;
    use crate::platform::clock::Clock;
    use crate::platform::memory::Memory;

    const COLUMNS: [&str; 1] = ["colour"];
    const OWN: usize = 12;

    /// Returns items of two colours in turn, with their colour.
    fn items(n: usize) -> Vec<(String, Value)> {
        (0..n).map(|item| (format!("{item:03}"), json!(["red", "blue"][item % 2]))).collect()
    }

    /// Trains a model on some of the items, of which each user likes one colour.
    pub fn trained(algorithm: &str) -> ReadyModel {
        let mut table = FeatureTableBuilder::new(COLUMNS.map(str::to_owned).to_vec());
        items(OWN).into_iter().for_each(|(item, colour)| table.push(&item, [(0, colour)]));
        let mut log = InteractionLogBuilder::new(false);
        for user in 0..20 {
            (0..4).for_each(|n| log.push(&format!("u{user}"), &format!("{:03}", (user + 2 * n) % OWN), None));
        }
        let plan = Plan {
            model_id: 1,
            data_id: 1,
            data_sha256: None,
            data_sources: None,
            algorithm: algorithm.to_owned(),
            parameters: serde_json::Map::new(),
            weights: Weights::default(),
            before: None,
            feature_set: None,
        };
        let table = table.finish().0;
        let packed = fit(&plan, &log.finish(), Tables { items: Some(&table), users: None }, &Context::new(0, 1)).unwrap();
        ReadyModel::from_bytes(&packed.bytes).unwrap()
    }

    /// Adds the new items of some metadata to a model in memory of this size; an interrupt ends it before it is done.
    fn opened(algorithm: &str, bytes: u64, interrupt: Option<Interrupt>, patience: Patience) -> (ReadyModel, NewItems) {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().to_owned()).unwrap();
        let all = items(OWN + 1);
        let rows: Vec<(&str, Vec<(usize, Value)>)> =
            all.iter().map(|(item, colour)| (item.as_str(), vec![(0, colour.clone())])).collect();
        blobs.write("items", &prepared_bytes(&COLUMNS, &rows)).unwrap();
        let (model, memory) = (trained(algorithm), Memory::of_bytes(bytes).promise());
        let context = bounded(Context::new(0, 1), || false, Clock::system(), None, memory.clone());
        let context = if interrupt.is_some() { context.with_interrupt(Arc::new(move || interrupt)) } else { context };
        let addition = addition_of(&blobs, (1, &model), "items", &context, &memory);
        with_addition(model, 1, addition, patience).unwrap()
    }

    #[test]
    fn a_model_has_the_new_items_or_serves_without() {
        for algorithm in ["IALSRecommender", "CosineKNNRecommender", "ContentKNNRecommender"] {
            let n_items = |(model, new_items): (ReadyModel, NewItems)| (model.items().len(), model.n_trained_items(), new_items);
            let with = |bytes, interrupt, patience| n_items(opened(algorithm, bytes, interrupt, patience));
            let (enough, late) = (1 << 30, Some(Interrupt::TimeOut));
            assert_eq!(with(enough, None, Patience::Brief), (OWN + 1, OWN, NewItems::Added), "{algorithm}");
            assert_eq!(with(enough, late, Patience::Brief), (OWN, OWN, NewItems::Pending), "{algorithm}");
            assert_eq!(with(enough, late, Patience::Long), (OWN, OWN, NewItems::LeftOut), "{algorithm}");
            assert_eq!(with(enough, Some(Interrupt::Cancel), Patience::Brief), (OWN, OWN, NewItems::LeftOut), "{algorithm}");
            assert_eq!(with(10, None, Patience::Brief), (OWN, OWN, NewItems::LeftOut), "{algorithm}");
        }
    }
}
