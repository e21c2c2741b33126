//! Rows of item metadata.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde_json::Value;

use crate::schema::item_meta_data;

/// An uploaded file about items.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = item_meta_data)]
pub struct ItemMetaData {
    pub id: i64,
    pub project_id: i64,
    /// Where the original bytes are; none once the file has been unlinked.
    pub storage_key: Option<String>,
    /// The name the file came with.
    pub basename: Option<String>,
    pub filesize: Option<i64>,
    /// Where the prepared form is.
    pub prepared_key: Option<String>,
    /// All columns but that of the item ids, as a JSON array.
    pub valid_columns_list_json: Option<Value>,
    pub report: Option<Value>,
    pub ins_datetime: DateTime<Utc>,
}

/// An upload as it is stored: everything but id, project and maker.
#[derive(Debug, Clone, Default, AsChangeset, Insertable)]
#[diesel(table_name = item_meta_data, treat_none_as_null = true)]
pub struct Stored {
    pub storage_key: Option<String>,
    pub basename: Option<String>,
    pub filesize: Option<i64>,
    pub sha256: Option<String>,
    pub prepared_key: Option<String>,
    pub valid_columns_list_json: Option<Value>,
    pub report: Option<Value>,
}

impl ItemMetaData {
    /// The keys of its files.
    pub fn files(&self) -> Vec<String> {
        [self.storage_key.clone(), self.prepared_key.clone()].into_iter().flatten().collect()
    }
}
