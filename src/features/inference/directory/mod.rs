//! What every prediction reads besides its API key, kept in memory: which model answers, how traffic is shared, and metadata once
//! a request has used it. The hot path does not query the database.
//!
//! The database announces changes. The state of a project is read again in the background and takes effect at once, except for
//! models that are not in memory, which are loaded before they get requests. The row of a changed model is read again by the
//! first request for it, which waits a short time at most: while the database is unavailable or hangs, the last known row is used.

mod handover;
mod refresher;
mod store;
mod tables;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use moka::sync::Cache;
use tokio_util::sync::CancellationToken;

use super::error::InferenceError;
use super::model::Serving;
use crate::features::accounts::{Guarded, Ownership, Principal, Tenant, tenant_of};
use crate::features::api_keys::KnownKeys;
use crate::features::item_metadata::{ItemTable, Subject};
use crate::features::models::{ModelCache, TrainedModel};
use crate::platform::computing::Busy;
use crate::platform::db::ReadError;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::known::{self, Found, Known};
use crate::platform::places::Places;
use crate::platform::services::Services;

use self::tables::Tables;

/// Entries of each kind that are kept.
const MOST_ENTRIES: u64 = 10_000;
/// How long a missing model is not looked up again, unless a new model is announced.
const MISSING_FOR: Duration = Duration::from_secs(2);

/// A model and its owner.
#[derive(Debug)]
pub struct ServedModel {
    pub row: TrainedModel,
    pub ownership: Ownership,
    /// Whose share of the server its answers use.
    pub tenant: Tenant,
}

/// The directory of one process. Clones are cheap and share it.
#[derive(Clone)]
pub struct Directory {
    services: Services,
    models: Arc<ModelCache>,
    shelves: Arc<Shelves>,
}

struct Shelves {
    /// Whether the models deployed at the start are in memory, as far as they could be loaded.
    is_ready: AtomicBool,
    models: Known<i64, ServedModel>,
    /// Ids without a model when they were last looked up.
    missing: Cache<i64, ()>,
    projects: Known<i64, Serving>,
    tables: Tables,
    /// Held while the served state of a project is decided and published.
    publishing: Mutex<()>,
    /// Places for loading what is deployed, of which one tenant gets half.
    loading: Places,
}

impl Directory {
    /// Creates an empty directory, refreshed on changes until `stop` is cancelled.
    pub fn start(services: &Services, models: Arc<ModelCache>, keys: &KnownKeys, stop: CancellationToken) -> Self {
        let shelves = Shelves {
            is_ready: AtomicBool::new(!services.settings.preload_models),
            models: Known::new("models", MOST_ENTRIES),
            missing: Cache::builder().max_capacity(MOST_ENTRIES).time_to_live(MISSING_FOR).build(),
            projects: Known::new("deployment slots", MOST_ENTRIES),
            tables: Tables::new(services.settings.item_cache_bytes),
            publishing: Mutex::default(),
            loading: Places::new(refresher::LOADS),
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

    /// Returns whether the models deployed at the start are in memory, or are configured to be loaded on first use.
    pub fn is_ready(&self) -> bool {
        self.shelves.is_ready.load(Ordering::Acquire)
    }

    /// Returns how many projects are in memory.
    pub fn count(&self) -> u64 {
        self.shelves.projects.count()
    }

    /// Returns a model that the caller's key may use: 404 if it does not exist, 403 if it belongs to another project.
    pub async fn model(&self, principal: &Principal, id: i64) -> ApiResult<Arc<ServedModel>> {
        let model = self.find(id).await?.ok_or(InferenceError::NoModel(id))?;
        let of_key = model.ownership.project_id == principal.key_project() && principal.role_on(model.ownership).is_some();
        if of_key { Ok(model) } else { Err(InferenceError::OtherProject.into()) }
    }

    /// Returns a model of a project, for a caller who may use the project.
    pub async fn model_of(&self, project: i64, id: i64) -> ApiResult<Arc<ServedModel>> {
        let model = self.find(id).await?.ok_or(InferenceError::NoModel(id))?;
        if model.ownership.project_id == Some(project) { Ok(model) } else { Err(InferenceError::OtherProject.into()) }
    }

    /// Returns whether a model is in memory, so that using it needs no query.
    pub fn is_known(&self, id: i64) -> bool {
        self.shelves.models.peek(&id).is_some()
    }

    /// Returns whether a model with this id exists.
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
                let mut connection = db.conn().await?;
                let Some((row, ownership)) = TrainedModel::load(&mut connection, id).await? else { return Ok(None) };
                let tenant = tenant_of(&mut connection, ownership.organisation_id).await?;
                Ok::<_, ReadError>(Some(ServedModel { row, ownership, tenant }))
            }
        };
        self.shelves.models.get(&id, read).await
    }

    /// Returns how a project is served.
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

    /// Returns item metadata that is in memory.
    pub fn held_items(&self, key: &Arc<str>) -> Option<Arc<ItemTable>> {
        self.shelves.tables.held(key)
    }

    /// Returns the metadata of a project about a subject; `None` if it has none. `turn` is called only if the table must be read.
    pub async fn metadata<W, T>(
        &self,
        subject: Subject,
        (serving, project): (&Serving, Option<i64>),
        turn: impl Fn() -> W,
    ) -> ApiResult<Option<Arc<ItemTable>>>
    where
        W: Future<Output = Result<T, Busy>>,
        T: Send + 'static,
    {
        let Some(key) = serving.metadata(subject) else { return Ok(None) };
        let table = self.shelves.tables.get(key, &self.services, &turn).await?;
        let (None, Some(project)) = (&table, project) else { return Ok(table) };
        // It was replaced or deleted, and the change has not reached this process yet.
        let now = known::within(known::LONGEST, self.read_serving(project)).await.map_err(|error| ApiError::from(&error))?;
        match now.metadata(subject) {
            None => Ok(None),
            Some(now) if now == key => Err(tables::gone()),
            Some(now) => self.shelves.tables.get(now, &self.services, &turn).await?.ok_or_else(tables::gone).map(Some),
        }
    }
}
