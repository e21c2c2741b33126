//! The keys in the memory of one process, for those who cannot wait for the database at every call: predictions and reports
//! of events.
//!
//! All that may be used are there before they are first sent, and a change of one is followed at once. A key that was itself
//! changed does not count before it has been read again; any other counts as it was known last while the database is away.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::service::{self, Digest, KnownKey};
use crate::platform::db::{Change, ReadError};
use crate::platform::http::throttle::Throttle;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::known::{self, Known};
use crate::platform::services::Services;

/// Keys that are kept; of more, those used last are.
const MOST_KEYS: u32 = 10_000;
/// Changes that come in a burst are followed once.
const PAUSE: Duration = Duration::from_millis(50);
/// How long to wait when keys cannot be read.
const RETRY: Duration = Duration::from_secs(1);

/// The keys of one process. Cheap to clone; clones share them.
#[derive(Clone)]
pub struct KnownKeys(Arc<Shared>);

struct Shared {
    services: Services,
    keys: Known<Digest, KnownKey>,
    changed: Mutex<Changed>,
    told: Notify,
    /// Of each network of a client, for keys that are not valid, wherever they are sent.
    guesses: Throttle,
}

/// Keys that are to be read in the background.
#[derive(Debug, Default)]
struct Changed {
    all: bool,
    ids: HashSet<i64>,
}

impl KnownKeys {
    /// Creates a memory that follows changes until `stop` is cancelled.
    pub fn start(services: &Services, stop: CancellationToken) -> Self {
        let keys = Known::new("API keys", MOST_KEYS.into());
        let guesses = Throttle::new(services.settings.throttle.anon);
        let shared = Shared { services: services.clone(), keys, changed: Mutex::default(), told: Notify::new(), guesses };
        let known = Self(Arc::new(shared));
        let (noting, reading) = (known.clone(), known.clone());
        // In two tasks: that a key was revoked is noted also while the database does not answer.
        let work = async move { tokio::join!(noting.note_changes(), reading.read_changed()) };
        tokio::spawn(async move { stop.run_until_cancelled(work).await });
        known
    }

    /// Returns the caller that a key stands for; 401 when it does not count. Most callers are in memory, and wait for nothing;
    /// only for the others `network` is asked where the key came from, and keys that are not valid are counted as by
    /// [`Self::counted`].
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
            let services = services.clone();
            async move { service::find(&services, &digest).await }
        };
        let found = self.0.keys.get(&digest, read).await.map_err(|error| ApiError::from(&*error))?;
        found.filter(|key| key.counts_at(services.clock.now())).ok_or_else(ApiError::key_not_valid)
    }

    /// Looks a key up that came from a network. Keys that are not valid are counted by network; once these are too many, only
    /// keys in memory are accepted from there, and the others are refused with a 429 without a query.
    pub async fn counted<T>(&self, key: &str, network: &str, look_up: impl Future<Output = ApiResult<T>>) -> ApiResult<T> {
        let now = self.0.services.clock.now();
        if !self.is_known(key) {
            self.0.guesses.check(network, now)?;
        }
        let found = look_up.await;
        if found.as_ref().is_err_and(|error| error.status().as_u16() == 401) {
            self.0.guesses.admit(network, now)?;
        }
        found
    }

    /// Returns whether a key is in memory: one that was valid before is read again, also while its network guesses others.
    fn is_known(&self, key: &str) -> bool {
        service::digest_of(key).is_some_and(|digest| self.0.keys.peek(&digest).is_some())
    }

    /// Reads all keys that may be used.
    pub async fn load(&self) -> Result<(), ReadError> {
        self.read(None).await
    }

    /// Returns how many keys are in memory.
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
                changed.ids.insert(row.id);
            }
            Some(row) if row.table == "users" => {
                self.0.keys.distrust(|key| key.principal.user.id == row.id);
                changed.all = true;
            }
            // What is served is no matter of keys.
            Some(_) => return,
            None => {
                self.0.keys.doubt_all();
                changed.all = true;
            }
        }
        self.0.told.notify_one();
    }

    /// Reads what has changed before it is asked for.
    async fn read_changed(&self) {
        if !self.0.services.settings.preload_models {
            return;
        }
        loop {
            self.0.told.notified().await;
            tokio::time::sleep(PAUSE).await;
            let changed = std::mem::take(&mut *self.0.changed.lock().unwrap_or_else(PoisonError::into_inner));
            let ids: Vec<i64> = changed.ids.into_iter().collect();
            while let Err(error) = self.read((!changed.all).then_some(&ids)).await {
                tracing::debug!(%error, "API keys that have changed could not be read; it will be tried again");
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// Reads keys into memory: those of the ids, or all.
    async fn read(&self, ids: Option<&Vec<i64>>) -> Result<(), ReadError> {
        loop {
            let mark = self.0.keys.mark();
            let read = service::usable(&self.0.services, ids.map(Vec::as_slice), MOST_KEYS.into());
            let found = known::within(known::LONGEST, read).await?;
            if self.0.keys.put(mark, found.into_iter().map(|(digest, key)| (digest, Arc::new(key)))) {
                return Ok(());
            }
        }
    }
}
