//! Conversion events: what users did with their lists. Programs report them one by one or in batches; A/B tests count them, and
//! retraining may learn from them. The table is partitioned by month, and partitions are created ahead of time. Old events can be
//! reduced to daily counts.

mod access;
mod input;
mod kinds;
mod limit;
mod model;
mod partitions;
mod routes;
mod service;
mod slots;
mod store;
mod writer;

pub use limit::ReportLimit;
pub use model::EventType;
pub use partitions::{keep_ahead, make_ahead};
pub use routes::{Docs, routes};
pub use slots::KnownSlots;
pub use store::expiry::{Exempt, expire};
pub use store::recorded::{Recorded, RecordedEvent, extent, page};
pub use store::{SlotCounts, counts};
pub use writer::EventWriter;
