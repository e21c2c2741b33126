//! Metadata of items and users in memory: one table for each upload that requests use, bounded in bytes.

use std::sync::Arc;

use actix_web::http::StatusCode;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::features::item_metadata::{ItemTable, Unread, read_within};
use crate::platform::computing::Busy;
use crate::platform::http::{ApiError, ApiResult};
use crate::platform::services::Services;

/// Bytes per unit of weight, as the cache's weights are 32 bits wide.
const UNIT: u64 = 1 << 10;

/// Seconds after which memory may be free again.
const AFTER_NO_MEMORY: u64 = 60;

/// Returns the refusal of a request for a table that could not be read.
fn in_words(unread: &Unread) -> ApiError {
    match unread {
        Unread::Memory(shortage) => {
            tracing::error!(%shortage, "metadata is not loaded");
            let message = format!("The item metadata cannot be read now: {shortage}.");
            ApiError::coded(StatusCode::SERVICE_UNAVAILABLE, "out_of_memory", message).retry_after(AFTER_NO_MEMORY)
        }
        Unread::Gone | Unread::File(_) | Unread::Stopped(_) => {
            ApiError::unavailable(&format!("item metadata cannot be read: {unread}"))
        }
    }
}

/// Returns the refusal of a request for metadata whose file is gone.
pub fn gone() -> ApiError {
    in_words(&Unread::Gone)
}

/// Tables by the key of the prepared form that they are read from. A prepared form never changes.
pub struct Tables(Cache<Arc<str>, Arc<ItemTable>>);

impl Tables {
    /// Creates an empty cache of at most `budget` bytes; a larger table is kept alone.
    pub fn new(budget: u64) -> Self {
        let most = (budget / UNIT).clamp(1, u32::MAX.into());
        let weigh = move |_: &Arc<str>, table: &Arc<ItemTable>| {
            let units = table.heap_bytes().div_ceil(UNIT).clamp(1, most);
            u32::try_from(units).unwrap_or(u32::MAX)
        };
        let cache = Cache::builder().weigher(weigh).max_capacity(most).eviction_policy(EvictionPolicy::lru());
        Self(cache.build())
    }

    /// Returns the table of a prepared form, or `None` if its file is gone; the first request for it reads the table. `turn` is
    /// called only if the table must be read, and its result is held until the read ends.
    pub async fn get<W, T>(&self, key: &Arc<str>, services: &Services, turn: impl Fn() -> W) -> ApiResult<Option<Arc<ItemTable>>>
    where
        W: Future<Output = Result<T, Busy>>,
        T: Send + 'static,
    {
        if let Some(table) = self.0.get(key) {
            return Ok(Some(table));
        }
        let (cache, blobs, promise) = (self.0.clone(), services.blobs.clone(), services.memory().promise());
        let (key, turn) = (Arc::clone(key), turn().await?);
        let read = move || {
            let _turn = turn;
            cache.try_get_with_by_ref(&key, || read_within(&blobs, &key, &promise, || Ok(())).map(Arc::new))
        };
        match tokio::task::spawn_blocking(read).await.map_err(|error| ApiError::internal(&error))? {
            Ok(table) => Ok(Some(table)),
            Err(error) if matches!(*error, Unread::Gone) => Ok(None),
            Err(error) => Err(in_words(&error)),
        }
    }

    /// Returns a table that is in memory.
    pub fn held(&self, key: &Arc<str>) -> Option<Arc<ItemTable>> {
        self.0.get(key)
    }

    /// Returns whether the table is in memory.
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Drops a table that no request will need again.
    pub fn forget(&self, key: &str) {
        self.0.invalidate(key);
        // The cache frees memory when it is used, and it may not be used for long.
        self.0.run_pending_tasks();
    }
}
