//! Merges the waiting changes of a project into its item metadata.
//!
//! The new form is written beside the one in use. One transaction puts it in place and deletes the changes that it contains, so that
//! a worker that dies at any point leaves either form in use, and the changes that are not in it waiting.

use std::time::Duration;

use diesel::OptionalExtension;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::merged::{LeftOut, Materials, Merged};
use super::model::{Change, MergeItemChanges};
use super::store;
use crate::features::accounts::Guarded;
use crate::features::datasets::{DataError, TrainingDataStatus, blocking, remove_files};
use crate::features::item_metadata::model::{Form, ItemMetaData, Stored, Subject, files_of_upload};
use crate::features::item_metadata::preparation::report_of_changed;
use crate::features::item_metadata::{service, store as uploads};
use crate::features::projects::{self, Project};
use crate::platform::blobs::Blobs;
use crate::platform::queue::{self, JobError, JobId};
use crate::platform::services::Services;

/// Changes that are merged at once: they are in memory.
const MOST_CHANGES: usize = 20_000;
const MOST_BYTES: i64 = 16 << 20;

/// The pause while an upload is being prepared.
const PREPARATION_PAUSE: Duration = Duration::from_secs(5);

/// The pause while the disk is nearly full.
const DISK_PAUSE: Duration = Duration::from_secs(60);

/// How often in a row the form in use may have been replaced while changes were merged into it.
const MOST_TRIES: usize = 5;

/// The file name of metadata that was created by changes.
const NAME: &str = "items-by-api.jsonl";

/// How the keys of original files begin that were written by merges, and are written again by each.
const KEY: &str = "metadata/rows-";

/// The end of one merge.
enum Step {
    /// All changes that waited have been merged. Those accepted meanwhile have a job of their own, which collects more of them.
    Done,
    /// Some changes have been merged.
    Merged,
    /// The form in use was replaced meanwhile.
    Outdated,
    /// An upload is being prepared, and will be what the changes apply to.
    Preparing,
}

/// Merges all changes that wait.
pub async fn merge(services: &Services, project: i64, job: JobId, shutdown: &CancellationToken) -> Result<(), JobError> {
    if !begin(services, project, job).await? {
        return Ok(());
    }
    let (mut tries, mut seen) = (0, Seen::default());
    while !shutdown.is_cancelled() {
        let ended = match step(services, project, &mut seen).await {
            Err(DataError::Disk(_)) => return Err(JobError::Snooze(DISK_PAUSE)),
            ended => ended?,
        };
        match ended {
            Step::Done => return Ok(()),
            Step::Preparing => return Err(JobError::Snooze(PREPARATION_PAUSE)),
            Step::Merged => tries = 0,
            Step::Outdated if tries < MOST_TRIES => (tries, seen) = (tries + 1, Seen::default()),
            Step::Outdated => {
                let reason = "The item metadata was replaced again and again while changes were merged into it.".to_owned();
                return Err(JobError::Retry { reason });
            }
        }
    }
    Err(JobError::Cancelled)
}

/// Lets changes that are accepted from now on enqueue another job: this one may not see them any more. It sees those that are being
/// accepted, since it waits for them. Returns false if another job of the project waits, which will see the same changes: one that
/// was snoozed, or failed and is tried again.
async fn begin(services: &Services, project: i64, job: JobId) -> Result<bool, DataError> {
    let mut connection = services.db.conn().await?;
    let begun = connection.transaction(async move |connection| -> diesel::QueryResult<bool> {
        if queue::has_waiting(connection, &MergeItemChanges::key(project)).await? {
            return Ok(false);
        }
        // While an upload is being prepared, the job is only snoozed, and stays the one that changes wait for.
        if !uploads::is_preparing(connection, project).await? {
            store::await_writers(connection, project).await?;
            queue::release_unique_key(connection, job).await?;
        }
        Ok(true)
    });
    Ok(begun.await?)
}

/// What earlier steps of one merge saw.
#[derive(Default)]
struct Seen {
    /// The last change. Those up to it have been merged, or do not fit.
    last: i64,
    /// What does not fit.
    left_out: LeftOut,
}

async fn step(services: &Services, project: i64, seen: &mut Seen) -> Result<Step, DataError> {
    let mut connection = services.db.conn().await?;
    let Some((project, _)) = <Project as Guarded>::load(&mut connection, project).await? else { return Ok(Step::Done) };
    if uploads::is_preparing(&mut connection, project.id).await? {
        return Ok(Step::Preparing);
    }
    // The form first: changes that are younger than another form must not be merged into this one and deleted.
    let before = uploads::in_use(&mut connection, project.id).await?;
    let changes = store::oldest(&mut connection, (project.id, seen.last), (MOST_CHANGES as i64, MOST_BYTES)).await?;
    drop(connection);
    if changes.is_empty() {
        return Ok(Step::Done);
    }
    services.disk().check()?;
    let is_all = changes.len() < MOST_CHANGES && changes.iter().map(|change| change.bytes).sum::<i64>() < MOST_BYTES;
    let sequences: Vec<i64> = changes.iter().map(|change| change.sequence).collect();
    let last = sequences.last().copied().unwrap_or_default();
    let kept = match write(services, &project, before.as_ref(), changes, seen.left_out.clone()).await {
        // The file in use is removed as soon as it has been replaced.
        Err(DataError::Storage(error)) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Step::Outdated),
        kept => kept?,
    };
    let (sequences, left_out) =
        kept.as_ref().map_or((sequences, LeftOut::default()), |kept| (kept.sequences.clone(), kept.left_out.clone()));
    let new_files: Vec<String> = kept.iter().flat_map(Kept::files).collect();
    let replaced = kept.as_ref().and(before.as_ref()).map(replaced_files).unwrap_or_default();
    let unused = match put_in_place(services, project.id, before, kept, sequences).await {
        Ok(true) => replaced,
        Ok(false) => {
            remove_files(services, new_files).await;
            return Ok(Step::Outdated);
        }
        Err(error) => {
            // A commit whose answer was lost may have happened.
            if matches!(is_named(services, project.id, &new_files).await, Ok(false)) {
                remove_files(services, new_files).await;
            }
            return Err(error);
        }
    };
    remove_files(services, unused).await;
    *seen = Seen { last, left_out };
    Ok(if is_all { Step::Done } else { Step::Merged })
}

/// Returns whether the form in use is one of these files.
async fn is_named(services: &Services, project: i64, files: &[String]) -> Result<bool, DataError> {
    let in_use = uploads::newest(&mut *services.db.conn().await?, project, Subject::Item).await?;
    Ok(in_use.is_some_and(|key| files.contains(&key)))
}

/// A new form stored under its key, with its original file if that was written as well.
struct Kept {
    form: Form,
    /// Key and size.
    original: Option<(String, i64)>,
    /// Of all files of the metadata.
    stored_bytes: i64,
    /// The changes that are in it.
    sequences: Vec<i64>,
    /// What does not fit, of all steps so far.
    left_out: LeftOut,
}

impl Kept {
    fn files(&self) -> Vec<String> {
        self.form.prepared_key.iter().chain(self.original.as_ref().map(|(key, _)| key)).cloned().collect()
    }
}

/// Returns whether the original file of metadata was written by a merge, and holds the same rows as its form.
fn is_written_by_merges(metadata: &ItemMetaData) -> bool {
    metadata.storage_key.as_ref().is_some_and(|key| key.starts_with(KEY))
}

/// Returns the files that a merge replaces.
fn replaced_files(before: &ItemMetaData) -> Vec<String> {
    if is_written_by_merges(before) { before.files() } else { before.prepared_key.iter().cloned().collect() }
}

/// Writes a form with the changes merged in; earlier steps left out others. Returns `None` if there would be no rows because there is no metadata yet.
async fn write(
    services: &Services,
    project: &Project,
    before: Option<&ItemMetaData>,
    changes: Vec<Change>,
    left_out: LeftOut,
) -> Result<Option<Kept>, DataError> {
    if before.is_none() && changes.iter().all(|change| change.cells.is_none()) {
        return Ok(None);
    }
    let writes_original = before.is_none_or(is_written_by_merges);
    let materials = Materials {
        blobs: services.blobs.clone(),
        form: before.and_then(|before| before.prepared_key.clone()),
        changes,
        lines_by: writes_original.then(|| project.fields.item_column.clone()),
        limits: service::limits(services),
        memory: services.memory().promise(),
    };
    let original = before.filter(|_| !writes_original).and_then(|before| before.storage_key.clone());
    let report = before.and_then(|before| before.report.clone());
    let written = move || {
        let mut merged = materials.write()?;
        merged.left_out.append(&left_out);
        keep(&materials.blobs, merged, original.as_deref(), report.as_ref())
    };
    blocking(written).await.map(Some)
}

/// Stores a form and its original file, if it has one of its own, under new keys. Blocks.
fn keep(blobs: &Blobs, merged: Merged, original: Option<&str>, report: Option<&Value>) -> Result<Kept, DataError> {
    let key = format!("{KEY}{}", uuid::Uuid::new_v4().simple());
    let prepared_key = service::prepared_key_of(&key);
    let kept = blobs.keep(merged.file, &prepared_key);
    let kept = kept.and_then(|()| merged.lines.map_or(Ok(()), |lines| blobs.keep(lines, &key)));
    let sizes = kept.map_err(DataError::from).and_then(|()| {
        let uploaded = files_of_upload(original.unwrap_or(&key));
        let all: Vec<String> = uploaded.into_iter().chain([prepared_key.clone()]).collect();
        Ok((service::bytes_of(blobs, std::slice::from_ref(&key))?, service::bytes_of(blobs, &all)?))
    });
    let (size, stored_bytes) = sizes.inspect_err(|_| {
        // What cannot be removed is swept later.
        let _ = blobs.remove(&prepared_key).and_then(|()| blobs.remove(&key));
    })?;
    let form = Form {
        prepared_key: Some(prepared_key),
        valid_columns_list_json: Some(json!(merged.columns)),
        report: Some(report_of_changed(report, merged.rows, merged.built, merged.left_out.clone().note())),
    };
    let original = original.is_none().then_some((key, size));
    Ok(Kept { form, original, stored_bytes, sequences: merged.sequences, left_out: merged.left_out })
}

/// Puts a new form in the place of the one that it was made from, and deletes the changes that it contains; false if that one is not
/// in use any more. Fails if the organisation may not store the new form.
async fn put_in_place(
    services: &Services,
    project: i64,
    before: Option<ItemMetaData>,
    kept: Option<Kept>,
    sequences: Vec<i64>,
) -> Result<bool, DataError> {
    let allowed = services.settings.max_stored_bytes_per_organisation;
    let mut connection = services.db.conn().await?;
    connection
        .transaction(async move |connection| -> Result<bool, DataError> {
            // One merge of a project at a time.
            store::await_writers(connection, project).await?;
            if !is_in_use(connection, project, before.as_ref()).await? {
                return Ok(false);
            }
            let had = before.as_ref().map_or(0, |before| before.stored_bytes);
            let added = kept.as_ref().map_or(0, |kept| kept.stored_bytes.saturating_sub(had).max(0).unsigned_abs());
            match (before, kept) {
                (_, None) => {}
                (Some(before), Some(Kept { form, original, stored_bytes, .. })) => {
                    uploads::change_form(connection, before.id, form, stored_bytes, original).await?;
                }
                (None, Some(kept)) => create(connection, project, kept).await?,
            }
            store::lock(connection, project, &sequences).await?;
            uploads::forget(connection, project, &sequences).await?;
            if added > 0 {
                projects::refuse_excess(connection, project, added, allowed).await??;
            }
            Ok(true)
        })
        .await
}

/// Returns whether a form is still the one in use, and locks it.
async fn is_in_use(connection: &mut AsyncPgConnection, project: i64, form: Option<&ItemMetaData>) -> diesel::QueryResult<bool> {
    if let Some(form) = form {
        let locked = uploads::lock(connection, form.id).await.optional()?;
        let is_same =
            |now: ItemMetaData| (now.storage_key, now.prepared_key) == (form.storage_key.clone(), form.prepared_key.clone());
        if !locked.is_some_and(is_same) {
            return Ok(false);
        }
    }
    let in_use = uploads::in_use(connection, project).await?;
    Ok(in_use.map(|now| now.id) == form.map(|form| form.id) && !uploads::is_preparing(connection, project).await?)
}

/// Creates the metadata of a project that had none.
async fn create(connection: &mut AsyncPgConnection, project: i64, kept: Kept) -> diesel::QueryResult<()> {
    let (storage_key, filesize) = kept.original.unzip();
    let stored = Stored {
        storage_key,
        basename: Some(NAME.to_owned()),
        filesize,
        sha256: None,
        status: TrainingDataStatus::Ready,
        stored_bytes: kept.stored_bytes,
        superseded_changes: 0,
        id_column: None,
    };
    uploads::insert(connection, (project, Subject::Item), None, stored, Some(kept.form)).await.map(drop)
}
