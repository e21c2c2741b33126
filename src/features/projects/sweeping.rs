//! Removal of files that no row refers to: left by aborted uploads, by processes that died between two steps, and by data that
//! was combined for models that are gone.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use super::store::{self, files};
use crate::platform::blobs::{Blobs, StoredFile};
use crate::platform::services::Services;

/// A file is stored before its row: a younger one may still get its row.
const YOUNGEST: TimeDelta = TimeDelta::days(1);

/// The number of keys checked in one query.
const AT_ONCE: usize = 5_000;

const PAUSE: Duration = Duration::from_secs(3_600);

/// Why a sweep ended early.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// Access to the file store failed.
    #[error("the file store failed: {0}")]
    Files(#[from] std::io::Error),
    /// A query failed.
    #[error(transparent)]
    Database(#[from] diesel::result::Error),
    /// No connection to the database.
    #[error(transparent)]
    Connection(#[from] crate::platform::db::DbError),
    /// A blocking task ended without a result.
    #[error("the sweep stopped unexpectedly: {0}")]
    Stopped(#[from] tokio::task::JoinError),
}

/// Sweeps at intervals until cancelled. Several processes may do so at once: each file is removed once.
pub async fn sweep_until(services: Services, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match sweep(&services).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed files that nothing refers to"),
            Err(error) => tracing::warn!(%error, "files that nothing refers to could not be removed; trying again later"),
        }
        stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
    }
}

/// Removes the files that no row names and that are older than a day. Returns how many there were.
pub async fn sweep(services: &Services) -> Result<usize, SweepError> {
    let (blobs, before) = (services.blobs.clone(), services.clock.now() - YOUNGEST);
    // Unused combined data is deleted first, so that its files belong to no row.
    store::forget_unused_combinations(&mut *services.db.conn().await?, before).await?;
    // Files are listed first, rows afterwards: a row that is added meanwhile is seen.
    let (mut removed, old) = tokio::task::spawn_blocking(move || {
        let broken_off = blobs.sweep_incoming(before)?;
        Ok::<_, std::io::Error>((broken_off, old_files(&blobs, before)?))
    })
    .await??;
    for keys in old.chunks(AT_ONCE) {
        let mut connection = services.db.conn().await?;
        let unnamed = files::unnamed(&mut connection, keys.to_vec()).await?;
        drop(connection);
        removed += remove(services, unnamed).await?;
    }
    Ok(removed)
}

/// Lists the keys of old files.
fn old_files(blobs: &Blobs, before: DateTime<Utc>) -> std::io::Result<Vec<String>> {
    let mut old = Vec::new();
    for folder in files::FOLDERS {
        let files = blobs.list(folder)?.into_iter().filter(|file: &StoredFile| file.written < before);
        old.extend(files.map(|file| file.key));
    }
    Ok(old)
}

async fn remove(services: &Services, keys: Vec<String>) -> Result<usize, SweepError> {
    let blobs = services.blobs.clone();
    let remove = move || keys.iter().try_for_each(|key| blobs.remove(key)).map(|()| keys.len());
    Ok(tokio::task::spawn_blocking(remove).await??)
}
