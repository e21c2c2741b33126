//! Training data combined from several sources: one file like an upload, with a record of its sources.

use std::io::Write;

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::error::DataError;
use super::intake::{Checked, Received};
use super::model::{FileKeys, Stored, TrainingData, TrainingDataStatus};
use super::{deferred, service, store};
use crate::features::projects::{self, Project};
use crate::ml::interactions::InteractionLog;
use crate::platform::blobs::Blobs;
use crate::platform::http::timestamp;
use crate::platform::services::Services;

/// A source of combined data, with the exact rows it contributed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = TrainingDataSource)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Source {
    /// All rows of an upload.
    Upload {
        training_data: i64,
        basename: Option<String>,
        /// Checksum of the uploaded bytes.
        sha256: Option<String>,
        rows: i64,
    },
    /// Conversion events of the project.
    Events {
        event_types: Vec<String>,
        /// Only events later than this.
        #[serde(serialize_with = "timestamp::serialize")]
        after: DateTime<Utc>,
        first_id: Option<i64>,
        last_id: Option<i64>,
        rows: i64,
        /// Checksum of the lines `id,user,item,type,microseconds since 1970`, ordered by time and id, once they have been read.
        sha256: Option<String>,
    },
}

impl Source {
    /// Returns the number of rows it contributes.
    pub fn rows(&self) -> i64 {
        match self {
            Self::Upload { rows, .. } | Self::Events { rows, .. } => *rows,
        }
    }
}

/// A file of combined data being written: gzipped CSV with the columns of the project. Its methods block.
pub struct CombinedFile {
    rows: csv::Writer<GzEncoder<Checked>>,
    with_times: bool,
    with_events: bool,
}

impl CombinedFile {
    /// Creates a file that contains only the header.
    pub fn start(blobs: &Blobs, project: &Project) -> Result<Self, DataError> {
        let out = GzEncoder::new(Checked::new(blobs.incoming()?), Compression::fast());
        let mut rows = csv::Writer::from_writer(out);
        let fields = &project.fields;
        let columns =
            [Some(&fields.user_column), Some(&fields.item_column), fields.time_column.as_ref(), fields.event_column.as_ref()];
        rows.write_record(columns.into_iter().flatten()).map_err(unwritable)?;
        Ok(Self { rows, with_times: fields.time_column.is_some(), with_events: fields.event_column.is_some() })
    }

    /// Adds one interaction; its time in microseconds since 1970.
    pub fn push(&mut self, user: &str, item: &str, time: Option<i64>, event: &str) -> Result<(), DataError> {
        let time = time.and_then(DateTime::from_timestamp_micros).map(|at| timestamp::text(&at)).unwrap_or_default();
        let columns = [Some(user), Some(item), self.with_times.then_some(&*time), self.with_events.then_some(event)];
        self.rows.write_record(columns.into_iter().flatten()).map_err(unwritable)
    }

    /// Adds all interactions of an upload.
    pub fn append(&mut self, log: &InteractionLog) -> Result<(), DataError> {
        for row in 0..log.n_rows() {
            let (user, item) = (log.users.get(log.user_codes[row]), log.items.get(log.item_codes[row]));
            let event = log.events.as_ref().map_or("", |events| events.names.get(events.codes[row]));
            self.push(user, item, log.times.as_ref().map(|times| times[row]), event)?;
        }
        Ok(())
    }

    /// Completes the file and returns it.
    pub fn finish(self) -> Result<Received, DataError> {
        let out = self.rows.into_inner().map_err(|error| DataError::Storage(std::io::Error::other(error.to_string())))?;
        let mut file = out.finish()?;
        file.flush()?;
        Ok(file.finish())
    }
}

fn unwritable(error: csv::Error) -> DataError {
    DataError::Storage(std::io::Error::other(error))
}

/// Creates a row for data to be combined from sources. It stays in preparation until it is passed to [`complete_combined`] or
/// [`give_up`](super::give_up).
pub async fn add_combined(
    connection: &mut AsyncPgConnection,
    project: i64,
    maker: Option<i64>,
    sources: &[Source],
) -> diesel::QueryResult<TrainingData> {
    let id = store::next_id(connection).await?;
    let stored = Stored {
        storage_key: Some(FileKeys::fresh(id).upload()),
        basename: Some(format!("combined-{id}.csv.gz")),
        filesize: None,
        sha256: None,
        prepared_key: None,
        status: TrainingDataStatus::Preparing,
        error: None,
        report: None,
        sources: Some(to_value(sources)),
        stored_bytes: 0,
    };
    store::insert(connection, id, project, maker, stored).await
}

/// Gives combined data its file and its sources as they turned out, and prepares it. May be done again from the start. Fails
/// without a file if the organisation may not store it.
pub async fn complete_combined(
    services: &Services,
    data: &TrainingData,
    file: Received,
    sources: &[Source],
) -> Result<(), DataError> {
    let Some(key) = data.keys().map(|keys| keys.upload()) else { return Ok(()) };
    let (size, sha256) = (file.size, file.sha256.clone());
    let (blobs, at) = (services.blobs.clone(), key.clone());
    service::blocking(move || Ok(blobs.keep(file.file, &at)?)).await?;
    let mut connection = services.db.conn().await?;
    let (id, project, sources, unused) = (data.id, data.project_id, to_value(sources), vec![key.clone()]);
    let allowed = services.settings.max_stored_bytes_per_organisation;
    let waits = connection
        .transaction(async move |connection| -> Result<bool, DataError> {
            let size_now = i64::try_from(size).unwrap_or(i64::MAX);
            let waits = store::set_combined(connection, id, &key, size_now, &sha256, sources).await?;
            if waits {
                projects::refuse_excess(connection, project, size, allowed).await??;
            }
            Ok(waits)
        })
        .await;
    drop(connection);
    if let Err(DataError::TooManyStoredBytes(_)) = waits {
        service::remove_files(services, unused).await;
    }
    // Deleted in the meantime: the file sweep removes it.
    if waits? { deferred::prepare_later(services, data.id).await } else { Ok(()) }
}

fn to_value(sources: &[Source]) -> Value {
    serde_json::to_value(sources).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use serde_json::json;

    use super::*;
    use crate::features::projects::{ProjectFields, UnknownUsers};
    use crate::ml::interactions::InteractionLogBuilder;

    fn project(time: Option<&str>, event: Option<&str>) -> Project {
        Project {
            id: 1,
            organisation_id: 1,
            owner_id: None,
            fields: ProjectFields {
                name: "P".to_owned(),
                user_column: "who".to_owned(),
                item_column: "what, exactly".to_owned(),
                time_column: time.map(str::to_owned),
                event_column: event.map(str::to_owned),
                event_weights: json!({}),
                half_life_days: None,
                unknown_user: UnknownUsers::Fallback,
                logged_share: None,
                new_item_share: 0.0,
                title_column: None,
                image_column: None,
            },
            ins_datetime: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }

    fn written(project: &Project) -> String {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path().to_owned()).unwrap();
        let mut builder = InteractionLogBuilder::new(true).with_events();
        builder.push_event("007", "a\"b", Some(1_500_000), "view");
        let mut file = CombinedFile::start(&blobs, project).unwrap();
        file.append(&builder.finish()).unwrap();
        file.push("7", "x,y", Some(0), "click").unwrap();
        let received = file.finish().unwrap();
        let bytes = std::fs::read(received.file.path()).unwrap();
        assert_eq!(received.size, bytes.len() as u64);
        let mut text = String::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_combined_file_has_the_columns_of_the_project() {
        let whole = "who,\"what, exactly\",when,kind\n007,\"a\"\"b\",1970-01-01T00:00:01.500000Z,view\n7,\"x,y\",1970-01-01T00:00:00Z,click\n";
        assert_eq!(written(&project(Some("when"), Some("kind"))), whole);
        assert_eq!(written(&project(None, None)), "who,\"what, exactly\"\n007,\"a\"\"b\"\n7,\"x,y\"\n");
    }

    #[test]
    fn sources_say_what_kind_they_are() {
        let source = Source::Upload { training_data: 3, basename: None, sha256: Some("ab".to_owned()), rows: 5 };
        let value = json!({ "kind": "upload", "training_data": 3, "basename": null, "sha256": "ab", "rows": 5 });
        assert_eq!(serde_json::to_value(&source).unwrap(), value);
        assert_eq!(serde_json::from_value::<Source>(value).unwrap(), source);
    }
}
