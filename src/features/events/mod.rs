//! Conversion events: what users did with the lists they were given. Programs report them one by one or in batches; A/B tests
//! count them. The table is partitioned by month; partitions are made ahead of time.

mod access;
mod input;
mod model;
mod partitions;
mod routes;
mod service;
mod store;

pub use model::EVENT_TYPES;
pub use partitions::{keep_ahead, make_ahead};
pub use routes::{Docs, routes};
pub use store::recorded::{Recorded, RecordedEvent, extent, page};
pub use store::{SlotCounts, counts};
