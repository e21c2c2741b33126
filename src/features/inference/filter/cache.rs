//! Cache of evaluated filters: repeating a filter for the same model and item metadata costs nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio_util::sync::CancellationToken;

use super::{Filter, evaluation};
use crate::features::accounts::Tenant;
use crate::features::item_metadata::ItemTable;
use crate::features::models::ReadyModel;
use crate::platform::computing::{self, Computing};
use crate::platform::http::ApiResult;
use crate::platform::shares::Shares;

/// The largest number of bytes of evaluated filters in the cache. Tenants share them: the one with most makes room.
const BUDGET: usize = 128 << 20;
/// Bytes that an evaluated filter takes up besides its text and items.
const FILTER_BYTES: usize = 1_000;

/// The addresses of model and metadata in memory, and the text of the filter.
type Key = (usize, usize, String);

/// The items of a model that match a filter.
#[derive(Debug)]
pub struct Admitted {
    /// Numbers of items, rising.
    pub items: Vec<u32>,
    /// While these references exist, the addresses of the model and the metadata cannot be reused.
    _of: (Weak<ReadyModel>, Weak<ItemTable>),
}

/// Items by filter. Clones are cheap and share them.
#[derive(Clone)]
pub struct Filters(Arc<Shared>);

struct Shared {
    evaluated: Shares<Key, Arc<Admitted>>,
    /// Filters that are being evaluated: other requests for one wait for the result.
    evaluating: Mutex<HashMap<Key, Arc<Mutex<()>>>>,
}

impl Filters {
    /// Creates an empty cache.
    pub fn new() -> Self {
        Self(Arc::new(Shared::new(BUDGET)))
    }

    /// Returns the items that match a filter; the first request for it evaluates it in a computing place of the tenant.
    pub async fn admitted(
        &self,
        filter: &Arc<Filter>,
        model: &Arc<ReadyModel>,
        table: &Arc<ItemTable>,
        (computing, tenant): (&Computing, Tenant),
    ) -> ApiResult<Arc<Admitted>> {
        let key = (Arc::as_ptr(model) as usize, Arc::as_ptr(table) as usize, filter.text.clone());
        if let Some(admitted) = self.0.evaluated.get(&key) {
            return Ok(admitted);
        }
        let (filters, filter, model, table) = (self.clone(), Arc::clone(filter), Arc::clone(model), Arc::clone(table));
        let work = move |stop: &CancellationToken| {
            let evaluate = || {
                let items = evaluation::admitted(&filter, &table, model.items(), stop)?;
                Some(Arc::new(Admitted { items, _of: (Arc::downgrade(&model), Arc::downgrade(&table)) }))
            };
            filters.0.evaluate_once(tenant, &key, evaluate)
        };
        // Boxed, so that the rare case does not enlarge the future of every prediction.
        let admitted = Box::pin(computing.run(Some(tenant.party()), work)).await?;
        admitted.ok_or_else(computing::too_long)
    }
}

impl Shared {
    fn new(budget: usize) -> Self {
        Self { evaluated: Shares::new(budget), evaluating: Mutex::default() }
    }

    /// Returns the result of a filter, which only one thread evaluates at a time. If its request is cancelled, the next request for
    /// the filter evaluates it.
    fn evaluate_once(
        &self,
        tenant: Tenant,
        key: &Key,
        evaluate: impl FnOnce() -> Option<Arc<Admitted>>,
    ) -> Option<Arc<Admitted>> {
        let evaluating = || self.evaluating.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = Arc::clone(evaluating().entry(key.clone()).or_default());
        let alone = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let admitted = self.evaluated.get(key).or_else(|| {
            let admitted = evaluate()?;
            let bytes = key.2.len() + admitted.items.len() * size_of::<u32>() + FILTER_BYTES;
            self.evaluated.put(tenant.party(), key.clone(), Arc::clone(&admitted), bytes);
            Some(admitted)
        });
        drop(alone);
        let mut evaluating = evaluating();
        drop(turn);
        // The last request for the filter forgets its turn.
        if evaluating.get(key).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            evaluating.remove(key);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Option<Arc<Admitted>> {
        Some(Arc::new(Admitted { items: vec![1], _of: (Weak::new(), Weak::new()) }))
    }

    fn key(number: usize) -> Key {
        (number, 0, "filter".to_owned())
    }

    #[test]
    fn many_filters_of_one_tenant_evict_none_of_another() {
        let filters = Shared::new(10 * FILTER_BYTES);
        let first = filters.evaluate_once(Tenant::Organisation(1), &key(0), found).unwrap();
        for number in 1..100 {
            filters.evaluate_once(Tenant::Founder(1), &key(number), found).unwrap();
        }
        let again = filters.evaluate_once(Tenant::Organisation(1), &key(0), || panic!("it is in memory")).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert!(filters.evaluated.get(&key(1)).is_none());
    }

    #[test]
    fn a_filter_whose_request_was_cancelled_is_evaluated_by_the_next() {
        let filters = Shared::new(BUDGET);
        assert!(filters.evaluate_once(Tenant::Founder(1), &key(1), || None).is_none());
        assert!(filters.evaluate_once(Tenant::Founder(1), &key(1), found).is_some());
        assert!(filters.evaluating.lock().unwrap().is_empty());
    }
}
