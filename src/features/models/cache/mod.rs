//! Models in memory, ready to recommend: limited in bytes, each loaded once for any number of concurrent requests.
//!
//! A model whose new items take longer than requests can wait serves without them, and is replaced once they are added, outside of
//! the places where requests are answered and models are loaded.

mod shelf;
mod source;

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::shelf::{Outdated, Place, Shelf};
pub use self::source::Items;
use self::source::{Source, Wanted};
use super::error::ModelError;
use super::model::TrainedModel;
use super::opening::{NewItems, Opened, Patience, open_with_items};
use super::ready::ReadyModel;
use crate::features::accounts::Tenant;
use crate::platform::computing::Busy;
use crate::platform::places::Places;
use crate::platform::services::Services;

/// Models to which new items are added at the same time while they serve without; those of one tenant in one place.
const EXTENSIONS: usize = 2;

/// The models of this process. One cache is created at the start and given to every HTTP worker as application data.
pub struct ModelCache {
    /// Bytes of models to keep; the last loaded model stays even if it alone is larger.
    budget: u64,
    shelf: Mutex<Shelf>,
    extensions: Places,
    /// Ends the adding of new items.
    stop: CancellationToken,
}

type Loaded = Result<Opened, ModelError>;
type Found = Result<Arc<ReadyModel>, ModelError>;

impl ModelCache {
    /// Creates an empty cache of at most `budget` bytes, which adds new items until `stop` is cancelled.
    pub fn new(budget: u64, stop: CancellationToken) -> Self {
        Self { budget, shelf: Mutex::default(), extensions: Places::new(EXTENSIONS), stop }
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
        let wanted = Wanted::of(row, tenant, items).ok_or_else(|| ModelError::without_file(row))?;
        let load = || self.opening(services, row, items, turn());
        self.get_with(wanted, load, || self.extending(services, row, tenant, items)).await
    }

    /// Begins to read a model again that is outdated, and returns the task, which ends once the new one is in place. A model that is
    /// not in memory is left to the next request for it. `turn` is called only if the artifact must be read, as in [`Self::get`].
    pub fn renew<W, T>(
        self: &Arc<Self>,
        services: &Services,
        (row, tenant): (&TrainedModel, Tenant),
        items: Items<'_>,
        turn: impl FnOnce() -> W,
    ) -> Option<JoinHandle<()>>
    where
        W: Future<Output = Result<T, Busy>> + Send + 'static,
        T: Send + 'static,
    {
        let wanted = Wanted::of(row, tenant, items)?;
        let load = || self.opening(services, row, items, turn());
        self.renew_with(wanted, load, || self.extending(services, row, tenant, items))
    }

    fn renew_with<L, E>(
        self: &Arc<Self>,
        wanted: Wanted<'_>,
        load: impl FnOnce() -> L,
        extend: impl FnOnce() -> E,
    ) -> Option<JoinHandle<()>>
    where
        L: Future<Output = Loaded> + Send + 'static,
        E: Future<Output = Loaded> + Send + 'static,
    {
        let outdated = self.lock().places.get_mut(&wanted.id)?.claim_reading(&wanted)?;
        Some(match outdated {
            Outdated::Items => self.extend_apart(wanted, extend()),
            Outdated::Artifact => {
                let loading = self.load_apart(wanted, load(), extend());
                tokio::spawn(async move { drop(loading.await) })
            }
        })
    }

    /// Reads a model, without its new items if these take long, once it has its turn.
    fn opening<W, T>(
        &self,
        services: &Services,
        row: &TrainedModel,
        items: Items<'_>,
        turn: W,
    ) -> impl Future<Output = Loaded> + Send + use<W, T> + 'static
    where
        W: Future<Output = Result<T, Busy>> + Send + 'static,
        T: Send + 'static,
    {
        let open = self.open(services, row, items, Patience::Brief);
        async move { blocking(turn.await?, open).await }
    }

    /// Reads a model with its new items.
    fn extending(
        self: &Arc<Self>,
        services: &Services,
        row: &TrainedModel,
        tenant: Tenant,
        items: Items<'_>,
    ) -> impl Future<Output = Loaded> + Send + use<> + 'static {
        let (cache, open) = (Arc::clone(self), self.open(services, row, items, Patience::Long));
        async move { blocking(cache.extensions.turn(Some(tenant.party())).await, open).await }
    }

    fn open(
        &self,
        services: &Services,
        row: &TrainedModel,
        items: Items<'_>,
        patience: Patience,
    ) -> impl FnOnce() -> Loaded + Send + use<> + 'static {
        let (services, row, items, stop) = (services.clone(), row.clone(), items.key().cloned(), self.stop.clone());
        move || open_with_items(&services, &row, items.as_deref(), patience, &stop)
    }

    /// Returns a model; `load` is called only if its file must be read, and `extend` if it then lacks new items or if other ones
    /// are wanted. On the path of every prediction.
    async fn get_with<L, E>(self: &Arc<Self>, wanted: Wanted<'_>, load: impl FnOnce() -> L, extend: impl FnOnce() -> E) -> Found
    where
        L: Future<Output = Loaded> + Send + 'static,
        E: Future<Output = Loaded> + Send + 'static,
    {
        match self.on_shelf(&wanted) {
            Some((model, None)) => return Ok(model),
            Some((model, Some(Outdated::Items))) => {
                self.extend_apart(wanted, extend());
                return Ok(model);
            }
            Some((model, Some(Outdated::Artifact))) => {
                self.load_apart(wanted, load(), extend());
                return Ok(model);
            }
            None => {}
        }
        let loading = self.load_apart(wanted, load(), extend());
        loading.await.unwrap_or_else(|error| Err(ModelError::Crashed(error.to_string())))
    }

    /// Loads a model in a separate task, so that a cancelled request does not waste the read for the next one. If new items are to
    /// be added to it, that begins at once.
    fn load_apart(
        self: &Arc<Self>,
        wanted: Wanted<'_>,
        load: impl Future<Output = Loaded> + Send + 'static,
        extend: impl Future<Output = Loaded> + Send + 'static,
    ) -> JoinHandle<Found> {
        let (cache, Wanted { tenant, id, items, .. }, source) = (Arc::clone(self), wanted, Source::of(&wanted));
        let is_any = items == Items::Any;
        tokio::spawn(async move {
            let items = if is_any { Items::Any } else { Items::Of(source.items.as_ref()) };
            let wanted = Wanted { tenant, id, signature: &source.signature, items };
            let found = cache.load(wanted, load).await;
            if cache.takes_on(id) {
                cache.extend_apart(wanted, extend);
            }
            found
        })
    }

    /// Returns whether new items have to be added to a model, which the caller then does.
    fn takes_on(&self, id: i64) -> bool {
        self.lock().places.get_mut(&id).is_some_and(|place| std::mem::take(&mut place.is_pending))
    }

    /// Replaces a model in a separate task by itself with other new items, unless others again are wanted meanwhile.
    fn extend_apart(
        self: &Arc<Self>,
        wanted: Wanted<'_>,
        extend: impl Future<Output = Loaded> + Send + 'static,
    ) -> JoinHandle<()> {
        let (cache, Wanted { tenant, id, .. }, source) = (Arc::clone(self), wanted, Source::of(&wanted));
        tokio::spawn(async move {
            let opened = match extend.await {
                Ok(opened) => opened,
                // It is not tried again for the same metadata: each attempt reads the whole model.
                Err(error) => return tracing::warn!(model = id, cause = ?error, "new items are not recommended"),
            };
            let is_still_wanted = |place: &Place| place.tried.as_ref() == Some(&source);
            if cache.lock().places.get(&id).is_some_and(is_still_wanted) {
                let items = Items::Of(source.items.as_ref());
                cache.put(Wanted { tenant, id, signature: &source.signature, items }, opened);
            }
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
            loaded.map(|opened| self.put(wanted, opened))
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

    /// Returns the model in memory, and what should now be loaded in its place.
    fn on_shelf(&self, wanted: &Wanted<'_>) -> Option<(Arc<ReadyModel>, Option<Outdated>)> {
        let mut shelf = self.lock();
        shelf.uses += 1;
        let uses = shelf.uses;
        let place = shelf.places.get_mut(&wanted.id)?;
        place.last_use = uses;
        let outdated = place.claim_reading(wanted);
        Some((Arc::clone(&place.model), outdated))
    }

    /// Puts a model into its place. One without the new items that are wanted is remembered as tried with them, so that they are
    /// not tried for every request.
    fn put(&self, wanted: Wanted<'_>, Opened { model, bytes, new_items }: Opened) -> Arc<ReadyModel> {
        let model = Arc::new(model);
        let mut shelf = self.lock();
        shelf.uses += 1;
        // Reading a model again is no use of it.
        let last_use = shelf.places.get(&wanted.id).map_or(shelf.uses, |former| former.last_use);
        let all = Source::of(&wanted);
        let (source, tried) = match new_items {
            NewItems::Added => (all, None),
            NewItems::Pending | NewItems::LeftOut => (Source { items: None, ..all.clone() }, Some(all)),
        };
        let is_pending = new_items == NewItems::Pending;
        let place = Place { tenant: wanted.tenant, source, tried, is_pending, model: Arc::clone(&model), bytes, last_use };
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

    /// Returns whether a model is in memory that is made of another artifact or other item metadata, unless these were tried already.
    pub fn is_outdated(&self, row: &TrainedModel, tenant: Tenant, items: Items<'_>) -> bool {
        let Some(wanted) = Wanted::of(row, tenant, items) else { return false };
        self.lock().places.get(&row.id).is_some_and(|place| place.lacks(&wanted))
    }

    /// Returns whether a model is the one in memory and has the new items of this item metadata.
    pub fn is_current(&self, id: i64, model: &Arc<ReadyModel>, items: Option<&Arc<str>>) -> bool {
        let is_it = |place: &Place| Arc::ptr_eq(&place.model, model) && place.source.items.as_ref() == items;
        self.lock().places.get(&id).is_some_and(is_it)
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

/// Runs work that blocks on a thread of its own, with a turn that is held until it ends.
async fn blocking<T: Send + 'static>(turn: T, open: impl FnOnce() -> Loaded + Send + 'static) -> Loaded {
    let work = move || {
        let _turn = turn;
        open()
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(ModelError::Crashed(error.to_string())))
}

#[cfg(test)]
mod tests;
