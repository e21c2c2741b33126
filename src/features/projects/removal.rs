//! Deleting things: refused while something live depends on them; their files go after the rows have gone.

use diesel_async::{AsyncConnection, AsyncPgConnection};

use super::store::dependents::{self, Kind};
use super::store::files;
use crate::platform::db::is_deadlock;
use crate::platform::http::{ApiError, ApiResult, Dependent};
use crate::platform::services::Services;

/// Two deletions that take along the same rows from two sides can stop each other; one of them then tries again.
const TRIES: usize = 5;

/// Deletes a thing with everything that belongs to it, files included. 404 when it has gone already; 409 with a list
/// while something live depends on it.
pub async fn remove(services: &Services, kind: Kind, id: i64) -> ApiResult<()> {
    let mut left = TRIES;
    let files = loop {
        left -= 1;
        let mut connection = services.db.conn().await?;
        let removed = connection.transaction(async move |connection| remove_rows(connection, kind, id).await).await;
        match removed {
            Ok(files) => break files,
            Err(Refusal::Database(error)) if left > 0 && is_deadlock(&error) => {}
            Err(refusal) => return Err(refusal.into()),
        }
    };
    remove_files(services, files).await;
    Ok(())
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
    if !dependents::lock(connection, kind, id).await? {
        return Err(Refusal::Answer(ApiError::not_found()));
    }
    let dependents = dependents::dependents_of(connection, kind, id).await?;
    refuse(connection, kind, id, &dependents).await?;
    let files = files::files_of(connection, kind, id).await?;
    dependents::delete(connection, kind, id).await?;
    Ok(files)
}

/// 409 with a list while background work reads a thing: it must end with what it began with.
pub async fn refuse_while_used(connection: &mut AsyncPgConnection, kind: Kind, id: i64) -> ApiResult<()> {
    let work = dependents::work_on(connection, kind, id).await?;
    Ok(refuse(connection, kind, id, &work).await?)
}

async fn refuse(connection: &mut AsyncPgConnection, kind: Kind, id: i64, dependents: &[Dependent]) -> Result<(), Refusal> {
    let seen = dependents.iter().filter(|dependent| dependent.resource == "parameter_tuning_job").count() as i64;
    let unseen = (dependents::searches_of_all(connection, kind, id).await? - seen).max(0);
    if dependents.is_empty() && unseen == 0 {
        return Ok(());
    }
    Err(Refusal::Answer(ApiError::conflict_with(in_use(kind, unseen), dependents)))
}

fn in_use(kind: Kind, unseen: i64) -> String {
    let others = if unseen > 0 { " Some of it belongs to others, who have to stop it." } else { "" };
    format!("Something live depends on this {}. Cancel it, switch it off or wait for its end first.{others}", kind.noun())
}

/// Removes files nothing refers to any more. One that cannot be removed costs space until it is swept up.
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
