//! One process at a time does a duty that any of several could do.

use diesel::sql_types::{BigInt, Bool};
use diesel::{QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

#[derive(QueryableByName)]
struct Lead {
    #[diesel(sql_type = Bool)]
    lead: bool,
}

/// Whether this transaction alone does the duty that `lock` stands for, until it ends. Each duty has a number of its own.
pub async fn try_to_lead(connection: &mut AsyncPgConnection, lock: i64) -> QueryResult<bool> {
    let query = diesel::sql_query("SELECT pg_try_advisory_xact_lock($1) AS lead").bind::<BigInt, _>(lock);
    Ok(query.get_result::<Lead>(connection).await?.lead)
}
