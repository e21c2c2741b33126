//! Rules for training data: what is accepted, when it is prepared, and when it may be deleted.

use std::sync::LazyLock;
use std::time::Duration;

use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::{Value, json};

use super::error::DataError;
use super::intake::Received;
use super::memory::ask_for;
use super::model::{FileKeys, PrepareData, Stored, TrainingData, TrainingDataStatus};
use super::preparation::{self, LARGEST_RATIO, Prepared, largest_honest};
use super::turns::Turns;
use super::{notices, store, unpacked};
use crate::features::projects::{self, Kind as ProjectPart, Project};
use crate::ml::interactions::InteractionLog;
use crate::platform::blobs::{Blobs, Incoming};
use crate::platform::compute;
use crate::platform::computing::Computing;
use crate::platform::db::finishing;
use crate::platform::http::ApiResult;
use crate::platform::queue::{self, EnqueueOptions};
use crate::platform::services::Services;
use crate::platform::tabular::{self, Compression, Format, Kind, MAX_PREVIEW_BYTES, Preview, Stop, TabularError};

/// Uploads up to this size, decompressed, are prepared while the caller waits: their faults are reported at once and nothing is
/// stored. Larger ones are left to a job.
const PREPARED_AT_ONCE: u64 = 4 << 20;

const LONGEST_NAME: usize = 100;

/// The computing places for previews of data and of models.
pub static PREVIEWS: LazyLock<Computing> = LazyLock::new(Computing::of_machine);

/// Memory of a preview of a text file, in bytes.
const PREVIEW_OF_TEXT: u64 = 16 << 20;

/// Preparing takes memory in proportion to the file, so requests take turns.
static PREPARING: LazyLock<Turns> = LazyLock::new(|| Turns::new(2));

/// How long a request may hold its turn: a gigabyte is unpacked in less.
const LONGEST_TURN: Duration = Duration::from_secs(60);

/// A received file and its name.
#[derive(Debug)]
pub struct Upload {
    pub name: String,
    pub received: Received,
}

/// Returns the name of an upload without folders; an error if its format cannot be read.
pub fn checked_name(sent: &str) -> Result<String, DataError> {
    let last = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|character| !character.is_control()).collect();
    let length = name.chars().count();
    if length > LONGEST_NAME {
        let message = format!("The file name has {length} characters; shorten it to {LONGEST_NAME} or fewer.");
        return Err(DataError::BadName(message));
    }
    tabular::format_of(&name)?;
    Ok(name)
}

/// Stores an upload as new training data of a project. Nothing is stored if it cannot be imported.
pub async fn add(services: &Services, project: &Project, maker: i64, upload: Upload) -> Result<TrainingData, DataError> {
    let examined = examine(services, project, upload).await?;
    let (services, project_id) = (services.clone(), project.id);
    finishing(async move {
        let mut connection = services.db.conn().await?;
        let id = store::next_id(&mut connection).await?;
        let keys = FileKeys::fresh(id);
        let stored = examined.keep(&services, keys.clone()).await?;
        let allowed = services.settings.max_stored_bytes_per_organisation;
        let most_waiting = services.settings.max_waiting_jobs_per_organisation;
        let added = connection
            .transaction(async move |connection| -> Result<TrainingData, DataError> {
                let data = store::insert(connection, id, project_id, Some(maker), stored).await?;
                enqueue_if_waiting(connection, &data, most_waiting).await?;
                projects::refuse_excess(connection, project_id, data.stored_bytes.unsigned_abs(), allowed).await??;
                Ok(data)
            })
            .await;
        if added.is_err() {
            remove_files(&services, keys.all().to_vec()).await;
        }
        added
    })
    .await?
}

/// Replaces the upload of training data. Models trained on the former upload are unchanged.
pub async fn replace(
    services: &Services,
    project: &Project,
    data: &TrainingData,
    upload: Upload,
) -> Result<TrainingData, DataError> {
    let examined = examine(services, project, upload).await?;
    let (services, id) = (services.clone(), data.id);
    finishing(async move {
        let keys = FileKeys::fresh(id);
        let stored = examined.keep(&services, keys.clone()).await?;
        let (replaced, unused) = match put_in_place(&services, id, stored).await {
            Ok((before, data)) => (Ok(data), before.keys().map(|keys| keys.all().to_vec()).unwrap_or_default()),
            Err(error) => (Err(error), keys.all().to_vec()),
        };
        remove_files(&services, unused).await;
        replaced
    })
    .await?
}

/// Writes the row of an upload that replaces another; returns it as it was before and as it is now.
async fn put_in_place(services: &Services, id: i64, stored: Stored) -> Result<(TrainingData, TrainingData), DataError> {
    let allowed = services.settings.max_stored_bytes_per_organisation;
    let most_waiting = services.settings.max_waiting_jobs_per_organisation;
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| -> Result<_, DataError> {
            let before = lock_unused(connection, id).await?;
            let data = store::replace(connection, id, stored).await?;
            enqueue_if_waiting(connection, &data, most_waiting).await?;
            projects::refuse_excess(connection, data.project_id, data.stored_bytes.unsigned_abs(), allowed).await??;
            Ok((before, data))
        })
        .await
}

/// An upload that passed its checks, already prepared if it is small.
struct Examined {
    upload: Upload,
    /// The decompressed copy of compressed Parquet.
    copy: Option<Incoming>,
    prepared: Option<Prepared>,
}

/// Returns whether a file is small even if it expands as far as allowed.
pub fn is_prepared_at_once(name: &str, size: u64) -> bool {
    let is_plain = |format: Format| format.compression == Compression::Plain && format.kind != Kind::Parquet;
    let most = if tabular::format_of(name).is_ok_and(is_plain) { PREPARED_AT_ONCE } else { PREPARED_AT_ONCE / LARGEST_RATIO };
    size <= most
}

async fn examine(services: &Services, project: &Project, upload: Upload) -> Result<Examined, DataError> {
    let largest_expanded = services.settings.max_expanded_bytes;
    let mut options = preparation::options_for(project, upload.received.size, largest_expanded, services.clock.now());
    let (threads, memory) = (compute::threads(&services.settings, 1), services.memory().promise());
    let blobs = services.blobs.clone();
    in_turn(services, project.id, move |stop| {
        let (path, name) = (upload.received.file.path(), upload.name.as_str());
        options.stop = stop.clone();
        if is_prepared_at_once(name, upload.received.size) {
            let prepared = Some(preparation::prepare(path, name, &options, largest_expanded, threads, &memory)?);
            return Ok(Examined { upload, copy: None, prepared });
        }
        let copy = unpacked::copy_of(&blobs, path, name, largest_expanded, stop)?;
        let (path, name) = copy.as_ref().map_or((path, name), |copy| (copy.path(), unpacked::NAME));
        preparation::check_columns(path, name, &options)?;
        Ok(Examined { upload, copy, prepared: None })
    })
    .await
}

impl Examined {
    /// Stores the files, and returns the columns of the row. Keeps none of them if one cannot be stored.
    async fn keep(self, services: &Services, keys: FileKeys) -> Result<Stored, DataError> {
        let (blobs, files) = (services.blobs.clone(), keys.all().to_vec());
        let kept = blocking(move || {
            let Upload { name, received } = self.upload;
            let (size, sha256) = (received.size, received.sha256.clone());
            blobs.keep(received.file, &keys.upload())?;
            if let Some(copy) = self.copy {
                blobs.keep(copy, &keys.unpacked())?;
            }
            let mut stored = Stored {
                storage_key: Some(keys.upload()),
                basename: Some(name),
                filesize: i64::try_from(size).ok(),
                sha256: Some(sha256),
                prepared_key: None,
                status: TrainingDataStatus::Preparing,
                error: None,
                report: None,
                sources: None,
                stored_bytes: 0,
            };
            if let Some(prepared) = self.prepared {
                stored.report = Some(keep_prepared(&blobs, &keys, prepared)?);
                stored.prepared_key = Some(keys.prepared());
                stored.status = TrainingDataStatus::Ready;
            }
            stored.stored_bytes = stored_bytes(&blobs, &keys)?;
            Ok(stored)
        })
        .await;
        if kept.is_err() {
            remove_files(services, files).await;
        }
        kept
    }
}

/// Returns what the files of an upload take up.
pub fn stored_bytes(blobs: &Blobs, keys: &FileKeys) -> Result<i64, DataError> {
    Ok(i64::try_from(blobs.bytes_of(&keys.all())?).unwrap_or(i64::MAX))
}

/// Writes what was prepared of an upload, and returns the report on it.
pub fn keep_prepared(blobs: &Blobs, keys: &FileKeys, prepared: Prepared) -> Result<Value, DataError> {
    blobs.write(&keys.prepared(), &prepared.bytes)?;
    if let Some(rejected) = prepared.rejected {
        blobs.write(&keys.rejected(), &rejected)?;
    }
    Ok(json!(prepared.report))
}

/// Enqueues the preparation of an upload that was not prepared at once, unless too many jobs of its organisation wait. Records
/// that the others are ready.
async fn enqueue_if_waiting(connection: &mut AsyncPgConnection, data: &TrainingData, most_waiting: u32) -> Result<(), DataError> {
    if data.status == TrainingDataStatus::Preparing {
        let turn = projects::turn_of(connection, data.project_id).await?;
        let group_key = Some(PrepareData::group(data.id));
        let options = EnqueueOptions { group_key, turn, ..EnqueueOptions::default() };
        queue::enqueue(connection, &PrepareData { training_data_id: data.id }, options).await?;
        projects::admit_jobs(connection, data.project_id, 1, most_waiting).await??;
        return Ok(());
    }
    Ok(notices::tell_end(connection, data.id).await?)
}

async fn lock_unused(connection: &mut AsyncPgConnection, id: i64) -> Result<TrainingData, DataError> {
    let data = store::lock(connection, id).await?.ok_or(diesel::result::Error::NotFound)?;
    projects::refuse_while_used(connection, ProjectPart::TrainingData, id).await.map_err(DataError::InUse)?;
    Ok(data)
}

/// Removes the file but keeps the row, so that models trained on it stay.
pub async fn unlink(services: &Services, id: i64) -> Result<TrainingData, DataError> {
    let services = services.clone();
    finishing(async move {
        let mut connection = services.db.conn().await?;
        let (before, after) = connection
            .transaction(async move |connection| -> Result<_, DataError> {
                let before = lock_unused(connection, id).await?;
                Ok((before, store::unlink(connection, id).await?))
            })
            .await?;
        remove_files(&services, before.keys().map(|keys| keys.all().to_vec()).unwrap_or_default()).await;
        Ok(after)
    })
    .await?
}

/// Removes files that no row refers to any more. A file that cannot be removed only takes space.
pub async fn remove_files(services: &Services, keys: Vec<String>) {
    let blobs = services.blobs.clone();
    let removed = blocking(move || keys.iter().try_for_each(|key| blobs.remove(key)).map_err(DataError::from)).await;
    if let Err(error) = removed {
        tracing::warn!(%error, "a file that is no longer needed could not be removed");
    }
}

/// Reads the interactions of an upload.
pub async fn load_log(services: &Services, data: &TrainingData) -> Result<InteractionLog, DataError> {
    if let Some(problem) = data.problem() {
        return Err(DataError::NotUsable(problem));
    }
    let missing =
        || DataError::NotUsable("The prepared form of this training data is missing. Upload the file again.".to_owned());
    let key = data.prepared_key.clone().ok_or_else(missing)?;
    let (blobs, memory) = (services.blobs.clone(), services.memory().promise());
    blocking(move || {
        // Once as bytes, and once parsed.
        let needed = blobs.open_file(&key).and_then(|file| file.metadata()).map_or(0, |file| file.len()) * 2;
        ask_for(&memory, "This training data cannot be read now", needed)?;
        let bytes = blobs.read(&key).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                DataError::NotUsable("This training data was deleted or its file was removed meanwhile.".to_owned())
            }
            _ => error.into(),
        })?;
        InteractionLog::from_bytes(&bytes).map_err(DataError::Damaged)
    })
    .await
}

/// Returns the first rows of an upload of a project, unchanged. The outer error means that no place for another preview is free.
pub async fn preview(
    services: &Services,
    project: i64,
    key: String,
    name: String,
    n_rows: usize,
) -> ApiResult<Result<Preview, DataError>> {
    let (blobs, memory, largest) = (services.blobs.clone(), services.memory().promise(), services.settings.max_expanded_bytes);
    let stop = Stop::default();
    let _stops_when_dropped = stop.on_drop();
    let work = move || -> Result<Preview, DataError> {
        let (path, name) = unpacked::readable(&blobs, &key, &name, largest, &stop)?;
        let limit = match tabular::format_of(&name)?.kind {
            Kind::Parquet => {
                let size = std::fs::metadata(&path).map_err(TabularError::Io)?.len();
                largest_honest(size).min(MAX_PREVIEW_BYTES)
            }
            _ => PREVIEW_OF_TEXT,
        };
        ask_for(&memory, "The first rows cannot be shown now", limit)?;
        Ok(tabular::preview_within(&path, &name, n_rows, limit, &stop)?)
    };
    let tenant = projects::tenant_of(&mut *services.db.conn().await?, project).await?;
    PREVIEWS.run(Some(tenant.party()), move |_| work()).await
}

/// Runs blocking work that needs memory or the disk exclusively, like [`blocking`], but by turns: projects that share turns in
/// the queue share them here. The place is free once the work ends, which is told to stop as soon as its request is cancelled or
/// has taken too long.
pub async fn in_turn<T: Send + 'static>(
    services: &Services,
    project: i64,
    work: impl FnOnce(&Stop) -> Result<T, DataError> + Send + 'static,
) -> Result<T, DataError> {
    let mut connection = services.db.conn().await?;
    let tenant = projects::turn_of(&mut connection, project).await?.tenant;
    // No connection is held while waiting for a turn.
    drop(connection);
    let turn = PREPARING.take(&tenant).await.map_err(|error| DataError::Stopped(error.to_string()))?;
    let work = stoppable(move |stop| {
        let _turn = turn;
        work(stop)
    });
    tokio::time::timeout(LONGEST_TURN, work).await.map_err(|_| DataError::TooLong { seconds: LONGEST_TURN.as_secs() })?
}

/// Runs blocking work that reads files, which is told to stop when its caller does not wait for it any more.
pub async fn stoppable<T: Send + 'static>(
    work: impl FnOnce(&Stop) -> Result<T, DataError> + Send + 'static,
) -> Result<T, DataError> {
    let stop = Stop::default();
    let _stops_when_dropped = stop.on_drop();
    blocking(move || work(&stop)).await
}

/// Runs blocking work on a thread where it delays no request.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, DataError> + Send + 'static) -> Result<T, DataError> {
    compute::blocking(work).await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_expand_is_small_only_if_it_stays_small() {
        for name in ["a.csv", "a.jsonl"] {
            assert!(is_prepared_at_once(name, PREPARED_AT_ONCE) && !is_prepared_at_once(name, PREPARED_AT_ONCE + 1));
        }
        for name in ["a.csv.gz", "a.parquet", "a.zip"] {
            assert!(is_prepared_at_once(name, 40 << 10) && !is_prepared_at_once(name, 44 << 10), "{name}");
        }
    }

    #[tokio::test]
    async fn work_for_a_caller_who_left_is_told_to_stop() {
        let (stopped, told) = std::sync::mpsc::channel();
        let mut running = Box::pin(stoppable(move |stop| {
            while !stop.is_stopped() {
                std::thread::yield_now();
            }
            stopped.send(()).ok();
            Ok(())
        }));
        tokio::select! {
            biased;
            _ = &mut running => panic!("it only ends when it is told to"),
            () = tokio::task::yield_now() => {}
        }
        drop(running);
        told.recv_timeout(Duration::from_secs(10)).expect("the work stops");
    }

    #[test]
    fn names_lose_their_folders_and_must_tell_a_format() {
        assert_eq!(checked_name("C:\\data\\a.b.CSV.gz").unwrap(), "a.b.CSV.gz");
        assert_eq!(checked_name("../../Sigur Rós.parquet").unwrap(), "Sigur Rós.parquet");
        assert!(checked_name(&format!("{}.csv", "é".repeat(96))).is_ok());
        for wrong in ["", "a.xlsx", "csv", &format!("{}.csv", "é".repeat(97))] {
            assert!(checked_name(wrong).is_err(), "{wrong}");
        }
    }
}
