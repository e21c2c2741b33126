//! Training data: uploaded files of interactions. An upload is stored twice: as the original bytes, and in a prepared form that
//! every later step reads. Rows that could not be imported are reported. Training data may also be combined from several sources,
//! and then records them.
//!
//! Receiving, previewing and preparing uploads by turns is the same for every kind of upload; other slices use it from here.

mod combined;
mod deferred;
mod error;
mod intake;
mod jobs;
mod kept;
mod memory;
mod model;
mod notices;
mod preparation;
mod report;
mod routes;
mod service;
mod store;
mod trial;
mod turns;
mod under_way;
pub mod unpacked;

pub use combined::{CombinedFile, Source, add_combined, complete_combined};
pub use deferred::{give_up, prepare_later};
pub use error::{DataError, sentence};
pub use intake::{Checked, Received};
pub use kept::{KeptUpload, add_kept, add_pulled, keep_items_only, keep_upload};
pub use memory::ask_for;
pub use model::{Origin, PrepareData, Standing, TrainingData, TrainingDataStatus};
pub use preparation::{LARGEST_RATIO, largest_honest, no_row_kept};
pub use report::EXAMPLES_IN_REPORT;
pub use routes::{
    DataPreview, Docs, PartialUpload, Parts, PreviewRefused, Replaced, Sent, UploadForm, UploadRequest, file_removed, preview_of,
    project_for_upload, routes,
};
pub use service::{PREVIEWS, Upload, blocking, in_turn, is_prepared_at_once, load_log, remove_files, stoppable};
pub use store::{find, newest_ready, set_standing};
pub use trial::report_on;
pub use under_way::UploadsUnderWay;
