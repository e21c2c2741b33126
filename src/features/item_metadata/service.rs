//! Rules for metadata: what is accepted, how it is looked up, and when its files are deleted.

use std::path::Path;

use diesel::QueryResult;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use super::model::{Form, ItemMetaData, PrepareItemMetadata, Stored, Subject, files_of_upload};
use super::preparation::{self, Prepared};
use super::store;
use crate::features::accounts::Guarded;
use crate::features::datasets::{
    DataError, TrainingDataStatus, Upload, blocking, in_turn, is_prepared_at_once, remove_files, stoppable, unpacked,
};
use crate::features::projects::{self, Project};
use crate::platform::blobs::{Blobs, Incoming};
use crate::platform::db::finishing;
use crate::platform::memory::Promise;
use crate::platform::queue::{self, EnqueueOptions};
use crate::platform::services::Services;
use crate::platform::tabular::Stop;

/// The largest number of bytes of item metadata in one answer.
pub const LARGEST_METADATA: usize = 16 << 20;

/// An upload stored under its keys, with its prepared form if it is small.
struct Kept {
    stored: Stored,
    form: Option<Form>,
    /// The columns of one that is not prepared yet.
    columns: Vec<String>,
}

impl Kept {
    fn files(&self) -> Vec<String> {
        let uploaded = self.stored.storage_key.iter().flat_map(|key| files_of_upload(key));
        uploaded.chain(self.form.iter().filter_map(|form| form.prepared_key.clone())).collect()
    }
}

/// Stores an upload as new metadata of a project about a subject. Nothing is stored if it cannot be imported.
pub async fn add(
    services: &Services,
    (project, subject): (&Project, Subject),
    maker: i64,
    upload: Upload,
) -> Result<ItemMetaData, DataError> {
    let examined = examine(services, (project, subject), upload).await?;
    let (services, project) = (services.clone(), project.id);
    finishing(async move {
        let kept = examined.keep(&services).await?;
        let files = kept.files();
        let added = insert(&services, (project, subject), maker, kept).await;
        if added.is_err() {
            remove_files(&services, files).await;
        }
        added
    })
    .await?
}

/// Writes the row of a new upload.
async fn insert(
    services: &Services,
    (project, subject): (i64, Subject),
    maker: i64,
    mut kept: Kept,
) -> Result<ItemMetaData, DataError> {
    let allowed = services.settings.max_stored_bytes_per_organisation;
    let most_waiting = services.settings.max_waiting_jobs_per_organisation;
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| -> Result<_, DataError> {
            if subject == Subject::Item {
                kept.stored.superseded_changes = store::last_change(connection, project).await?;
            }
            let metadata = store::insert(connection, (project, subject), Some(maker), kept.stored, kept.form).await?;
            supersede_if_ready(connection, &metadata).await?;
            enqueue_if_waiting(connection, &metadata, kept.columns, most_waiting).await?;
            projects::refuse_excess(connection, project, metadata.stored_bytes.unsigned_abs(), allowed).await??;
            Ok(metadata)
        })
        .await
}

/// Replaces an upload. The former prepared form stays in use until this one is prepared, too.
pub async fn replace(
    services: &Services,
    (project, subject): (&Project, Subject),
    id: i64,
    upload: Upload,
) -> Result<ItemMetaData, DataError> {
    let examined = examine(services, (project, subject), upload).await?;
    let (services, project) = (services.clone(), project.id);
    finishing(async move {
        let kept = examined.keep(&services).await?;
        let files = kept.files();
        let (replaced, unused) = match put_in_place(&services, project, id, kept).await {
            Ok((before, after)) => {
                let gone = before.files().into_iter().filter(|file| after.prepared_key.as_ref() != Some(file)).collect();
                (Ok(after), gone)
            }
            Err(error) => (Err(error), files),
        };
        remove_files(&services, unused).await;
        replaced
    })
    .await?
}

/// Writes the row of an upload that replaces another; returns it as it was before and as it is now.
async fn put_in_place(
    services: &Services,
    project: i64,
    id: i64,
    mut kept: Kept,
) -> Result<(ItemMetaData, ItemMetaData), DataError> {
    let (blobs, allowed) = (services.blobs.clone(), services.settings.max_stored_bytes_per_organisation);
    let most_waiting = services.settings.max_waiting_jobs_per_organisation;
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| -> Result<_, DataError> {
            let before = store::lock(connection, id).await?;
            if kept.form.is_none() {
                let in_use = before.prepared_key.clone();
                kept.stored.stored_bytes += blocking(move || bytes_of(&blobs, in_use.as_slice())).await?;
            }
            kept.stored.superseded_changes = store::last_change(connection, project).await?;
            let after = store::replace(connection, id, kept.stored, kept.form).await?;
            supersede_if_ready(connection, &after).await?;
            enqueue_if_waiting(connection, &after, kept.columns, most_waiting).await?;
            projects::refuse_excess(connection, project, after.stored_bytes.unsigned_abs(), allowed).await??;
            Ok((before, after))
        })
        .await
}

/// Drops the changes of single rows from before an upload that is in use at once. While one is being prepared, the former rows stay
/// in use and the changes wait; they are dropped once it is ready.
async fn supersede_if_ready(connection: &mut AsyncPgConnection, metadata: &ItemMetaData) -> Result<(), DataError> {
    if metadata.status == TrainingDataStatus::Ready {
        store::supersede(connection, metadata).await?;
    }
    Ok(())
}

/// Enqueues the preparation of an upload that was not prepared at once, unless too many jobs of its organisation wait.
async fn enqueue_if_waiting(
    connection: &mut AsyncPgConnection,
    metadata: &ItemMetaData,
    columns: Vec<String>,
    most_waiting: u32,
) -> Result<(), DataError> {
    if metadata.status == TrainingDataStatus::Preparing {
        enqueue_preparation(connection, metadata, columns).await?;
        projects::admit_jobs(connection, metadata.project_id, 1, most_waiting).await??;
    }
    Ok(())
}

/// Enqueues the preparation of an upload that is to be prepared, with the columns that its start shows, as far as they are known.
pub async fn enqueue_preparation(
    connection: &mut AsyncPgConnection,
    metadata: &ItemMetaData,
    columns: Vec<String>,
) -> QueryResult<()> {
    let turn = projects::turn_of(connection, metadata.project_id).await?;
    let group_key = Some(PrepareItemMetadata::group(metadata.id));
    let options = EnqueueOptions { group_key, turn, ..EnqueueOptions::default() };
    queue::enqueue(connection, &PrepareItemMetadata { item_meta_data_id: metadata.id, columns }, options).await?;
    Ok(())
}

/// An upload that passed its checks, already prepared if it is small.
struct Examined {
    upload: Upload,
    /// The decompressed copy of compressed Parquet.
    copy: Option<Incoming>,
    prepared: Option<Prepared>,
    /// The columns that the start of a large upload shows.
    columns: Vec<String>,
}

/// Checks an upload, and prepares it if it is small. For a large upload, only the start of the file is checked.
async fn examine(services: &Services, (project, subject): (&Project, Subject), upload: Upload) -> Result<Examined, DataError> {
    let work = Preparation::of(services, project, subject);
    in_turn(services, project.id, move |stop| {
        let (path, name, size) = (upload.received.file.path(), upload.name.as_str(), upload.received.size);
        if is_prepared_at_once(name, size) {
            let prepared = Some(work.run(path, name, size, stop)?);
            return Ok(Examined { upload, copy: None, prepared, columns: Vec::new() });
        }
        let copy = unpacked::copy_of(&work.blobs, path, name, work.limits.largest_expanded, stop)?;
        let (path, name) = copy.as_ref().map_or((path, name), |copy| (copy.path(), unpacked::NAME));
        let columns = preparation::check_columns(path, name, &work.id_column, stop)?;
        Ok(Examined { upload, copy, prepared: None, columns })
    })
    .await
}

impl Examined {
    /// Stores the files under a new key. Keeps none of them if one cannot be stored.
    async fn keep(self, services: &Services) -> Result<Kept, DataError> {
        let key = format!("metadata/{}", uuid::Uuid::new_v4().simple());
        let files = files_of_upload(&key).into_iter().chain([prepared_key_of(&key)]).collect();
        let blobs = services.blobs.clone();
        let kept = blocking(move || {
            let Upload { name, received } = self.upload;
            if let Some(copy) = self.copy {
                blobs.keep(copy, &unpacked::key_of(&key))?;
            }
            let form = self.prepared.map(|prepared| keep_prepared(&blobs, &key, prepared)).transpose()?;
            blobs.keep(received.file, &key)?;
            let status = if form.is_some() { TrainingDataStatus::Ready } else { TrainingDataStatus::Preparing };
            let stored = Stored {
                storage_key: Some(key),
                basename: Some(name),
                filesize: i64::try_from(received.size).ok(),
                sha256: Some(received.sha256),
                status,
                stored_bytes: 0,
                superseded_changes: 0,
                id_column: None,
            };
            let mut kept = Kept { stored, form, columns: self.columns };
            kept.stored.stored_bytes = bytes_of(&blobs, &kept.files())?;
            Ok(kept)
        })
        .await;
        if kept.is_err() {
            remove_files(services, files).await;
        }
        kept
    }
}

/// Returns the bytes of these files together.
pub fn bytes_of(blobs: &Blobs, files: &[String]) -> Result<i64, DataError> {
    Ok(i64::try_from(blobs.bytes_of(files)?).unwrap_or(i64::MAX))
}

/// Returns the limits of prepared forms in the settings.
pub fn limits(services: &Services) -> preparation::Limits {
    preparation::Limits {
        largest_expanded: services.settings.max_expanded_bytes,
        largest_table: services.settings.item_cache_bytes,
    }
}

/// The resources to prepare an upload of a project.
struct Preparation {
    blobs: Blobs,
    subject: Subject,
    id_column: String,
    limits: preparation::Limits,
    memory: Promise,
}

impl Preparation {
    fn of(services: &Services, project: &Project, subject: Subject) -> Self {
        Self {
            blobs: services.blobs.clone(),
            subject,
            id_column: subject.column(&project.fields).to_owned(),
            limits: limits(services),
            memory: services.memory().promise(),
        }
    }

    /// Prepares an upload. Blocks.
    fn run(&self, path: &Path, name: &str, size: u64, stop: &Stop) -> Result<Prepared, DataError> {
        let Self { blobs, subject, id_column, limits, memory } = self;
        preparation::prepare(blobs, (path, name, size), (*subject, id_column.as_str()), limits, (memory, stop))
    }
}

/// Returns the key of the prepared form of the upload of a key.
pub fn prepared_key_of(key: &str) -> String {
    format!("{key}.items")
}

/// Stores what was prepared of the upload of a key.
fn keep_prepared(blobs: &Blobs, key: &str, prepared: Prepared) -> Result<Form, DataError> {
    let by_item = prepared_key_of(key);
    blobs.keep(prepared.file, &by_item)?;
    Ok(Form {
        prepared_key: Some(by_item),
        valid_columns_list_json: Some(json!(prepared.columns)),
        report: Some(json!(prepared.report)),
    })
}

/// Prepares an upload that was too large to prepare within its request.
pub async fn prepare_later(services: &Services, id: i64) -> Result<(), DataError> {
    let mut connection = services.db.conn().await?;
    let Some(metadata) = store::find(&mut connection, id).await? else { return Ok(()) };
    let project = <Project as Guarded>::load(&mut connection, metadata.project_id).await?;
    drop(connection);
    let waiting = metadata.storage_key.clone().filter(|_| metadata.status == TrainingDataStatus::Preparing);
    let (Some(key), Some((project, _))) = (waiting, project) else { return Ok(()) };
    services.disk().check()?;
    let mut work = Preparation::of(services, &project, metadata.subject);
    if let Some(column) = &metadata.id_column {
        work.id_column.clone_from(column);
    }
    let (name, upload) = (metadata.basename.clone().unwrap_or_default(), key.clone());
    let size = metadata.filesize.and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
    let form = stoppable(move |stop| {
        let largest = work.limits.largest_expanded;
        let (path, name) = unpacked::readable(&work.blobs, &upload, &name, largest, stop)?;
        let form = keep_prepared(&work.blobs, &upload, work.run(&path, &name, size, stop)?)?;
        let files = files_of_upload(&upload).into_iter().chain(form.prepared_key.clone()).collect::<Vec<_>>();
        let stored_bytes = bytes_of(&work.blobs, &files)?;
        Ok((form, stored_bytes))
    });
    let form = form.await?;
    let prepared_key = form.0.prepared_key.clone();
    let is_kept = match record_prepared(services, &metadata, key, form).await {
        Err(error @ DataError::TooManyStoredBytes(_)) => {
            remove_files(services, prepared_key.into_iter().collect()).await;
            return Err(error);
        }
        kept => kept?,
    };
    let mut connection = services.db.conn().await?;
    let present =
        if is_kept { prepared_key.clone() } else { store::find(&mut connection, id).await?.and_then(|row| row.prepared_key) };
    let unused = [metadata.prepared_key, prepared_key].into_iter().flatten().filter(|file| present.as_ref() != Some(file));
    remove_files(services, unused.collect()).await;
    Ok(())
}

/// Records the prepared form of the upload of a key, and what its files take up; false if it was replaced or removed meanwhile. Fails
/// if the organisation may not store that.
async fn record_prepared(
    services: &Services,
    metadata: &ItemMetaData,
    key: String,
    (form, stored_bytes): (Form, i64),
) -> Result<bool, DataError> {
    let (id, project, metadata) = (metadata.id, metadata.project_id, metadata.clone());
    let added = stored_bytes.saturating_sub(metadata.stored_bytes).max(0).unsigned_abs();
    let allowed = services.settings.max_stored_bytes_per_organisation;
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| -> Result<bool, DataError> {
            let is_kept = store::end_preparation(connection, id, &key, Ok((form, stored_bytes))).await?;
            if is_kept {
                store::supersede(connection, &metadata).await?;
                projects::refuse_excess(connection, project, added, allowed).await??;
            }
            Ok(is_kept)
        })
        .await
}

/// Records that an upload cannot be prepared.
pub async fn give_up(services: &Services, id: i64, reason: &str) -> Result<(), DataError> {
    let mut connection = services.db.conn().await?;
    if let Some(key) = store::find(&mut connection, id).await?.and_then(|metadata| metadata.storage_key) {
        store::end_preparation(&mut connection, id, &key, Err(reason)).await?;
    }
    Ok(())
}

/// Removes the files but keeps the row.
pub async fn unlink(services: &Services, id: i64) -> Result<ItemMetaData, DataError> {
    let services = services.clone();
    finishing(async move {
        let mut connection = services.db.conn().await?;
        let (before, after) = connection
            .transaction(async move |connection| -> Result<_, DataError> {
                let before = store::lock(connection, id).await?;
                Ok((before, store::unlink(connection, id).await?))
            })
            .await?;
        remove_files(&services, before.files()).await;
        Ok(after)
    })
    .await?
}
