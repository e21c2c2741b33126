//! Item metadata: uploaded files with one row for each item. Like training data, an upload is stored twice: as the original
//! bytes, and in a form in which the rows of some items are found without reading the others.

mod cells;
mod columns;
mod jobs;
mod lookup;
mod model;
mod opening;
mod preparation;
mod routes;
mod service;
mod size;
mod store;
mod table;

pub use cells::{boolean_of, number_of};
pub use columns::{ColumnKind, ColumnReport, Columns};
pub use lookup::Rows;
#[cfg(test)]
pub use lookup::tests::prepared_rows;
pub use model::{ItemMetaData, PrepareItemMetadata};
pub use opening::{Unread, read_within};
pub use routes::{Docs, routes};
pub use service::{LARGEST_METADATA, rows};
pub use store::newest;
pub use table::ItemTable;
