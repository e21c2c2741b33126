//! Rows of metadata, what they describe, and the payload of their job.

use std::marker::PhantomData;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::features::datasets::{Standing, TrainingDataStatus, unpacked};
use crate::features::projects::ProjectFields;
use crate::platform::wire_enum;
use crate::schema::item_meta_data;

wire_enum! {
    /// What the rows of an upload describe.
    pub enum Subject {
        /// Items, by their ids.
        Item = "item",
        /// Users, by their ids.
        User = "user",
    }
}

impl Subject {
    /// Returns the first segment of the addresses of such uploads.
    pub const fn collection(self) -> &'static str {
        match self {
            Self::Item => "item_meta_data",
            Self::User => "user_meta_data",
        }
    }

    /// Returns the name of the column of ids in a project's files.
    pub fn column(self, fields: &ProjectFields) -> &str {
        match self {
            Self::Item => &fields.item_column,
            Self::User => &fields.user_column,
        }
    }
}

/// A subject as a type, which the handlers of its addresses are generic over.
pub trait About: 'static {
    const SUBJECT: Subject;
}

/// Uploads about items.
#[derive(Debug)]
pub struct OfItems;

/// Uploads about users.
#[derive(Debug)]
pub struct OfUsers;

impl About for OfItems {
    const SUBJECT: Subject = Subject::Item;
}

impl About for OfUsers {
    const SUBJECT: Subject = Subject::User;
}

/// An upload about the subject `S`: one about another subject is not loaded as this.
pub struct Metadata<S> {
    pub row: ItemMetaData,
    of: PhantomData<S>,
}

impl<S: About> Metadata<S> {
    /// Returns an upload if it is about this subject.
    pub fn of(row: ItemMetaData) -> Option<Self> {
        (row.subject == S::SUBJECT).then_some(Self { row, of: PhantomData })
    }
}

/// An uploaded file about items or users.
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
    /// All columns except the ids, as a JSON array.
    pub valid_columns_list_json: Option<Value>,
    pub report: Option<Value>,
    pub ins_datetime: DateTime<Utc>,
    /// Status of the current file. Another prepared form may be in use meanwhile.
    pub status: TrainingDataStatus,
    /// Why the preparation failed.
    pub error: Option<String>,
    /// What its files take up.
    pub stored_bytes: i64,
    pub subject: Subject,
    /// The last change of a single row that was accepted before the file. The file replaces those up to it.
    pub superseded_changes: i64,
    /// The column of ids; `None` if it is that of the project.
    pub id_column: Option<String>,
    /// The origin of one that was read from a source.
    pub origin: Option<Value>,
    pub standing: Standing,
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
    pub superseded_changes: i64,
    pub id_column: Option<String>,
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
                format!("This {} metadata is still being prepared. Try again in a moment.", self.subject)
            }
            (true, TrainingDataStatus::Failed) => {
                let cause = self.error.as_deref().unwrap_or("Upload it again.");
                format!("This {} metadata could not be imported. {cause}", self.subject)
            }
            _ => format!("The file of this {} metadata has been removed. Upload it again.", self.subject),
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
    /// The columns that its start shows, except the ids. Changes of single rows have to fit beside them.
    #[serde(default)]
    pub columns: Vec<String>,
}

impl PrepareItemMetadata {
    /// Returns the group of the jobs of an upload.
    pub fn group(id: i64) -> String {
        format!("item_meta_data:{id}")
    }
}
