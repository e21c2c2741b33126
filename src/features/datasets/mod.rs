//! Training data and item metadata: uploaded files of interactions and of what is known about items. An upload is kept twice: the original bytes, untouched, and a prepared
//! form that every later step reads. What could not be imported is reported row by row. Training data may also be put
//! together from several sources, and then says from which.

mod combined;
mod error;
mod intake;
mod jobs;
mod metadata;
mod model;
mod preparation;
mod routes;
mod service;
mod store;
mod turns;
mod under_way;
mod unpacked;

pub use combined::{CombinedFile, Source, add_combined, complete_combined};
pub use error::DataError;
pub use jobs::PrepareData;
pub use metadata::{
    ColumnKind, Descriptions, ItemMetaData, ItemTable, boolean_of, descriptions, newest as newest_item_metadata, number_of,
};
pub use model::{TrainingData, TrainingDataStatus};
pub use routes::{Docs, routes};
pub use service::{PREVIEWS, ask_for, give_up, load_log};
pub use store::find;
pub use under_way::UploadsUnderWay;
