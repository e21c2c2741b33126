//! Deletion: refused while an active object depends on the object; its files are removed after the rows.

use diesel_async::{AsyncConnection, AsyncPgConnection};

use super::store::dependents::{self, Kind};
use super::store::files;
use crate::platform::db::{finishing, is_deadlock, without_statement_timeout};
use crate::platform::http::{ApiError, ApiResult, Dependent};
use crate::platform::services::Services;

/// Two deletions that delete the same rows can deadlock; one of them then tries again.
const TRIES: usize = 5;

/// Deletes an object with everything that belongs to it, files included. Fails with 404 if it is gone already, and with 409 and a
/// list while an active object depends on it or a finished one would be lost with it. Training data from which searches or models
/// were made loses its file and is no longer listed, and they stay.
pub async fn remove(services: &Services, kind: Kind, id: i64) -> ApiResult<()> {
    let services = services.clone();
    let removing = async move {
        let files = remove_all_rows(&services, kind, id).await?;
        remove_files(&services, files).await;
        Ok(())
    };
    finishing(removing).await.map_err(|error| ApiError::internal(&error))?
}

/// Deletes the rows of an object, and returns the keys of their files.
async fn remove_all_rows(services: &Services, kind: Kind, id: i64) -> ApiResult<Vec<String>> {
    let mut left = TRIES;
    loop {
        left -= 1;
        let mut connection = services.db.conn().await?;
        let removed = connection.transaction(async move |connection| remove_rows(connection, kind, id).await).await;
        match removed {
            Err(Refusal::Database(error)) if left > 0 && is_deadlock(&error) => {}
            removed => return Ok(removed?),
        }
    }
}

/// Why a deletion did not happen.
enum Refusal {
    Answer(ApiError),
    Database(diesel::result::Error),
}

impl From<diesel::result::Error> for Refusal {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Answer(error) => error,
            Refusal::Database(error) => error.into(),
        }
    }
}

async fn remove_rows(connection: &mut AsyncPgConnection, kind: Kind, id: i64) -> Result<Vec<String>, Refusal> {
    without_statement_timeout(connection).await?;
    if !dependents::lock(connection, kind, id).await? {
        return Err(Refusal::Answer(ApiError::not_found()));
    }
    let live = dependents::live_on(connection, kind, id).await?;
    let kept = dependents::made_with(connection, kind, id).await?;
    if kind == Kind::TrainingData && live.is_empty() && !kept.is_empty() {
        let files = files::of_upload(connection, id).await?;
        if dependents::unlink(connection, id).await? {
            return Ok(files);
        }
    }
    refuse(if live.is_empty() { kept_by(kind) } else { in_use(kind) }, [live, kept].concat())?;
    let files = files::files_of(connection, kind, id).await?;
    dependents::delete(connection, kind, id).await?;
    Ok(files)
}

/// Fails with 409 and a list while an active object depends on this one, as for its deletion; no dependency can be added within
/// the transaction. Fails with 404 if the object is gone.
pub async fn refuse_while_live(connection: &mut AsyncPgConnection, kind: Kind, id: i64) -> ApiResult<()> {
    if !dependents::lock(connection, kind, id).await? {
        return Err(ApiError::not_found());
    }
    let live = dependents::live_on(connection, kind, id).await?;
    Ok(refuse(in_use(kind), live)?)
}

/// Fails with 409 and a list while background work reads an object: a job must end with the inputs it started with.
pub async fn refuse_while_used(connection: &mut AsyncPgConnection, kind: Kind, id: i64) -> ApiResult<()> {
    let work = dependents::work_on(connection, kind, id).await?;
    Ok(refuse(in_use(kind), work)?)
}

/// Fails with 409 and a list if an object uses this one, or was measured with it. Locks it for the rest of the caller's
/// transaction, so that no use can be added.
pub async fn refuse_change(connection: &mut AsyncPgConnection, kind: Kind, id: i64) -> ApiResult<()> {
    if !dependents::lock(connection, kind, id).await? {
        return Err(ApiError::not_found());
    }
    let mut dependents = dependents::live_on(connection, kind, id).await?;
    dependents.extend(dependents::made_with(connection, kind, id).await?);
    let noun = kind.noun();
    let message = format!("What uses this {noun} could no longer be compared if it changed. Make a new {noun} and use that.");
    Ok(refuse(message, dependents)?)
}

fn refuse(message: String, dependents: Vec<Dependent>) -> Result<(), Refusal> {
    if dependents.is_empty() { Ok(()) } else { Err(Refusal::Answer(ApiError::conflict_with(message, dependents))) }
}

fn in_use(kind: Kind) -> String {
    format!("This {} is in use. Cancel or switch off what uses it, or wait until that has ended.", kind.noun())
}

fn kept_by(kind: Kind) -> String {
    let noun = kind.noun();
    match kind {
        Kind::TrainingData => {
            "The file of this training data is gone; what was made from it stays until it is deleted by itself.".to_owned()
        }
        Kind::SplitConfig | Kind::EvaluationConfig => {
            format!("This {noun} says how these were measured, or will be. Delete them first, or leave the {noun} as it is.")
        }
        _ => format!("Models were made with this {noun} and would be lost with it. Delete them first."),
    }
}

/// Removes files that are no longer referred to. One that cannot be removed takes space until it is swept.
async fn remove_files(services: &Services, keys: Vec<String>) {
    let blobs = services.blobs.clone();
    let remove = move || {
        for key in keys {
            if let Err(error) = blobs.remove(&key) {
                tracing::warn!(%error, key, "a file that is no longer needed could not be removed");
            }
        }
    };
    if let Err(error) = tokio::task::spawn_blocking(remove).await {
        tracing::warn!(%error, "removing files stopped unexpectedly");
    }
}
