//! The types of events in the uploads of projects, according to their reports.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// Types of events by project id; projects whose uploads name none are absent.
pub type EventTypes = HashMap<i64, BTreeSet<String>>;

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = BigInt)]
    project_id: i64,
    #[diesel(sql_type = Text)]
    name: String,
}

/// Returns the types of events in the uploads of some projects.
pub async fn event_types(connection: &mut AsyncPgConnection, projects: &[i64]) -> QueryResult<EventTypes> {
    if projects.is_empty() {
        return Ok(EventTypes::new());
    }
    let sql = "SELECT DISTINCT d.project_id, event->>'name' AS name
        FROM training_data d CROSS JOIN LATERAL jsonb_array_elements(
            CASE jsonb_typeof(d.report->'events') WHEN 'array' THEN d.report->'events' ELSE '[]'::jsonb END) AS event
        WHERE d.project_id = ANY($1) AND event->>'name' IS NOT NULL";
    let rows: Vec<Found> = diesel::sql_query(sql).bind::<Array<BigInt>, _>(projects.to_vec()).load(connection).await?;
    let mut types = EventTypes::new();
    for row in rows {
        types.entry(row.project_id).or_default().insert(row.name);
    }
    Ok(types)
}
