//! Rows of item metadata, and the payload of its job.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::features::datasets::{TrainingDataStatus, unpacked};
use crate::schema::item_meta_data;

/// An uploaded file about items.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = item_meta_data)]
pub struct ItemMetaData {
    pub id: i64,
    pub project_id: i64,
    /// Key of the original bytes; `None` once the file has been unlinked.
    pub storage_key: Option<String>,
    /// The file name as sent by the client.
    pub basename: Option<String>,
    pub filesize: Option<i64>,
    /// Key of the prepared form.
    pub prepared_key: Option<String>,
    /// All columns except the item ids, as a JSON array.
    pub valid_columns_list_json: Option<Value>,
    pub report: Option<Value>,
    pub ins_datetime: DateTime<Utc>,
    /// Status of the current file. Another prepared form may be in use meanwhile.
    pub status: TrainingDataStatus,
    /// Why the preparation failed.
    pub error: Option<String>,
    /// What its files take up.
    pub stored_bytes: i64,
}

/// The columns of a stored upload: all but id, project, creator and prepared form.
#[derive(Debug, Clone, AsChangeset, Insertable)]
#[diesel(table_name = item_meta_data, treat_none_as_null = true)]
pub struct Stored {
    pub storage_key: Option<String>,
    pub basename: Option<String>,
    pub filesize: Option<i64>,
    pub sha256: Option<String>,
    pub status: TrainingDataStatus,
    pub stored_bytes: i64,
}

/// The prepared form of an upload.
#[derive(Debug, Clone, Default, AsChangeset, Insertable)]
#[diesel(table_name = item_meta_data, treat_none_as_null = true)]
pub struct Form {
    pub prepared_key: Option<String>,
    pub valid_columns_list_json: Option<Value>,
    pub report: Option<Value>,
}

impl ItemMetaData {
    /// Returns the keys of its files.
    pub fn files(&self) -> Vec<String> {
        let uploaded = self.storage_key.iter().flat_map(|key| files_of_upload(key));
        uploaded.chain(self.prepared_key.clone()).collect()
    }

    /// Returns why there is no prepared form to read.
    pub fn problem(&self) -> String {
        match (self.storage_key.is_some(), self.status) {
            (true, TrainingDataStatus::Preparing) => {
                "This item metadata is still being prepared. Try again in a moment.".to_owned()
            }
            (true, TrainingDataStatus::Failed) => {
                let cause = self.error.as_deref().unwrap_or("Upload it again.");
                format!("This item metadata could not be imported. {cause}")
            }
            _ => "The file of this item metadata has been removed. Upload it again.".to_owned(),
        }
    }
}

/// Returns the keys of an uploaded file and of its decompressed copy, if there is one.
pub fn files_of_upload(key: &str) -> [String; 2] {
    [key.to_owned(), unpacked::key_of(key)]
}

/// Reads a whole upload and stores its prepared form and report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PrepareItemMetadata {
    pub item_meta_data_id: i64,
}
