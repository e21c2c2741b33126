//! Deletes finished jobs after a while; failed ones are kept longer for inspection.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

const KEEP_DONE: TimeDelta = TimeDelta::days(7);
const KEEP_FAILED: TimeDelta = TimeDelta::days(90);
/// Rows per statement, so that no lock is held for long.
const AT_ONCE: i64 = 1_000;

const PRUNE: &str = "
    DELETE FROM jobs WHERE id IN (
        SELECT id FROM jobs
        WHERE finished_at < $1 AND (state <> 'failed' OR finished_at < $2)
        LIMIT $3
        FOR UPDATE SKIP LOCKED
    )";

/// Deletes old finished jobs, and returns their number.
pub(super) async fn prune(connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<usize> {
    let mut deleted = 0;
    loop {
        let batch = diesel::sql_query(PRUNE)
            .bind::<Timestamptz, _>(now - KEEP_DONE)
            .bind::<Timestamptz, _>(now - KEEP_FAILED)
            .bind::<BigInt, _>(AT_ONCE)
            .execute(connection)
            .await?;
        deleted += batch;
        if batch == 0 {
            return Ok(deleted);
        }
    }
}
