//! Metadata of items and of users: uploaded files with one row for each of them. Like training data, an upload is stored twice: as
//! the original bytes, and in a form in which some rows are found without reading the others. Single rows of items can be changed
//! as well.

mod cells;
mod changes;
mod columns;
mod jobs;
mod kept;
mod lookup;
mod model;
mod opening;
mod preparation;
mod routes;
mod service;
mod size;
mod store;
mod table;
mod trial;

pub use cells::{boolean_of, number_of};
pub use changes::{ItemRow, MergeItemChanges, read_row};
pub use columns::{ColumnKind, ColumnReport, Columns};
pub use kept::{KeptMetadata, add_kept, add_pulled, keep_metadata, set_standing};
#[cfg(test)]
pub use lookup::tests::{prepared_bytes, prepared_rows};
pub use lookup::{Rows, each_row};
pub use model::{ItemMetaData, Metadata, OfItems, PrepareItemMetadata, Subject};
pub use opening::{Unread, open_newest, read_opened, read_within, rows};
pub use routes::{Docs, routes};
pub use service::{LARGEST_METADATA, give_up, prepare_later};
pub use store::{find, newest, newest_upload};
pub use table::ItemTable;
pub use trial::report_on;
