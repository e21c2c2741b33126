//! What every prediction has to know, kept in memory: whose key it is, which model answers, how traffic is shared, and what
//! is known about items once that has been asked for. The hot path asks no database; a change of a row behind it is heard of
//! through the database's notifications.
//!
//! Keys and models are read again by whoever asks first after a change, so that a revoked key stops at once. Slots are read
//! again in the background, and the models they now name are loaded before the first request meets them. When the database
//! is gone there are no changes either: what is known goes on answering. A key does not count if it had to be read again just
//! then, so only changes of who may do what make that necessary.

mod items;
mod refresher;
mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use moka::sync::Cache;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::assignment::Assigner;
use super::error::InferenceError;
use crate::features::accounts::{Guarded, Ownership, Principal};
use crate::features::api_keys::{self, KnownKey};
use crate::features::datasets::ItemTable;
use crate::features::models::{ModelCache, TrainedModel};
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::services::Services;

use self::items::Tables;
pub use self::store::{Slot, UnknownUsers};

/// Entries of each kind that are kept.
const MOST_ENTRIES: u64 = 10_000;

type Digest = [u8; 32];

/// A value and the generation of changes it was read in.
#[derive(Debug)]
struct Read<T> {
    generation: u64,
    value: Arc<T>,
}

impl<T> Clone for Read<T> {
    fn clone(&self) -> Self {
        Self { generation: self.generation, value: Arc::clone(&self.value) }
    }
}

/// A model and where it belongs.
#[derive(Debug)]
pub struct ServedModel {
    pub row: TrainedModel,
    pub ownership: Ownership,
}

/// How a project is served.
#[derive(Debug, Clone)]
pub struct Serving {
    /// The active slots that answer, in the order of their ids.
    pub slots: Vec<Slot>,
    /// The active slots that get a copy of the traffic and answer nobody.
    pub shadows: Vec<Slot>,
    /// Which share of the lists is logged, if the project says so.
    pub logged_share: Option<f64>,
    pub unknown_users: UnknownUsers,
    /// The prepared form of the newest item metadata.
    pub items: Option<Arc<str>>,
    /// Which of the slots answers whom.
    pub assigner: Assigner,
}

impl Serving {
    /// Of no project: nothing is deployed.
    pub fn nothing() -> Self {
        Self {
            slots: Vec::new(),
            shadows: Vec::new(),
            logged_share: None,
            unknown_users: UnknownUsers::Fallback,
            items: None,
            assigner: Assigner::new(Uuid::nil()),
        }
    }

    /// Whether the list of a request is to be logged. The ids of requests are random, and so are those that are chosen.
    pub fn logs(&self, request: Uuid) -> bool {
        let share = self.logged_share.unwrap_or(if self.shadows.is_empty() { 0.0 } else { 1.0 });
        let lot = (request.as_u64_pair().0 >> 32) as f64 / f64::from(u32::MAX);
        share > 0.0 && lot <= share
    }
}

/// The memory of one process. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Directory {
    services: Services,
    models: Arc<ModelCache>,
    shelves: Arc<Shelves>,
}

struct Shelves {
    /// Counts the changes heard of. What was read in an earlier generation has to be read again.
    generation: AtomicU64,
    /// Those of them that may be about who may do what. A key that was read before the last of them has to be read again.
    access_generation: AtomicU64,
    /// Whether what was deployed at the start is in memory, as far as it could be loaded.
    is_ready: AtomicBool,
    keys: Cache<Digest, Read<KnownKey>>,
    models: Cache<i64, Read<ServedModel>>,
    projects: Cache<i64, Arc<Serving>>,
    tables: Tables,
}

impl Directory {
    /// An empty directory that hears of changes until `stop` is cancelled.
    pub fn start(services: &Services, models: Arc<ModelCache>, stop: CancellationToken) -> Self {
        let shelves = Shelves {
            generation: AtomicU64::new(0),
            access_generation: AtomicU64::new(0),
            is_ready: AtomicBool::new(!services.settings.preload_models),
            keys: Cache::new(MOST_ENTRIES),
            models: Cache::new(MOST_ENTRIES),
            projects: Cache::new(MOST_ENTRIES),
            tables: Tables::new(services.settings.item_cache_bytes),
        };
        let directory = Self { services: services.clone(), models, shelves: Arc::new(shelves) };
        tokio::spawn(refresher::run(directory.clone(), stop.clone()));
        if !directory.is_ready() {
            tokio::spawn(directory.clone().preload(stop));
        }
        directory
    }

    async fn preload(self, stop: CancellationToken) {
        stop.run_until_cancelled(refresher::preload(&self)).await;
        self.shelves.is_ready.store(true, Ordering::Release);
    }

    /// Whether what was deployed at the start is in memory, or was not to be loaded before somebody asks for it.
    pub fn is_ready(&self) -> bool {
        self.shelves.is_ready.load(Ordering::Acquire)
    }

    /// Whom a key stands for; 401 when it does not count.
    pub async fn caller(&self, key: &str) -> ApiResult<Arc<KnownKey>> {
        let digest = digest_of(key);
        let generation = self.shelves.access_generation.load(Ordering::Acquire);
        let known = match self.shelves.keys.get(&digest).filter(|read| read.generation == generation) {
            Some(read) => read.value,
            None => {
                let known = api_keys::look_up(&self.services, key).await;
                if known.as_ref().is_ok_and(Option::is_none) || known.is_err() {
                    self.shelves.keys.invalidate(&digest);
                }
                let value = Arc::new(known?.ok_or_else(ApiError::key_not_valid)?);
                self.shelves.keys.insert(digest, Read { generation, value: Arc::clone(&value) });
                value
            }
        };
        if known.counts_at(self.services.clock.now()) { Ok(known) } else { Err(ApiError::key_not_valid()) }
    }

    /// A model that the caller's key may ask: 404 when there is none, 403 when it is of another project.
    pub async fn model(&self, principal: &Principal, id: i64) -> ApiResult<Arc<ServedModel>> {
        let generation = self.generation();
        let known = self.shelves.models.get(&id);
        let model = match known.as_ref().filter(|read| read.generation == generation) {
            Some(read) => Arc::clone(&read.value),
            None => match self.read_model(id).await {
                Ok(model) => {
                    let value = Arc::new(model);
                    self.shelves.models.insert(id, Read { generation, value: Arc::clone(&value) });
                    value
                }
                // Better what it was a moment ago than nothing while the database is away.
                Err(error) if error.status().is_server_error() => known.map(|read| read.value).ok_or(error)?,
                Err(error) => return Err(error),
            },
        };
        let of_key = model.ownership.project_id == principal.key_project() && principal.role_on(model.ownership).is_some();
        if of_key { Ok(model) } else { Err(InferenceError::OtherProject.into()) }
    }

    async fn read_model(&self, id: i64) -> ApiResult<ServedModel> {
        let mut connection = self.services.db.conn().await?;
        let (row, ownership) = TrainedModel::load(&mut connection, id).await?.ok_or(InferenceError::NoModel(id))?;
        Ok(ServedModel { row, ownership })
    }

    /// How a project is served.
    pub async fn serving(&self, project: i64) -> ApiResult<Arc<Serving>> {
        if let Some(serving) = self.shelves.projects.get(&project) {
            return Ok(serving);
        }
        loop {
            let generation = self.generation();
            let serving = Arc::new(self.read_serving(project).await?);
            // What changed while this was read has perhaps been followed already, and must not be undone.
            if generation == self.generation() {
                return Ok(self.shelves.projects.get_with(project, || serving));
            }
        }
    }

    async fn read_serving(&self, project: i64) -> ApiResult<Serving> {
        let mut connection = self.services.db.conn().await?;
        Ok(store::serving(&mut connection, project).await?)
    }

    /// What is known about the items of a project; none when nothing has been uploaded.
    pub async fn items(&self, serving: &Serving) -> ApiResult<Option<Arc<ItemTable>>> {
        let Some(key) = &serving.items else { return Ok(None) };
        let path = self.services.blobs.path(key).map_err(|error| ApiError::internal(&error))?;
        self.shelves.tables.get(key, path).await.map(Some)
    }

    fn generation(&self) -> u64 {
        self.shelves.generation.load(Ordering::Acquire)
    }
}

fn digest_of(key: &str) -> Digest {
    let mut digest = Digest::default();
    digest.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, key.as_bytes()).as_ref());
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_requests_is_logged_and_all_of_them_for_a_shadow() {
        let logged = |serving: &Serving| (0..4_000).filter(|_| serving.logs(Uuid::new_v4())).count();
        let serving = Serving { logged_share: Some(0.25), ..Serving::nothing() };
        assert!((800..1_200).contains(&logged(&serving)));
        let shadow = Slot { id: 1, name: "s".to_owned(), trained_model_id: 1, weight: 1.0 };
        let watched = Serving { shadows: vec![shadow], ..Serving::nothing() };
        assert_eq!((logged(&Serving::nothing()), logged(&watched)), (0, 4_000));
        assert_eq!(logged(&Serving { logged_share: Some(0.0), ..watched }), 0);
    }
}
