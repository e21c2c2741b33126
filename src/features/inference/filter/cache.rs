//! Cache of evaluated filters: repeating a filter for the same model and item metadata costs nothing.

use std::sync::{Arc, Weak};

use moka::sync::Cache;
use tokio_util::sync::CancellationToken;

use super::{Filter, evaluation};
use crate::features::item_metadata::ItemTable;
use crate::features::models::ReadyModel;
use crate::platform::computing::{self, Computing};
use crate::platform::http::ApiResult;

/// The largest number of bytes of evaluated filters in the cache.
const BUDGET: u64 = 128 << 20;

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

/// Items by filter.
pub struct Filters(Cache<Key, Arc<Admitted>>);

impl Filters {
    /// Creates an empty cache.
    pub fn new() -> Self {
        let weigh = |key: &Key, admitted: &Arc<Admitted>| {
            let bytes = key.2.len() + admitted.items.len() * size_of::<u32>() + 1_000;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().weigher(weigh).max_capacity(BUDGET).build())
    }

    /// Returns the items that match a filter; the first request for it evaluates it in a computing place of its project.
    pub async fn admitted(
        &self,
        filter: &Arc<Filter>,
        model: &Arc<ReadyModel>,
        table: &Arc<ItemTable>,
        places: (&Computing, Option<i64>),
    ) -> ApiResult<Arc<Admitted>> {
        let key = (Arc::as_ptr(model) as usize, Arc::as_ptr(table) as usize, filter.text.clone());
        if let Some(admitted) = self.0.get(&key) {
            return Ok(admitted);
        }
        let (cache, filter, model, table) = (self.0.clone(), Arc::clone(filter), Arc::clone(model), Arc::clone(table));
        let work = move |stop: &CancellationToken| loop {
            let evaluate = || {
                let items = evaluation::admitted(&filter, &table, model.items(), stop)?;
                Some(Arc::new(Admitted { items, _of: (Arc::downgrade(&model), Arc::downgrade(&table)) }))
            };
            let admitted = cache.optionally_get_with_by_ref(&key, evaluate);
            // `None` means that the request that evaluated the filter, and for which this one may have waited, was cancelled.
            if admitted.is_some() || stop.is_cancelled() {
                return admitted;
            }
        };
        let (computing, project) = places;
        // Boxed, so that the rare case does not enlarge the future of every prediction.
        let admitted = Box::pin(computing.run(project, work)).await?;
        admitted.ok_or_else(computing::too_long)
    }
}
