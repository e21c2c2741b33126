//! Renews the leases of running jobs, and learns what happened to them meanwhile.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::claimer::Lease;
use super::model::JobId;
use super::running::Running;

/// Rows are locked in order of their ids, here and in the canceller: otherwise two transactions could wait for each other.
/// A lease that was given up stays so: the last heartbeat of a worker can arrive after its death.
const BEAT: &str = "
    WITH held AS MATERIALIZED (
        SELECT id FROM jobs
        WHERE id = ANY($3) AND lease_owner = $4 AND state = 'running' AND lease_until <> 'epoch'
        ORDER BY id
        FOR UPDATE
    )
    UPDATE jobs SET heartbeat_at = $1, lease_until = $2
    FROM held
    WHERE jobs.id = held.id
    RETURNING jobs.id, cancel_requested";

#[derive(QueryableByName)]
struct Renewed {
    #[diesel(sql_type = BigInt)]
    id: JobId,
    #[diesel(sql_type = Bool)]
    cancel_requested: bool,
}

/// Renews the leases once. A job that belongs to another worker by now is told to stop; its result will be ignored.
pub(super) async fn beat(connection: &mut AsyncPgConnection, lease: &Lease, running: &Running) -> QueryResult<()> {
    let entries = running.all();
    if entries.is_empty() {
        return Ok(());
    }
    let ids: Vec<JobId> = entries.iter().map(|(id, _)| *id).collect();
    let renewed: Vec<Renewed> = diesel::sql_query(BEAT)
        .bind::<Timestamptz, _>(lease.now)
        .bind::<Timestamptz, _>(lease.until)
        .bind::<Array<BigInt>, _>(ids)
        .bind::<Text, _>(&lease.owner)
        .load(connection)
        .await?;
    for (id, entry) in entries {
        match renewed.iter().find(|job| job.id == id) {
            Some(job) if job.cancel_requested => entry.request_cancel(),
            Some(_) => {}
            // it ended, and has been recorded, during the query
            None if running.get(id).is_none() => {}
            None => {
                tracing::warn!(job = id, "the lease of a running job was lost");
                entry.lose();
            }
        }
    }
    Ok(())
}
