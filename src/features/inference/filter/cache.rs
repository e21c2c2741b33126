//! Evaluated filters, kept: the same filter over the same model and the same item metadata costs nothing again.

use std::sync::{Arc, Weak};

use moka::sync::Cache;
use tokio_util::sync::CancellationToken;

use super::{Filter, evaluation};
use crate::features::item_metadata::ItemTable;
use crate::features::models::ReadyModel;
use crate::platform::computing::{self, Computing};
use crate::platform::http::ApiResult;

/// Bytes of evaluated filters that are kept.
const BUDGET: u64 = 128 << 20;

/// Where model and metadata lie in memory, and the text of the filter.
type Key = (usize, usize, String);

/// Which items of a model a filter admits.
#[derive(Debug)]
pub struct Admitted {
    /// Numbers of items, rising.
    pub items: Vec<u32>,
    /// While these are held nothing else can lie where the model and the metadata lie.
    _of: (Weak<ReadyModel>, Weak<ItemTable>),
}

/// What filters admit.
pub struct Filters(Cache<Key, Arc<Admitted>>);

impl Filters {
    /// Nothing evaluated yet.
    pub fn new() -> Self {
        let weigh = |key: &Key, admitted: &Arc<Admitted>| {
            let bytes = key.2.len() + admitted.items.len() * size_of::<u32>() + 1_000;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().weigher(weigh).max_capacity(BUDGET).build())
    }

    /// Returns what a filter admits, which the first request for it evaluates at a place of its project.
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
            // Without one, the caller has left whose evaluation this request may have waited for.
            if admitted.is_some() || stop.is_cancelled() {
                return admitted;
            }
        };
        let (computing, project) = places;
        // Boxed, so that the future of a prediction does not grow by what it hardly ever needs.
        let admitted = Box::pin(computing.run(project, work)).await?;
        admitted.ok_or_else(computing::too_long)
    }
}
