//! Tables that are partitioned by month, in UTC. The function `make_month_partition` of the migrations creates and names their
//! partitions; rows of other months are in the default partition.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Integer, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// Months after the present one that get partitions in advance.
const MONTHS_AHEAD: i32 = 3;

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[derive(QueryableByName)]
struct Partition {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Creates the missing partitions of the present month and the next ones, and returns their number. Safe to repeat, and in
/// several processes at once.
pub async fn make_months(connection: &mut AsyncPgConnection, table: &str, now: DateTime<Utc>) -> QueryResult<i64> {
    let made: Count = diesel::sql_query(
        "SELECT count(*) AS count FROM generate_series(0, $3) AS months
         WHERE make_month_partition($1, (date_trunc('month', $2 AT TIME ZONE 'UTC') + months * interval '1 month')::date)",
    )
    .bind::<Text, _>(table)
    .bind::<Timestamptz, _>(now)
    .bind::<Integer, _>(MONTHS_AHEAD)
    .get_result(connection)
    .await?;
    Ok(made.count)
}

/// Returns the partitions of the months that ended before a moment, with their names as in a statement.
pub async fn ended_months(connection: &mut AsyncPgConnection, table: &str, before: DateTime<Utc>) -> QueryResult<Vec<String>> {
    let ended: Vec<Partition> = diesel::sql_query(
        r"SELECT inhrelid::regclass::text AS name FROM pg_inherits
          WHERE inhparent = to_regclass($1) AND inhrelid::regclass::text ~ '_\d{4}_\d{2}$'
              AND (to_date(right(inhrelid::regclass::text, 7), 'YYYY_MM') + interval '1 month') AT TIME ZONE 'UTC' <= $2
          ORDER BY 1",
    )
    .bind::<Text, _>(table)
    .bind::<Timestamptz, _>(before)
    .load(connection)
    .await?;
    Ok(ended.into_iter().map(|partition| partition.name).collect())
}
