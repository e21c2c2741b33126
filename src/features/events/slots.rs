//! The project of each slot, in memory: reports of thousands of events a second query the database no more often than slots
//! change.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;
use moka::sync::Cache;
use tokio_util::sync::CancellationToken;

use super::store;
use crate::features::accounts::Ownership;
use crate::platform::http::ApiResult;
use crate::platform::services::Services;

const MOST_SLOTS: u64 = 10_000;

/// The slots of one process. One instance is created at start and given to every HTTP worker as application data.
pub struct KnownSlots {
    services: Services,
    /// The number of changes; entries read before the last one are read again.
    generation: Arc<AtomicU64>,
    slots: Cache<i64, (u64, Ownership)>,
}

impl KnownSlots {
    /// Creates the cache and refreshes it on changes until `stop` is cancelled.
    pub fn start(services: &Services, stop: CancellationToken) -> Self {
        let generation = Arc::new(AtomicU64::new(0));
        let (counted, mut changes) = (Arc::clone(&generation), services.db.changes());
        tokio::spawn(async move {
            while let Some(Some(change)) = stop.run_until_cancelled(changes.next()).await {
                if change.is_none_or(|row| row.table == "deployment_slots" || row.is_moved) {
                    counted.fetch_add(1, Ordering::AcqRel);
                }
            }
        });
        Self { services: services.clone(), generation, slots: Cache::new(MOST_SLOTS) }
    }

    /// Returns the project and the organisation of each existing slot, regardless of the caller.
    pub async fn of(&self, slots: &HashSet<i64>) -> ApiResult<HashMap<i64, Ownership>> {
        let generation = self.generation.load(Ordering::Acquire);
        let known = |slot: &i64| self.slots.get(slot).filter(|(read, _)| *read == generation).map(|(_, owner)| (*slot, owner));
        let mut found: HashMap<i64, Ownership> = slots.iter().filter_map(known).collect();
        let missing: Vec<i64> = slots.iter().filter(|slot| !found.contains_key(slot)).copied().collect();
        if !missing.is_empty() {
            let mut connection = self.services.db.unrestricted_conn().await?;
            for (slot, owner) in store::owners_of_slots(&mut connection, &missing).await? {
                self.slots.insert(slot, (generation, owner));
                found.insert(slot, owner);
            }
        }
        Ok(found)
    }
}
