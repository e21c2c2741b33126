//! The scheduler's work for the queue: one process at a time deletes old finished jobs.

use std::time::Duration;

use diesel::QueryResult;
use diesel_async::AsyncConnection;
use tokio_util::sync::CancellationToken;

use super::pruner;
use crate::clock::Clock;
use crate::db::{Database, try_to_lead};

const PAUSE: Duration = Duration::from_secs(600);
/// An arbitrary number that no other lock of the database uses: "recotem" in letters of a telephone's keypad.
const LEADER_LOCK: i64 = 7_326_836;

/// Deletes old finished jobs at intervals until told to stop. Any number of processes may do this; each round has one leader.
pub async fn maintain(db: Database, clock: Clock, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match round(&db, &clock).await {
            Ok(Some(deleted)) => tracing::debug!(deleted, "pruned finished jobs"),
            Ok(None) => tracing::debug!("another process is cleaning up the queue"),
            Err(error) => tracing::warn!(%error, "the queue could not be cleaned up; trying again later"),
        }
        stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
    }
}

async fn round(db: &Database, clock: &Clock) -> anyhow::Result<Option<usize>> {
    let now = clock.now();
    let mut connection = db.conn().await?;
    let deleted = connection
        .transaction(async move |connection| -> QueryResult<_> {
            if try_to_lead(connection, LEADER_LOCK).await? { pruner::prune(connection, now).await.map(Some) } else { Ok(None) }
        })
        .await?;
    Ok(deleted)
}
