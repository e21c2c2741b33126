//! The API keys in the memory of one process, for predictions and event reports, which cannot wait for the database at every
//! call.
//!
//! All valid keys are loaded before they are first sent, and refreshed as soon as one changes. A changed key is not accepted
//! before it has been read again; while the database is unavailable, all others are accepted as last read.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::http::StatusCode;
use futures_util::StreamExt;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::service::{self, Digest, KnownKey};
use super::store::Concerned;
use super::traffic::Traffic;
use crate::platform::db::{Change, ChangedRow, ReadError};
use crate::platform::http::throttle::Throttle;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::known::Known;
use crate::platform::places::{Place, Places};
use crate::platform::services::Services;

/// The capacity; above it, the least recently used keys are dropped.
const MOST_KEYS: u32 = 10_000;
/// Changes within this time are read together.
const PAUSE: Duration = Duration::from_millis(50);
/// How long to wait before reading again after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// Keys that are looked up at once while it is not known whether they are valid; of one network, half of them.
const AT_ONCE: usize = 8;
/// How long such a key waits for its turn.
const PATIENCE: Duration = Duration::from_secs(2);
/// Seconds after which a request is welcome whose key found no turn.
const COME_BACK: u64 = 2;

/// The keys of one process. Cheap to clone; clones share them.
#[derive(Clone)]
pub struct KnownKeys(Arc<Shared>);

struct Shared {
    services: Services,
    keys: Known<Digest, KnownKey>,
    changed: Mutex<Changed>,
    told: Notify,
    /// Per client network, for invalid keys on any route.
    guesses: Throttle,
    turns: Places,
    traffic: Traffic,
}

/// Keys to read again in the background.
#[derive(Debug, Default)]
struct Changed {
    all: bool,
    concerned: Concerned,
}

impl KnownKeys {
    /// Creates the cache and refreshes it on changes until `stop` is cancelled.
    pub fn start(services: &Services, stop: CancellationToken) -> Self {
        let keys = Known::new("API keys", MOST_KEYS.into());
        let guesses = Throttle::new(services.settings.throttle.anon);
        let shared = Shared {
            services: services.clone(),
            keys,
            changed: Mutex::default(),
            told: Notify::new(),
            guesses,
            turns: Places::new(AT_ONCE),
            traffic: Traffic::default(),
        };
        let known = Self(Arc::new(shared));
        let (noting, reading) = (known.clone(), known.clone());
        // Two tasks: a revocation is noted even while the database does not answer.
        let work = async move { tokio::join!(noting.note_changes(), reading.read_changed()) };
        tokio::spawn(async move { stop.run_until_cancelled(work).await });
        known
    }

    /// Returns the caller that a key stands for; 401 if it is invalid. Most keys are in memory and need no query; only for the
    /// others is `network` called to get the client's network, whose invalid keys are counted as by [`Self::counted`].
    pub async fn caller(&self, key: &str, network: impl FnOnce() -> String) -> ApiResult<Arc<KnownKey>> {
        let now = self.0.services.clock.now();
        let digest = service::digest_of(key);
        let known = digest.and_then(|digest| self.0.keys.current(&digest)).filter(|key| key.counts_at(now));
        match known {
            Some(known) => Ok(known),
            None => Box::pin(self.counted(key, &network(), self.read_caller(digest))).await,
        }
    }

    async fn read_caller(&self, digest: Option<Digest>) -> ApiResult<Arc<KnownKey>> {
        let Some(digest) = digest else { return Err(ApiError::key_not_valid()) };
        let services = &self.0.services;
        let read = || {
            let (services, traffic) = (services.clone(), self.0.traffic.clone());
            async move { Ok(service::find(&services, &digest).await?.map(|key| key.counted_in(&traffic))) }
        };
        let found = self.0.keys.get(&digest, read).await.map_err(|error| ApiError::from(&*error))?;
        found.filter(|key| key.counts_at(services.clock.now())).ok_or_else(ApiError::key_not_valid)
    }

    /// Looks a key up that came from a network. Keys that are not valid, and unknown ones whose client does not wait for the answer,
    /// are counted by network; once these are too many, only keys in memory are accepted from there, and the others are refused
    /// with a 429 without a query. Keys that are not in memory take turns, so that of those sent at once only a few are looked up
    /// before the first is counted. One that is known to have expired is refused without a query, too.
    pub async fn counted<T>(&self, key: &str, network: &str, look_up: impl Future<Output = ApiResult<T>>) -> ApiResult<T> {
        if self.has_expired(key) {
            self.0.guesses.admit(network, self.0.services.clock.now())?;
            return Err(ApiError::key_not_valid());
        }
        let _turn = if self.is_known(key) { None } else { Some(self.turn(network).await?) };
        let now = self.0.services.clock.now();
        let found = if self.is_known(key) {
            look_up.await
        } else {
            self.0.guesses.check(network, now)?;
            self.0.guesses.counted_if_left(network, now, look_up).await
        };
        if found.as_ref().is_err_and(|error| error.status().as_u16() == 401) {
            self.0.guesses.admit(network, now)?;
        }
        found
    }

    /// Waits for the turn of a network to look up a key.
    async fn turn(&self, network: &str) -> ApiResult<Place> {
        let party = self.0.turns.party_of(network);
        let turn = tokio::time::timeout(PATIENCE, self.0.turns.turn(Some(party))).await;
        turn.map_err(|_| {
            let message = "Too many API keys that are not known are being looked up. Try again in a few seconds.";
            ApiError::coded(StatusCode::SERVICE_UNAVAILABLE, "busy", message).retry_after(COME_BACK)
        })
    }

    /// Returns whether a key is in memory and has not expired: a key that was valid before is accepted even while other clients
    /// of its network guess.
    fn is_known(&self, key: &str) -> bool {
        self.in_memory(key).is_some_and(|known| known.counts_at(self.0.services.clock.now()))
    }

    /// Returns whether a key is known to have expired. One that has been changed since may have been prolonged.
    fn has_expired(&self, key: &str) -> bool {
        let known = service::digest_of(key).and_then(|digest| self.0.keys.at_hand(&digest));
        known.is_some_and(|known| !known.counts_at(self.0.services.clock.now()))
    }

    /// Returns the user of a key that is in memory, valid or not any more.
    pub fn user_of(&self, key: &str) -> Option<i64> {
        self.in_memory(key).map(|known| known.principal.user.id)
    }

    fn in_memory(&self, key: &str) -> Option<Arc<KnownKey>> {
        self.0.keys.peek(&service::digest_of(key)?)
    }

    /// Reads all valid keys.
    pub async fn load(&self) -> Result<(), ReadError> {
        self.read(None).await
    }

    /// Returns what the apps do whose keys are in memory.
    pub fn traffic(&self) -> &Traffic {
        &self.0.traffic
    }

    /// Returns the number of keys in memory.
    pub fn count(&self) -> u64 {
        self.0.keys.count()
    }

    async fn note_changes(&self) {
        let mut changes = self.0.services.db.changes();
        while let Some(change) = changes.next().await {
            self.note(change);
        }
    }

    fn note(&self, change: Change) {
        let mut changed = self.0.changed.lock().unwrap_or_else(PoisonError::into_inner);
        match change {
            Some(row) if row.table == "api_keys" => {
                self.0.keys.distrust(|key| key.id() == Some(row.id));
                changed.concerned.ids.insert(row.id);
            }
            Some(row) if row.table == "users" => {
                self.0.keys.distrust(|key| key.principal.user.id == row.id);
                changed.concerned.users.insert(row.id);
            }
            Some(row) if row.table == "memberships" => {
                self.0.keys.doubt_where(|key| key.principal.user.id == row.id);
                changed.concerned.users.insert(row.id);
            }
            Some(ChangedRow { is_moved: true, project_id: Some(project), .. }) => {
                self.0.keys.doubt_where(|key| key.principal.key_project() == Some(project));
                changed.concerned.projects.insert(project);
            }
            // Changes of what is served do not affect keys.
            Some(_) => return,
            None => {
                self.0.keys.doubt_all();
                changed.all = true;
            }
        }
        self.0.told.notify_one();
    }

    /// Reads changed keys before a client sends them.
    async fn read_changed(&self) {
        if !self.0.services.settings.preload_models {
            return;
        }
        loop {
            self.0.told.notified().await;
            tokio::time::sleep(PAUSE).await;
            let changed = std::mem::take(&mut *self.0.changed.lock().unwrap_or_else(PoisonError::into_inner));
            while let Err(error) = self.read((!changed.all).then_some(&changed.concerned)).await {
                tracing::debug!(%error, "API keys that have changed could not be read; it will be tried again");
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// Reads keys into memory: those that changes concern, or all.
    async fn read(&self, concerned: Option<&Concerned>) -> Result<(), ReadError> {
        let read = || async move {
            let found = service::usable(&self.0.services, concerned, MOST_KEYS.into()).await?;
            Ok(found.into_iter().map(|(digest, key)| (digest, Arc::new(key.counted_in(&self.0.traffic)))).collect())
        };
        if !self.0.keys.fill(read).await? {
            tracing::debug!("API keys kept changing while they were read; they are read when they are sent");
        }
        Ok(())
    }
}
