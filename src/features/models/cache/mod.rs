//! Models in memory, ready to recommend: limited in bytes, each loaded once for any number of concurrent requests.

mod source;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinHandle;

pub use self::source::Items;
use self::source::{Source, Wanted};
use super::artifacts;
use super::error::ModelError;
use super::model::TrainedModel;
use super::ready::ReadyModel;
use crate::features::accounts::Tenant;
use crate::platform::computing::Busy;
use crate::platform::services::Services;

/// The models of this process. One cache is created at the start and given to every HTTP worker as application data.
pub struct ModelCache {
    /// Bytes of models to keep; the last loaded model stays even if it alone is larger.
    budget: u64,
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    places: HashMap<i64, Place>,
    /// Models that are being loaded: requests for one meanwhile share the result, a model or an error.
    attempts: HashMap<i64, Attempt>,
    uses: u64,
}

struct Place {
    tenant: Tenant,
    source: Source,
    /// What was last tried in its place, so that a bad artifact is read once and not for every request.
    tried: Option<Source>,
    model: Arc<ReadyModel>,
    bytes: u64,
    last_use: u64,
}

type Attempt = Arc<tokio::sync::OnceCell<Found>>;
type Loaded = Result<(ReadyModel, u64), ModelError>;
type Found = Result<Arc<ReadyModel>, ModelError>;

impl ModelCache {
    /// Creates an empty cache of at most `budget` bytes.
    pub fn new(budget: u64) -> Self {
        Self { budget, shelf: Mutex::default() }
    }

    /// Returns the model of a row, from memory or from its file. If its file has been signed again, the model in memory is used
    /// until the new file has been read, and stays in use if that file is bad; so it is when there is other item metadata. `turn` is
    /// called only if the file must be read, and its result is held until the read ends.
    pub async fn get<W, T>(
        self: &Arc<Self>,
        services: &Services,
        (row, tenant): (&TrainedModel, Tenant),
        items: Items<'_>,
        turn: impl FnOnce() -> W,
    ) -> Found
    where
        W: Future<Output = Result<T, Busy>> + Send + 'static,
        T: Send + 'static,
    {
        let Some(signature) = row.signature.as_deref().filter(|_| row.storage_key.is_some()) else {
            return Err(ModelError::without_file(row));
        };
        let load = || {
            let (services, row, items, turn) = (services.clone(), row.clone(), items.key().cloned(), turn());
            async move {
                let turn = turn.await?;
                let work = move || {
                    let _turn = turn;
                    artifacts::open_with_items(&services, &row, items.as_deref())
                };
                tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(ModelError::Crashed(error.to_string())))
            }
        };
        self.get_with(Wanted { tenant, id: row.id, signature, items }, load).await
    }

    /// Returns a model; `load` is called only if its file must be read. On the path of every prediction.
    async fn get_with<L>(self: &Arc<Self>, wanted: Wanted<'_>, load: impl FnOnce() -> L) -> Found
    where
        L: Future<Output = Loaded> + Send + 'static,
    {
        let Some((model, is_outdated)) = self.on_shelf(&wanted) else {
            let loading = self.load_apart(wanted, load());
            return loading.await.unwrap_or_else(|error| Err(ModelError::Crashed(error.to_string())));
        };
        if is_outdated {
            self.load_apart(wanted, load());
        }
        Ok(model)
    }

    /// Loads a model in a separate task, so that a cancelled request does not waste the read for the next one.
    fn load_apart(
        self: &Arc<Self>,
        wanted: Wanted<'_>,
        load: impl Future<Output = Loaded> + Send + 'static,
    ) -> JoinHandle<Found> {
        let (cache, Wanted { tenant, id, items, .. }, source) = (Arc::clone(self), wanted, Source::of(&wanted));
        let is_any = items == Items::Any;
        tokio::spawn(async move {
            let items = if is_any { Items::Any } else { Items::Of(source.items.as_ref()) };
            cache.load(Wanted { tenant, id, signature: &source.signature, items }, load).await
        })
    }

    async fn load(&self, wanted: Wanted<'_>, load: impl Future<Output = Loaded>) -> Found {
        let id = wanted.id;
        let attempt = Arc::clone(self.lock().attempts.entry(id).or_default());
        let found = attempt.get_or_init(|| async {
            // It may have been loaded since the caller looked.
            let held = self
                .lock()
                .places
                .get(&id)
                .filter(|place| place.source.is(&wanted, place.model.takes_new_items()))
                .map(|place| Arc::clone(&place.model));
            if let Some(model) = held {
                return Ok(model);
            }
            let loaded = load.await.inspect_err(|error| {
                if !matches!(error, ModelError::Busy(_)) {
                    tracing::error!(model = id, cause = ?error, "a model could not be loaded");
                }
            });
            loaded.map(|(model, bytes)| self.put(wanted, model, bytes))
        });
        let found = found.await.clone();
        let mut shelf = self.lock();
        // Memory or a place may be free later; try this artifact again then.
        if matches!(found, Err(ModelError::NoMemory | ModelError::Busy(_)))
            && let Some(place) = shelf.places.get_mut(&id)
        {
            place.tried = None;
        }
        if shelf.attempts.get(&id).is_some_and(|present| Arc::ptr_eq(present, &attempt)) {
            shelf.attempts.remove(&id);
        }
        found
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the model in memory, and whether the artifact with this signature should now be loaded in its place.
    fn on_shelf(&self, wanted: &Wanted<'_>) -> Option<(Arc<ReadyModel>, bool)> {
        let mut shelf = self.lock();
        shelf.uses += 1;
        let uses = shelf.uses;
        let place = shelf.places.get_mut(&wanted.id)?;
        place.last_use = uses;
        let takes_new_items = place.model.takes_new_items();
        let is_it = |source: &Source| source.is(wanted, takes_new_items);
        let is_outdated = !is_it(&place.source) && !place.tried.as_ref().is_some_and(is_it);
        if is_outdated {
            place.tried = Some(Source::of(wanted));
        }
        Some((Arc::clone(&place.model), is_outdated))
    }

    fn put(&self, wanted: Wanted<'_>, model: ReadyModel, bytes: u64) -> Arc<ReadyModel> {
        let model = Arc::new(model);
        let mut shelf = self.lock();
        shelf.uses += 1;
        let (source, last_use) = (Source::of(&wanted), shelf.uses);
        let place = Place { tenant: wanted.tenant, source, tried: None, model: Arc::clone(&model), bytes, last_use };
        shelf.places.insert(wanted.id, place);
        shelf.shrink(self.budget, wanted.id);
        model
    }

    /// Returns whether the artifact of a row is in memory, or an earlier one that is used because this one is bad.
    pub fn has(&self, row: &TrainedModel) -> bool {
        let (shelf, signature) = (self.lock(), row.signature.as_deref());
        let is_of = |place: &Place| {
            let tried = place.tried.as_ref().map(|tried| tried.signature.as_str());
            [Some(place.source.signature.as_str()), tried].contains(&signature)
        };
        signature.is_some() && shelf.places.get(&row.id).is_some_and(is_of)
    }

    /// Removes a model whose file was removed.
    pub fn forget(&self, id: i64) {
        self.lock().places.remove(&id);
    }

    /// Returns whether another model would evict one.
    pub fn is_full(&self) -> bool {
        self.lock().held() >= self.budget
    }

    /// Returns the ids of the models in memory, least recently used first.
    pub fn ids(&self) -> Vec<i64> {
        let shelf = self.lock();
        let mut uses: Vec<(u64, i64)> = shelf.places.iter().map(|(id, place)| (place.last_use, *id)).collect();
        uses.sort_unstable();
        uses.into_iter().map(|(_, id)| id).collect()
    }
}

impl Shelf {
    fn held(&self) -> u64 {
        self.places.values().map(|place| place.bytes).sum()
    }

    /// Evicts models until the rest fits: always the least recently used one of the tenant whose models use the most memory, so
    /// that one tenant does not evict the models of others, with however many projects. If the newest model alone exceeds the
    /// budget, models of other tenants keep half of it.
    fn shrink(&mut self, budget: u64, newest: i64) {
        while self.held() > budget
            && let Some(victim) = self.victim(budget, newest)
        {
            self.places.remove(&victim);
        }
    }

    fn victim(&self, budget: u64, newest: i64) -> Option<i64> {
        let newest_of = self.places.get(&newest)?;
        let mut held: HashMap<Tenant, u64> = HashMap::new();
        for place in self.places.values() {
            *held.entry(place.tenant).or_default() += place.bytes;
        }
        let of_others = self.held() - held[&newest_of.tenant];
        let spares_others = newest_of.bytes > budget && of_others <= budget / 2;
        let may_go = |place: &Place| place.tenant == newest_of.tenant || !spares_others;
        let candidates = self.places.iter().filter(|(id, place)| **id != newest && may_go(place));
        candidates.max_by_key(|(_, place)| (held[&place.tenant], Reverse(place.last_use))).map(|(id, _)| *id)
    }
}

#[cfg(test)]
mod tests;
