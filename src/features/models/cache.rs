//! Models in memory, ready to recommend: limited in bytes, each loaded once for any number of concurrent requests.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinHandle;

use super::artifacts;
use super::error::ModelError;
use super::model::TrainedModel;
use super::ready::ReadyModel;
use super::signing::Keyring;
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

/// A model of a tenant, and the signature of its artifact.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    tenant: Tenant,
    id: i64,
    signature: &'a str,
}

struct Place {
    tenant: Tenant,
    /// The signature of the artifact that it was read from.
    signature: String,
    /// The signature of the last artifact tried in its place, so that a bad one is read once and not for every request.
    tried: Option<String>,
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
    /// until the new file has been read, and stays in use if that file is bad. `turn` is called only if the file must be read,
    /// and its result is held until the read ends.
    pub async fn get<W, T>(
        self: &Arc<Self>,
        services: &Services,
        (row, tenant): (&TrainedModel, Tenant),
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
            let (services, row, turn) = (services.clone(), row.clone(), turn());
            async move {
                let turn = turn.await?;
                let work = move || {
                    let _turn = turn;
                    artifacts::open(&services.blobs, &Keyring::of(&services), &row, &services.memory().promise())
                };
                tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(ModelError::Crashed(error.to_string())))
            }
        };
        self.get_with(Wanted { tenant, id: row.id, signature }, load).await
    }

    /// Returns a model; `load` is called only if its file must be read. On the path of every prediction.
    async fn get_with<L>(self: &Arc<Self>, wanted: Wanted<'_>, load: impl FnOnce() -> L) -> Found
    where
        L: Future<Output = Loaded> + Send + 'static,
    {
        let Some((model, is_outdated)) = self.on_shelf(wanted.id, wanted.signature) else {
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
        let (cache, Wanted { tenant, id, signature }) = (Arc::clone(self), wanted);
        let signature = signature.to_owned();
        tokio::spawn(async move { cache.load(Wanted { tenant, id, signature: &signature }, load).await })
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
                .filter(|place| place.signature == wanted.signature)
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
    fn on_shelf(&self, id: i64, signature: &str) -> Option<(Arc<ReadyModel>, bool)> {
        let mut shelf = self.lock();
        shelf.uses += 1;
        let uses = shelf.uses;
        let place = shelf.places.get_mut(&id)?;
        place.last_use = uses;
        let is_outdated = place.signature != signature && place.tried.as_deref() != Some(signature);
        if is_outdated {
            place.tried = Some(signature.to_owned());
        }
        Some((Arc::clone(&place.model), is_outdated))
    }

    fn put(&self, wanted: Wanted<'_>, model: ReadyModel, bytes: u64) -> Arc<ReadyModel> {
        let model = Arc::new(model);
        let mut shelf = self.lock();
        shelf.uses += 1;
        let (signature, last_use) = (wanted.signature.to_owned(), shelf.uses);
        let place = Place { tenant: wanted.tenant, signature, tried: None, model: Arc::clone(&model), bytes, last_use };
        shelf.places.insert(wanted.id, place);
        shelf.shrink(self.budget, wanted.id);
        model
    }

    /// Returns whether the artifact of a row is in memory, or an earlier one that is used because this one is bad.
    pub fn has(&self, row: &TrainedModel) -> bool {
        let (shelf, signature) = (self.lock(), row.signature.as_deref());
        let is_of = |place: &Place| [Some(place.signature.as_str()), place.tried.as_deref()].contains(&signature);
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
mod tests {
    use super::super::artifacts::tests::sample as artifact;
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    fn cache(budget: u64) -> Arc<ModelCache> {
        Arc::new(ModelCache::new(budget))
    }

    fn of(id: i64, signature: &str) -> Wanted<'_> {
        Wanted { tenant: Tenant::Founder(1), id, signature }
    }

    fn sample() -> ReadyModel {
        ReadyModel::Matrix(artifact())
    }

    #[tokio::test]
    async fn a_model_is_loaded_once_however_many_ask_and_all_hear_when_it_is_bad() {
        let cache = cache(100);
        let loads = Arc::new(AtomicU32::new(0));
        let load = |outcome: fn() -> Loaded| {
            let loads = Arc::clone(&loads);
            async move {
                loads.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20)).await;
                outcome()
            }
        };
        let bad = || load(|| Err(ModelError::Missing));
        let answers = futures_util::future::join_all((0..20).map(|_| cache.get_with(of(7, "s"), bad))).await;
        assert!(answers.iter().all(Result::is_err));
        assert_eq!(loads.swap(0, Ordering::SeqCst), 1);
        let good = || load(|| Ok((sample(), 10)));
        let answers = futures_util::future::join_all((0..20).map(|_| cache.get_with(of(7, "s"), good))).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_model_is_kept_whose_caller_left_while_it_was_loaded() {
        let cache = cache(100);
        let (release, hold) = tokio::sync::oneshot::channel::<()>();
        let load = || async move {
            hold.await.ok();
            Ok((sample(), 10))
        };
        let mut asking = Box::pin(cache.get_with(of(7, "s"), load));
        tokio::select! {
            biased;
            _ = &mut asking => panic!("it is not loaded yet"),
            () = tokio::task::yield_now() => {}
        }
        drop(asking);
        drop(release);
        while cache.ids().is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(cache.get_with(of(7, "s"), || async { Err(ModelError::Missing) }).await.is_ok());
    }

    #[tokio::test]
    async fn a_model_that_found_no_place_for_loading_is_tried_again() {
        let cache = cache(100);
        assert!(matches!(cache.get_with(of(7, "a"), || async { Err(Busy.into()) }).await, Err(ModelError::Busy(_))));
        let first = cache.get_with(of(7, "a"), || async { Ok((sample(), 10)) }).await.unwrap();
        let busy = || async { Err(Busy.into()) };
        for _ in 0..3 {
            assert!(Arc::ptr_eq(&first, &cache.get_with(of(7, "b"), busy).await.unwrap()));
            tokio::task::yield_now().await;
        }
        let good = || async { Ok((sample(), 10)) };
        while Arc::ptr_eq(&first, &cache.get_with(of(7, "b"), good).await.unwrap()) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn the_least_recently_used_model_makes_room() {
        let cache = cache(25);
        for id in [1, 2] {
            cache.get_with(of(id, "s"), || async { Ok((sample(), 10)) }).await.unwrap();
        }
        assert!(!cache.is_full());
        cache.get_with(of(1, "s"), || async { Err(ModelError::Missing) }).await.unwrap();
        cache.get_with(of(3, "s"), || async { Ok((sample(), 10)) }).await.unwrap();
        assert_eq!(cache.ids(), [1, 3]);
        cache.get_with(of(4, "s"), || async { Ok((sample(), 1_000)) }).await.unwrap();
        assert_eq!(cache.ids(), [4]);
        assert!(cache.is_full());
    }

    #[tokio::test]
    async fn a_tenant_pushes_out_its_own_models_before_those_of_others() {
        let cache = cache(30);
        let put = async |founder: i64, id: i64, bytes: u64| {
            let wanted = Wanted { tenant: Tenant::Founder(founder), id, signature: "s" };
            cache.get_with(wanted, || async move { Ok((sample(), bytes)) }).await.unwrap();
        };
        put(2, 20, 10).await;
        for id in [10, 11, 12] {
            put(1, id, 10).await;
        }
        assert_eq!(cache.ids(), [20, 11, 12]);
        put(1, 13, 1_000).await;
        assert_eq!(cache.ids(), [20, 13], "a model that is larger than all may be");
        put(2, 21, 10).await;
        assert_eq!(cache.ids(), [20, 21], "it is the first to go");
    }

    #[tokio::test]
    async fn a_tenant_with_many_small_models_pushes_out_none_of_another() {
        let cache = cache(30);
        let put = async |tenant: Tenant, id: i64| {
            let wanted = Wanted { tenant, id, signature: "s" };
            cache.get_with(wanted, || async { Ok((sample(), 5)) }).await.unwrap();
        };
        put(Tenant::Organisation(1), 20).await;
        // Models of as many projects of one founder.
        for id in 0..10 {
            put(Tenant::Founder(1), id).await;
        }
        assert_eq!(cache.ids(), [20, 5, 6, 7, 8, 9]);
    }

    #[tokio::test]
    async fn what_was_good_answers_while_its_successor_is_read_and_when_that_is_bad() {
        let cache = cache(100);
        assert!(cache.get_with(of(1, "a"), || async { Err(ModelError::Missing) }).await.is_err());
        let good = cache.get_with(of(1, "a"), || async { Ok((sample(), 10)) }).await.unwrap();
        let (heard, mut hears) = tokio::sync::mpsc::channel(9);
        let bad = || {
            let heard = heard.clone();
            async move {
                heard.send(()).await.unwrap();
                Err(ModelError::Untrusted(String::new()))
            }
        };
        for _ in 0..3 {
            let still = cache.get_with(of(1, "b"), bad).await.unwrap();
            assert!(Arc::ptr_eq(&good, &still));
            tokio::task::yield_now().await;
        }
        hears.recv().await.unwrap();
        assert!(hears.try_recv().is_err(), "a bad successor is read once");
        let (done, is_done) = tokio::sync::oneshot::channel();
        let successor = async move {
            let _ = done.send(());
            Ok((sample(), 10))
        };
        assert!(Arc::ptr_eq(&good, &cache.get_with(of(1, "c"), || successor).await.unwrap()));
        is_done.await.unwrap();
        tokio::task::yield_now().await;
        assert!(!Arc::ptr_eq(&good, &cache.get_with(of(1, "c"), || async { Err(ModelError::Missing) }).await.unwrap()));
        cache.forget(1);
        assert!(cache.get_with(of(1, "c"), || async { Err(ModelError::Missing) }).await.is_err());
    }
}
