//! Models in memory, ready to recommend: bounded in bytes, each loaded once however many ask for it at the same moment.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::artifacts::{self, SigningKey};
use super::error::ModelError;
use super::model::TrainedModel;
use super::ready::ReadyModel;
use crate::platform::services::Services;

/// The models of this process. One of these is made at start and handed to every HTTP worker as application data.
pub struct ModelCache {
    /// Bytes of models to keep; the model used last stays even when it alone is larger.
    budget: u64,
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    places: HashMap<i64, Place>,
    /// Whoever loads a model holds its gate; the others wait there and then find it on the shelf.
    gates: HashMap<i64, Arc<tokio::sync::Mutex<()>>>,
    uses: u64,
}

struct Place {
    /// Of the artifact it was read from: another signature is another model.
    signature: String,
    model: Arc<ReadyModel>,
    bytes: u64,
    last_use: u64,
}

type Loaded = Result<(ReadyModel, u64), ModelError>;

impl ModelCache {
    /// An empty cache of at most `budget` bytes.
    pub fn new(budget: u64) -> Self {
        Self { budget, shelf: Mutex::default() }
    }

    /// The model of a row, from memory or from its file.
    pub async fn get(&self, services: &Services, row: &TrainedModel) -> Result<Arc<ReadyModel>, ModelError> {
        let Some(signature) = row.signature.clone().filter(|_| row.storage_key.is_some()) else {
            return Err(ModelError::without_file(row));
        };
        let load = async {
            let (services, row) = (services.clone(), row.clone());
            let work = move || artifacts::open(&services.blobs, &SigningKey::derive(&services.secret), &row);
            tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(ModelError::Crashed(error.to_string())))
        };
        self.get_with(row.id, &signature, load).await
    }

    async fn get_with(
        &self,
        id: i64,
        signature: &str,
        load: impl Future<Output = Loaded>,
    ) -> Result<Arc<ReadyModel>, ModelError> {
        if let Some(model) = self.on_shelf(id, Some(signature)) {
            return Ok(model);
        }
        let gate = Arc::clone(self.lock().gates.entry(id).or_default());
        let _turn = gate.lock().await;
        if let Some(model) = self.on_shelf(id, Some(signature)) {
            return Ok(model);
        }
        match load.await {
            Ok((model, bytes)) => Ok(self.put(id, signature, model, bytes)),
            Err(error) => {
                tracing::error!(model = id, cause = ?error, "a model could not be loaded");
                // Whoever asks is better served by what was good before than by nothing.
                self.on_shelf(id, None).ok_or(error)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn on_shelf(&self, id: i64, signature: Option<&str>) -> Option<Arc<ReadyModel>> {
        let mut shelf = self.lock();
        shelf.uses += 1;
        let uses = shelf.uses;
        let place = shelf.places.get_mut(&id).filter(|place| signature.is_none_or(|wanted| wanted == place.signature))?;
        place.last_use = uses;
        Some(Arc::clone(&place.model))
    }

    fn put(&self, id: i64, signature: &str, model: ReadyModel, bytes: u64) -> Arc<ReadyModel> {
        let model = Arc::new(model);
        let mut shelf = self.lock();
        shelf.uses += 1;
        let place = Place { signature: signature.to_owned(), model: Arc::clone(&model), bytes, last_use: shelf.uses };
        shelf.places.insert(id, place);
        shelf.shrink(self.budget);
        model
    }

    /// Drops a model whose file was removed.
    pub fn forget(&self, id: i64) {
        let mut shelf = self.lock();
        shelf.places.remove(&id);
        shelf.gates.remove(&id);
    }

    /// Ids of the models in memory, the one used longest ago first.
    pub fn ids(&self) -> Vec<i64> {
        let shelf = self.lock();
        let mut uses: Vec<(u64, i64)> = shelf.places.iter().map(|(id, place)| (place.last_use, *id)).collect();
        uses.sort_unstable();
        uses.into_iter().map(|(_, id)| id).collect()
    }
}

impl Shelf {
    /// Drops what was used longest ago until the rest fits.
    fn shrink(&mut self, budget: u64) {
        let mut held: u64 = self.places.values().map(|place| place.bytes).sum();
        while held > budget && self.places.len() > 1 {
            let Some(oldest) = self.places.iter().min_by_key(|(_, place)| place.last_use).map(|(id, _)| *id) else { return };
            held -= self.places.remove(&oldest).map_or(0, |place| place.bytes);
            self.gates.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::artifacts::tests::sample as artifact;
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    fn sample() -> ReadyModel {
        ReadyModel::Matrix(artifact())
    }

    #[tokio::test]
    async fn a_model_is_loaded_once_however_many_ask() {
        let cache = ModelCache::new(100);
        let loads = AtomicU32::new(0);
        let load = || async {
            loads.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok((sample(), 10))
        };
        let answers = futures_util::future::join_all((0..20).map(|_| cache.get_with(7, "s", load()))).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn the_least_recently_used_model_makes_room() {
        let cache = ModelCache::new(25);
        for id in [1, 2] {
            cache.get_with(id, "s", async { Ok((sample(), 10)) }).await.unwrap();
        }
        cache.get_with(1, "s", async { Err(ModelError::Missing) }).await.unwrap();
        cache.get_with(3, "s", async { Ok((sample(), 10)) }).await.unwrap();
        assert_eq!(cache.ids(), [1, 3]);
        cache.get_with(4, "s", async { Ok((sample(), 1_000)) }).await.unwrap();
        assert_eq!(cache.ids(), [4]);
    }

    #[tokio::test]
    async fn what_was_good_keeps_serving_when_its_successor_is_bad() {
        let cache = ModelCache::new(100);
        assert!(cache.get_with(1, "a", async { Err(ModelError::Missing) }).await.is_err());
        let good = cache.get_with(1, "a", async { Ok((sample(), 10)) }).await.unwrap();
        let bad = cache.get_with(1, "b", async { Err(ModelError::Untrusted(String::new())) }).await.unwrap();
        assert!(Arc::ptr_eq(&good, &bad));
        cache.forget(1);
        assert!(cache.get_with(1, "b", async { Err(ModelError::Missing) }).await.is_err());
    }
}
