//! SQL of expired events, which are counted by day and then deleted, and of the counts.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Date, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{EVENTS, EventFilter};
use crate::features::accounts::Principal;
use crate::features::events::model::EventType;
use crate::features::projects::visible_projects;
use crate::platform::db::ended_months;
use crate::platform::http::{ApiResult, PageRequest};

/// The events to keep: those of some slots, each since its own time.
#[derive(Debug, Clone, Default)]
pub struct Exempt {
    slots: Vec<i64>,
    since: Vec<DateTime<Utc>>,
}

impl FromIterator<(i64, DateTime<Utc>)> for Exempt {
    fn from_iter<T: IntoIterator<Item = (i64, DateTime<Utc>)>>(pairs: T) -> Self {
        let (slots, since) = pairs.into_iter().unzip();
        Self { slots, since }
    }
}

/// A condition on an event, or on the id its client gave it: older than $1, and not exempt by $2 and $3.
const GOES: &str = "timestamp < $1 AND NOT EXISTS (SELECT FROM unnest($2::bigint[], $3::timestamptz[]) AS exempt (slot, since)
    WHERE exempt.slot = deployment_slot_id AND timestamp >= exempt.since)";

/// Counts the events before a time by day, and deletes them with the ids that their clients gave them. A month without events to
/// keep is dropped with its partition. `before` must be the beginning of a day; call it in a transaction.
pub async fn expire(connection: &mut AsyncPgConnection, before: DateTime<Utc>, exempt: &Exempt) -> QueryResult<()> {
    let count = format!(
        "INSERT INTO event_daily_counts (project_id, deployment_slot_id, day, event_type, events)
         SELECT project_id, deployment_slot_id, (timestamp AT TIME ZONE 'UTC')::date, event_type, count(*)
         FROM conversion_events WHERE {GOES} GROUP BY 1, 2, 3, 4
         ON CONFLICT (deployment_slot_id, day, event_type) DO UPDATE SET events = event_daily_counts.events + excluded.events"
    );
    run(connection, &count, before, exempt).await?;
    let months = finished_months(connection, before, exempt).await?;
    // Rows of a partition that is dropped need not be deleted one by one.
    let others: Vec<String> = months.iter().map(|name| format!("AND tableoid <> '{name}'::regclass")).collect();
    run(connection, &format!("DELETE FROM conversion_events WHERE {GOES} {}", others.join(" ")), before, exempt).await?;
    run(connection, &format!("DELETE FROM conversion_event_keys WHERE {GOES}"), before, exempt).await?;
    for name in months {
        // A long-running reader must not make others wait behind this lock: the next round can drop the partition.
        diesel::sql_query("SET LOCAL lock_timeout = '5s'").execute(connection).await?;
        diesel::sql_query(format!("DROP TABLE {name}")).execute(connection).await?;
    }
    Ok(())
}

async fn run(connection: &mut AsyncPgConnection, sql: &str, before: DateTime<Utc>, exempt: &Exempt) -> QueryResult<usize> {
    diesel::sql_query(sql)
        .bind::<Timestamptz, _>(before)
        .bind::<Array<BigInt>, _>(&exempt.slots)
        .bind::<Array<Timestamptz>, _>(&exempt.since)
        .execute(connection)
        .await
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Bool)]
    yes: bool,
}

/// Lists the partitions without events to keep.
async fn finished_months(connection: &mut AsyncPgConnection, before: DateTime<Utc>, exempt: &Exempt) -> QueryResult<Vec<String>> {
    let mut finished = Vec::new();
    for name in ended_months(connection, EVENTS, before).await? {
        let sql = format!("SELECT NOT EXISTS (SELECT FROM {name} WHERE NOT ({GOES})) AS yes");
        let answer: Answer = diesel::sql_query(sql)
            .bind::<Timestamptz, _>(before)
            .bind::<Array<BigInt>, _>(&exempt.slots)
            .bind::<Array<Timestamptz>, _>(&exempt.since)
            .get_result(connection)
            .await?;
        finished.extend(answer.yes.then_some(name));
    }
    Ok(finished)
}

/// The number of events of a type in a slot on a day in UTC.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct DailyCount {
    #[diesel(sql_type = BigInt)]
    pub project_id: i64,
    #[diesel(sql_type = BigInt)]
    pub deployment_slot_id: i64,
    #[diesel(sql_type = Date)]
    pub day: NaiveDate,
    #[diesel(sql_type = Text)]
    pub event_type: EventType,
    #[diesel(sql_type = BigInt)]
    pub events: i64,
}

/// A range of days in UTC, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    pub from: NaiveDate,
    pub to: NaiveDate,
}

/// Stored events and events that have expired are added up. Only the partitions of the days are read.
const DAYS: &str = "SELECT project_id, deployment_slot_id, day, event_type, sum(events)::bigint AS events FROM (
        SELECT project_id, deployment_slot_id, day, event_type, events FROM event_daily_counts
        WHERE project_id = ANY ($1) AND day BETWEEN $4 AND $5
        UNION ALL
        SELECT project_id, deployment_slot_id, (timestamp AT TIME ZONE 'UTC')::date, event_type, count(*)
        FROM conversion_events
        WHERE project_id = ANY ($1) AND timestamp >= $4::timestamp AT TIME ZONE 'UTC'
            AND timestamp < ($5 + 1)::timestamp AT TIME ZONE 'UTC'
        GROUP BY 1, 2, 3, 4
    ) AS counted
    WHERE ($2 IS NULL OR deployment_slot_id = $2) AND ($3 IS NULL OR event_type = $3)
    GROUP BY 1, 2, 3, 4";

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Returns one page of the daily counts that a caller may see, newest first.
pub async fn daily_counts(
    connection: &mut AsyncPgConnection,
    principal: &Principal,
    filter: &EventFilter,
    days: Days,
    page: &PageRequest,
) -> ApiResult<(i64, Vec<DailyCount>)> {
    let visible: Vec<i64> = visible_projects(principal, filter.project).load(connection).await?;
    let query = |sql: String| {
        diesel::sql_query(sql)
            .bind::<Array<BigInt>, _>(visible.clone())
            .bind::<Nullable<BigInt>, _>(filter.slot)
            .bind::<Nullable<Text>, _>(filter.event_type)
            .bind::<Date, _>(days.from)
            .bind::<Date, _>(days.to)
    };
    let total: Count = query(format!("SELECT count(*) FROM ({DAYS}) AS days")).get_result(connection).await?;
    let (limit, offset) = (page.limit(), page.offset(total.count)?);
    let sql = format!("{DAYS} ORDER BY day DESC, deployment_slot_id, event_type LIMIT {limit} OFFSET {offset}");
    Ok((total.count, query(sql).load(connection).await?))
}
