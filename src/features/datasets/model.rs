//! Rows of training data, and the payload of its job.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::unpacked;
use crate::platform::wire_enum;
use crate::schema::training_data;

wire_enum! {
    /// Whether models can be trained on the data.
    pub enum TrainingDataStatus {
        Preparing = "preparing",
        Ready = "ready",
        Failed = "failed",
    }
}

wire_enum! {
    /// Whether an upload is used where none is named.
    #[schema(as = UploadStanding)]
    pub enum Standing {
        InUse = "in_use",
        /// A source brought it, and it waits for a user to accept it.
        Held = "held",
        /// Its source was read again.
        Superseded = "superseded",
    }
}

/// The source that an upload was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = UploadOrigin)]
pub struct Origin {
    pub source: i64,
    /// The run of the source.
    pub run: i64,
    /// The beginning of the window that was read, a moment or a number; null for all rows before its end.
    pub from: Option<String>,
    /// The end of the window; null if all rows were read.
    pub to: Option<String>,
    /// The first hundred files that were read, if files are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

/// An uploaded file of interactions.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable)]
#[diesel(table_name = training_data)]
pub struct TrainingData {
    pub id: i64,
    pub project_id: i64,
    /// Key of the original bytes; `None` once the file has been unlinked.
    pub storage_key: Option<String>,
    /// The file name as sent by the client.
    pub basename: Option<String>,
    pub filesize: Option<i64>,
    /// Checksum of the original bytes, in hexadecimal.
    pub sha256: Option<String>,
    /// Key of the prepared form, once it exists.
    pub prepared_key: Option<String>,
    pub status: TrainingDataStatus,
    /// Why the preparation failed.
    pub error: Option<String>,
    pub report: Option<Value>,
    pub ins_datetime: DateTime<Utc>,
    /// The sources of combined data, as an array of [`Source`](super::Source); `None` for an upload.
    pub sources: Option<Value>,
    /// When its current file was stored.
    pub stored_at: DateTime<Utc>,
    /// What its files take up.
    pub stored_bytes: i64,
    /// The [`Origin`] of one that was read from a source.
    pub origin: Option<Value>,
    pub standing: Standing,
}

/// Times in a file may lack a time zone; no zone is further from UTC than this.
const ZONES: TimeDelta = TimeDelta::days(1);

impl TrainingData {
    /// Returns why no model can be trained on it; `None` if one can.
    pub fn problem(&self) -> Option<String> {
        match (self.storage_key.is_some(), self.status) {
            (false, _) => Some("The file of this training data has been deleted. Upload it again.".to_owned()),
            (true, TrainingDataStatus::Preparing) => {
                Some("This training data is still being prepared. Try again in a moment.".to_owned())
            }
            (true, TrainingDataStatus::Failed) => {
                let cause = self.error.as_deref().unwrap_or("Upload it again.");
                Some(format!("This training data could not be imported. {cause}"))
            }
            (true, TrainingDataStatus::Ready) => None,
        }
    }

    /// Returns whether it is still being prepared.
    pub fn is_coming(&self) -> bool {
        self.storage_key.is_some() && self.status == TrainingDataStatus::Preparing
    }

    /// Returns the keys of its files.
    pub fn keys(&self) -> Option<FileKeys> {
        self.storage_key.as_deref()?.strip_prefix(UPLOADS).map(|stem| FileKeys { stem: stem.to_owned() })
    }

    /// Returns whether its interactions have times; `None` before it has been prepared.
    pub fn has_times(&self) -> Option<bool> {
        self.report.as_ref().map(|report| !report["time_min"].is_null())
    }

    /// Returns a moment after all its interactions: the time of its upload, or one safely after its last interaction.
    pub fn ends_before(&self) -> DateTime<Utc> {
        let last = self.report.as_ref().and_then(|report| report["time_max"].as_str());
        let last = last.and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        let end = last.and_then(|last| last.to_utc().checked_add_signed(ZONES));
        end.map_or(self.stored_at, |end| end.min(self.stored_at))
    }

    /// Returns whether a file of rejected rows exists.
    pub fn has_rejected_rows(&self) -> bool {
        let rejected = self.report.as_ref().and_then(|report| report["rejected"].as_u64());
        self.storage_key.is_some() && rejected.is_some_and(|rejected| rejected > 0)
    }
}

const UPLOADS: &str = "uploads/";

/// The keys of the files of one upload. A second upload for the same row gets new keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileKeys {
    stem: String,
}

impl FileKeys {
    /// Creates unused keys.
    pub fn fresh(id: i64) -> Self {
        Self { stem: format!("{id}-{}", uuid::Uuid::new_v4().simple()) }
    }

    /// Returns the key of the original bytes.
    pub fn upload(&self) -> String {
        format!("{UPLOADS}{}", self.stem)
    }

    /// Returns the key of the prepared form.
    pub fn prepared(&self) -> String {
        format!("prepared/{}.safetensors", self.stem)
    }

    /// Returns the key of the rows that could not be imported.
    pub fn rejected(&self) -> String {
        format!("rejected/{}.csv", self.stem)
    }

    /// Returns the key of the decompressed copy of a file that cannot be read compressed.
    pub fn unpacked(&self) -> String {
        unpacked::key_of(&self.upload())
    }

    /// Returns all four keys.
    pub fn all(&self) -> [String; 4] {
        [self.upload(), self.prepared(), self.rejected(), self.unpacked()]
    }
}

/// The columns of a stored upload: all but id, project and creator.
#[derive(Debug, Clone, AsChangeset, Insertable)]
#[diesel(table_name = training_data, treat_none_as_null = true)]
pub struct Stored {
    pub storage_key: Option<String>,
    pub basename: Option<String>,
    pub filesize: Option<i64>,
    pub sha256: Option<String>,
    pub prepared_key: Option<String>,
    pub status: TrainingDataStatus,
    pub error: Option<String>,
    pub report: Option<Value>,
    pub sources: Option<Value>,
    pub stored_bytes: i64,
}

/// Reads a whole upload and stores its prepared form and report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PrepareData {
    pub training_data_id: i64,
}

impl PrepareData {
    /// Returns the group of the jobs of an upload.
    pub fn group(id: i64) -> String {
        format!("training_data:{id}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(keys: &FileKeys) -> TrainingData {
        TrainingData {
            id: 7,
            project_id: 1,
            storage_key: Some(keys.upload()),
            basename: None,
            filesize: None,
            sha256: None,
            prepared_key: None,
            status: TrainingDataStatus::Preparing,
            error: None,
            report: None,
            ins_datetime: DateTime::UNIX_EPOCH,
            sources: None,
            stored_at: DateTime::UNIX_EPOCH + TimeDelta::days(30),
            stored_bytes: 0,
            origin: None,
            standing: Standing::InUse,
        }
    }

    #[test]
    fn keys_are_found_again_from_the_row() {
        let keys = FileKeys::fresh(7);
        let row = row(&keys);
        assert_eq!(row.keys(), Some(keys.clone()));
        assert_ne!(FileKeys::fresh(7), keys);
        assert!(row.problem().is_some_and(|problem| problem.contains("prepared")));
    }

    #[test]
    fn data_ends_when_it_came_or_a_day_after_its_last_interaction() {
        let day = |days| DateTime::UNIX_EPOCH + TimeDelta::days(days);
        let end = |report| TrainingData { report, ..row(&FileKeys::fresh(7)) }.ends_before();
        assert_eq!(end(None), day(30));
        assert_eq!(end(Some(serde_json::json!({ "time_max": null }))), day(30));
        assert_eq!(end(Some(serde_json::json!({ "time_max": "1970-01-11T00:00:00.000000Z" }))), day(11));
        assert_eq!(end(Some(serde_json::json!({ "time_max": "2999-01-01T00:00:00.000000Z" }))), day(30), "a clock was wrong");
    }
}
