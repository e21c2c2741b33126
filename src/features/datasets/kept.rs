//! Uploads whose row is written in a caller's transaction, and which its job prepares: files whose project does not exist yet, and
//! data without interactions.

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use serde_json::json;

use super::error::DataError;
use super::model::{FileKeys, Origin, PrepareData, Stored, TrainingData, TrainingDataStatus};
use super::service::{Upload, blocking, stored_bytes};
use super::store;
use crate::features::projects;
use crate::ml::ids::Ids;
use crate::ml::interactions::InteractionLog;
use crate::platform::blobs::Blobs;
use crate::platform::queue::{self, EnqueueOptions};
use crate::platform::services::Services;

/// An upload whose file is stored under its key. Its row has to be written, or its files removed.
#[derive(Debug)]
pub struct KeptUpload {
    id: i64,
    keys: FileKeys,
    stored: Stored,
}

impl KeptUpload {
    /// Returns the keys of its files.
    pub fn files(&self) -> Vec<String> {
        self.keys.all().to_vec()
    }
}

/// Stores the file of an upload, of which nothing but its format has been checked.
pub async fn keep_upload(services: &Services, upload: Upload) -> Result<KeptUpload, DataError> {
    let id = store::next_id(&mut *services.db.conn().await?).await?;
    let (blobs, keys) = (services.blobs.clone(), FileKeys::fresh(id));
    blocking(move || {
        let Upload { name, received } = upload;
        let (size, sha256) = (received.size, received.sha256.clone());
        blobs.keep(received.file, &keys.upload())?;
        let mut stored = preparing(&keys, name);
        (stored.filesize, stored.sha256) = (i64::try_from(size).ok(), Some(sha256));
        stored.stored_bytes = stored_bytes(&blobs, &keys)?;
        Ok(KeptUpload { id, keys, stored })
    })
    .await
}

fn preparing(keys: &FileKeys, name: String) -> Stored {
    Stored {
        storage_key: Some(keys.upload()),
        basename: Some(name),
        filesize: None,
        sha256: None,
        prepared_key: None,
        status: TrainingDataStatus::Preparing,
        error: None,
        report: None,
        sources: None,
        stored_bytes: 0,
    }
}

/// Writes the row of an upload in the caller's transaction. It stays in preparation until it is passed to
/// [`prepare_later`](super::prepare_later) or [`give_up`](super::give_up).
pub async fn add_kept(
    connection: &mut AsyncPgConnection,
    project: i64,
    maker: i64,
    kept: KeptUpload,
) -> QueryResult<TrainingData> {
    store::insert(connection, kept.id, project, Some(maker), kept.stored).await
}

/// Writes the row of an upload that was read from a source, in the caller's transaction, and enqueues its preparation. It is held
/// until its standing is set otherwise.
pub async fn add_pulled(
    connection: &mut AsyncPgConnection,
    project: i64,
    maker: Option<i64>,
    kept: KeptUpload,
    origin: &Origin,
) -> QueryResult<TrainingData> {
    let data = store::insert(connection, kept.id, project, maker, kept.stored).await?;
    store::set_origin(connection, data.id, json!(origin)).await?;
    let (group_key, turn) = (Some(PrepareData::group(data.id)), projects::turn_of(connection, project).await?);
    let options = EnqueueOptions { group_key, turn, ..EnqueueOptions::default() };
    queue::enqueue(connection, &PrepareData { training_data_id: data.id }, options).await?;
    Ok(data)
}

/// Stores data that has items and no interactions, for models of what items have in common. Its row has to be written.
pub async fn keep_items_only(services: &Services, items: Ids) -> Result<KeptUpload, DataError> {
    let id = store::next_id(&mut *services.db.conn().await?).await?;
    let (blobs, keys) = (services.blobs.clone(), FileKeys::fresh(id));
    blocking(move || write_items_only(&blobs, id, keys, items)).await
}

fn write_items_only(blobs: &Blobs, id: i64, keys: FileKeys, items: Ids) -> Result<KeptUpload, DataError> {
    let n_items = items.len();
    let log = InteractionLog {
        users: Ids::default(),
        items,
        user_codes: Vec::new(),
        item_codes: Vec::new(),
        times: None,
        events: None,
    };
    // A header without rows: the upload as it would have been sent.
    blobs.write(&keys.upload(), b"user_id,item_id\n")?;
    blobs.write(&keys.prepared(), &log.to_bytes())?;
    let mut stored = preparing(&keys, format!("no-interactions-{id}.csv"));
    stored.status = TrainingDataStatus::Ready;
    stored.prepared_key = Some(keys.prepared());
    stored.report = Some(json!({
        "rows_total": 0, "rows_kept": 0, "rejected": 0, "users": 0, "items": n_items, "density": 0.0, "duplicates": 0,
        "blank_ids": 0, "time_min": null, "time_max": null, "notes": [], "late_times": null, "rejected_examples": [], "events": [],
    }));
    stored.stored_bytes = stored_bytes(blobs, &keys)?;
    Ok(KeptUpload { id, keys, stored })
}
