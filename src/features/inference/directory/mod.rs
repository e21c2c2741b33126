//! What every prediction has to know beside whose key it is, kept in memory: which model answers, how traffic is shared, and
//! what is known about items once that has been asked for. The hot path asks no database.
//!
//! Changes are announced by the database. How a project is served is read again in the background and takes effect at once, but
//! for models that are not in memory: these are loaded before the first request meets them. The row of a model that was changed is read again by the first to ask for
//! it, who does not wait long: while the database is away or hangs, what was known last goes on answering.

mod handover;
mod items;
mod refresher;
mod store;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::error::InferenceError;
use super::model::Serving;
use crate::features::accounts::{Guarded, Ownership, Principal};
use crate::features::api_keys::KnownKeys;
use crate::features::item_metadata::ItemTable;
use crate::features::models::{ModelCache, TrainedModel};
use crate::platform::computing::Busy;
use crate::platform::db::ReadError;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::known::{Found, Known};
use crate::platform::services::Services;

use self::items::Tables;

/// Entries of each kind that are kept.
const MOST_ENTRIES: u64 = 10_000;
/// How long a model that is not there is not looked for again, unless one is announced.
const MISSING_FOR: Duration = Duration::from_secs(2);

/// A model and where it belongs.
#[derive(Debug)]
pub struct ServedModel {
    pub row: TrainedModel,
    pub ownership: Ownership,
}

/// The memory of one process. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Directory {
    services: Services,
    models: Arc<ModelCache>,
    shelves: Arc<Shelves>,
}

struct Shelves {
    /// Whether what was deployed at the start is in memory, as far as it could be loaded.
    is_ready: AtomicBool,
    models: Known<i64, ServedModel>,
    /// Ids that no model had when they were last asked for.
    missing: Cache<i64, ()>,
    projects: Known<i64, Serving>,
    tables: Tables,
    /// Held while it is decided what of a project can be served, and that is published.
    publishing: Mutex<()>,
    /// Places for loading what is deployed.
    loading: Semaphore,
}

impl Directory {
    /// Creates an empty directory that follows changes until `stop` is cancelled.
    pub fn start(services: &Services, models: Arc<ModelCache>, keys: &KnownKeys, stop: CancellationToken) -> Self {
        let shelves = Shelves {
            is_ready: AtomicBool::new(!services.settings.preload_models),
            models: Known::new("models", MOST_ENTRIES),
            missing: Cache::builder().max_capacity(MOST_ENTRIES).time_to_live(MISSING_FOR).build(),
            projects: Known::new("deployment slots", MOST_ENTRIES),
            tables: Tables::new(services.settings.item_cache_bytes),
            publishing: Mutex::default(),
            loading: Semaphore::new(refresher::LOADS),
        };
        let directory = Self { services: services.clone(), models, shelves: Arc::new(shelves) };
        tokio::spawn(refresher::run(directory.clone(), stop.clone()));
        if !directory.is_ready() {
            tokio::spawn(directory.clone().preload(keys.clone(), stop));
        }
        directory
    }

    async fn preload(self, keys: KnownKeys, stop: CancellationToken) {
        let load = async {
            if let Err(error) = keys.load().await {
                tracing::warn!(%error, "API keys could not be loaded ahead; they are read when they are sent");
            }
            refresher::preload(&self).await;
        };
        stop.run_until_cancelled(load).await;
        self.shelves.is_ready.store(true, Ordering::Release);
    }

    /// Returns whether what was deployed at the start is in memory, or was not to be loaded before the first request for it.
    pub fn is_ready(&self) -> bool {
        self.shelves.is_ready.load(Ordering::Acquire)
    }

    /// Returns how many projects are in memory.
    pub fn count(&self) -> u64 {
        self.shelves.projects.count()
    }

    /// A model that the caller's key may ask: 404 when there is none, 403 when it is of another project.
    pub async fn model(&self, principal: &Principal, id: i64) -> ApiResult<Arc<ServedModel>> {
        let model = self.find(id).await?.ok_or(InferenceError::NoModel(id))?;
        let of_key = model.ownership.project_id == principal.key_project() && principal.role_on(model.ownership).is_some();
        if of_key { Ok(model) } else { Err(InferenceError::OtherProject.into()) }
    }

    /// Whether a model is in memory, so that no database is asked for it.
    pub fn is_known(&self, id: i64) -> bool {
        self.shelves.models.peek(&id).is_some()
    }

    /// Whether there is a model of this id.
    pub async fn exists(&self, id: i64) -> ApiResult<bool> {
        Ok(self.find(id).await?.is_some())
    }

    async fn find(&self, id: i64) -> ApiResult<Option<Arc<ServedModel>>> {
        if let Some(model) = self.shelves.models.current(&id) {
            return Ok(Some(model));
        }
        if self.shelves.missing.contains_key(&id) {
            return Ok(None);
        }
        let found = self.known_model(id).await.map_err(|error| ApiError::from(&*error))?;
        if found.is_none() {
            self.shelves.missing.insert(id, ());
        }
        Ok(found)
    }

    async fn known_model(&self, id: i64) -> Found<ServedModel> {
        let db = &self.services.db;
        let read = || {
            let db = db.clone();
            async move {
                let found = TrainedModel::load(&mut *db.conn().await?, id).await?;
                Ok::<_, ReadError>(found.map(|(row, ownership)| ServedModel { row, ownership }))
            }
        };
        self.shelves.models.get(&id, read).await
    }

    /// How a project is served.
    pub async fn serving(&self, project: i64) -> ApiResult<Arc<Serving>> {
        let read = || {
            let directory = self.clone();
            async move { directory.read_serving(project).await.map(Some) }
        };
        let known = self.shelves.projects.get(&project, read).await.map_err(|error| ApiError::from(&*error))?;
        Ok(known.unwrap_or_else(|| Arc::new(Serving::nothing())))
    }

    async fn read_serving(&self, project: i64) -> Result<Serving, ReadError> {
        let mut connection = self.services.db.conn().await?;
        Ok(store::serving(&mut connection, project).await?)
    }

    /// Returns what is known about the items of a project; `None` when nothing has been uploaded. `turn` is called only when it
    /// is to be read.
    pub async fn items<W, T>(&self, serving: &Serving, turn: impl FnOnce() -> W) -> ApiResult<Option<Arc<ItemTable>>>
    where
        W: Future<Output = Result<T, Busy>>,
        T: Send + 'static,
    {
        let Some(key) = &serving.items else { return Ok(None) };
        self.shelves.tables.get(key, &self.services, turn).await.map(Some)
    }
}
