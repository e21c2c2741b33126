//! Item metadata as the engine reads it, kept in memory for the next preview of a user who is typing.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use moka::sync::Cache;

use crate::features::item_metadata::{Unread, read_within};
use crate::ml::features::FeatureTable;
use crate::platform::blobs::Blobs;
use crate::platform::memory::Promise;

/// Bytes of all tables in memory; a larger table is read for each preview.
const MOST_BYTES: u64 = 256 << 20;

/// Bytes per unit of weight, as the cache's weights are 32 bits wide.
const UNIT: u64 = 1 << 10;

/// How long a table stays after its last use.
const KEPT: Duration = Duration::from_secs(300);

/// Tables by the key of the prepared form that they are read from, which never changes.
static TABLES: LazyLock<Cache<String, Arc<FeatureTable>>> = LazyLock::new(|| {
    let units = |table: &FeatureTable| table.heap_bytes().div_ceil(UNIT).max(1);
    let weigh = move |_: &String, table: &Arc<FeatureTable>| u32::try_from(units(table)).unwrap_or(u32::MAX);
    Cache::builder().weigher(weigh).max_capacity(MOST_BYTES / UNIT).time_to_idle(KEPT).build()
});

/// Returns the table of a prepared form, after memory for reading it has been promised. Blocks.
pub fn table_of(blobs: &Blobs, key: &str, memory: &Promise) -> Result<Arc<FeatureTable>, Unread> {
    if let Some(table) = TABLES.get(key) {
        return Ok(table);
    }
    let table = Arc::new(read_within(blobs, key, memory, || Ok(()))?.into_features());
    TABLES.insert(key.to_owned(), Arc::clone(&table));
    Ok(table)
}
