//! Uploads whose row is written in a caller's transaction, and which its job prepares: their project does not exist yet.

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use super::model::{ItemMetaData, PrepareItemMetadata, Stored, Subject, files_of_upload};
use super::service::bytes_of;
use super::store;
use crate::features::datasets::{DataError, Origin, Standing, TrainingDataStatus, Upload, blocking};
use crate::features::projects;
use crate::platform::queue::{self, EnqueueOptions};
use crate::platform::services::Services;

/// An upload whose file is stored under its key. Its row has to be written, or its files removed.
#[derive(Debug)]
pub struct KeptMetadata {
    subject: Subject,
    stored: Stored,
}

impl KeptMetadata {
    /// Returns the keys of its files.
    pub fn files(&self) -> Vec<String> {
        self.stored.storage_key.iter().flat_map(|key| files_of_upload(key)).collect()
    }
}

/// Stores the file of an upload, of which nothing but its format has been checked. `id_column` is its column of ids, if that is not
/// the project's.
pub async fn keep_metadata(
    services: &Services,
    subject: Subject,
    upload: Upload,
    id_column: Option<String>,
) -> Result<KeptMetadata, DataError> {
    let (blobs, key) = (services.blobs.clone(), format!("metadata/{}", uuid::Uuid::new_v4().simple()));
    blocking(move || {
        let Upload { name, received } = upload;
        let (size, sha256) = (received.size, received.sha256.clone());
        blobs.keep(received.file, &key)?;
        let stored = Stored {
            filesize: i64::try_from(size).ok(),
            basename: Some(name),
            sha256: Some(sha256),
            status: TrainingDataStatus::Preparing,
            stored_bytes: bytes_of(&blobs, std::slice::from_ref(&key))?,
            storage_key: Some(key),
            superseded_changes: 0,
            id_column,
        };
        Ok(KeptMetadata { subject, stored })
    })
    .await
}

/// Writes the row of an upload in the caller's transaction. It stays in preparation until it is passed to
/// [`prepare_later`](super::prepare_later) or [`give_up`](super::give_up).
pub async fn add_kept(
    connection: &mut AsyncPgConnection,
    project: i64,
    maker: i64,
    kept: KeptMetadata,
) -> QueryResult<ItemMetaData> {
    store::insert(connection, (project, kept.subject), Some(maker), kept.stored, None).await
}

/// Writes the row of an upload that was read from a source, in the caller's transaction, and enqueues its preparation. It is held
/// until it is put to use.
pub async fn add_pulled(
    connection: &mut AsyncPgConnection,
    project: i64,
    maker: Option<i64>,
    kept: KeptMetadata,
    origin: &Origin,
) -> QueryResult<ItemMetaData> {
    let KeptMetadata { subject, mut stored } = kept;
    if subject == Subject::Item {
        stored.superseded_changes = store::last_change(connection, project).await?;
    }
    let metadata = store::insert(connection, (project, subject), maker, stored, None).await?;
    store::set_origin(connection, metadata.id, serde_json::json!(origin)).await?;
    let (group_key, turn) = (Some(PrepareItemMetadata::group(metadata.id)), projects::turn_of(connection, project).await?);
    let options = EnqueueOptions { group_key, turn, ..EnqueueOptions::default() };
    queue::enqueue(connection, &PrepareItemMetadata { item_meta_data_id: metadata.id, columns: Vec::new() }, options).await?;
    Ok(metadata)
}

/// Puts an upload that was held to use, or takes it out of use.
pub async fn set_standing(connection: &mut AsyncPgConnection, id: i64, standing: Standing) -> QueryResult<()> {
    store::set_standing(connection, id, standing).await?;
    match store::find(connection, id).await?.filter(|metadata| metadata.status == TrainingDataStatus::Ready) {
        Some(metadata) if standing == Standing::InUse => store::supersede(connection, &metadata).await,
        _ => Ok(()),
    }
}
