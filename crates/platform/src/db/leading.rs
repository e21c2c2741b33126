//! Duties that only one of several processes does at a time.

use diesel::sql_types::{BigInt, Bool};
use diesel::{QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

#[derive(QueryableByName)]
struct Lead {
    #[diesel(sql_type = Bool)]
    lead: bool,
}

/// Tries to take the advisory lock of a duty until the transaction ends, and returns whether this transaction holds it. Each duty
/// has a number of its own.
pub async fn try_to_lead(connection: &mut AsyncPgConnection, lock: i64) -> QueryResult<bool> {
    let query = diesel::sql_query("SELECT pg_try_advisory_xact_lock($1) AS lead").bind::<BigInt, _>(lock);
    Ok(query.get_result::<Lead>(connection).await?.lead)
}
