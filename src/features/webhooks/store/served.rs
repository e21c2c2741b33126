//! SQL of the answers to apps that endpoints are told of.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::announce;

/// Messages about answers that may wait for an endpoint; further ones are not stored for it, as they are large and come every
/// second.
const MOST_WAITING: i32 = 1_000;

/// An endpoint that is told of the answers to an app.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct Told {
    #[diesel(sql_type = BigInt)]
    pub project_id: i64,
    #[diesel(sql_type = BigInt)]
    pub endpoint_id: i64,
}

const TOLD: &str = "
    FROM apps a JOIN webhook_endpoints e ON e.project_id = a.project_id AND (e.app_id IS NULL OR e.app_id = a.id)
    WHERE e.is_active AND 'recommendation.served' = ANY (e.topics)";

#[derive(QueryableByName)]
struct AppId {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Returns the apps whose answers an endpoint is told of.
pub async fn told_apps(connection: &mut AsyncPgConnection) -> QueryResult<HashSet<i64>> {
    let rows: Vec<AppId> = diesel::sql_query(format!("SELECT DISTINCT a.id {TOLD}")).load(connection).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Returns the endpoints that are told of the answers to an app. They are not deleted before the transaction ends.
pub async fn told(connection: &mut AsyncPgConnection, app: i64) -> QueryResult<Vec<Told>> {
    let sql = format!("SELECT e.project_id, e.id AS endpoint_id {TOLD} AND a.id = $1 ORDER BY e.id FOR KEY SHARE OF e");
    diesel::sql_query(sql).bind::<BigInt, _>(app).load(connection).await
}

#[derive(QueryableByName)]
struct EndpointId {
    #[diesel(sql_type = BigInt)]
    endpoint_id: i64,
}

/// Stores a message, with its id, for each of these endpoints, unless too many wait for it. Returns the endpoints that have one.
pub async fn insert(
    connection: &mut AsyncPgConnection,
    messages: Vec<(Uuid, i64, String)>,
    now: DateTime<Utc>,
) -> QueryResult<Vec<i64>> {
    let (ids, endpoints, bodies): (Vec<Uuid>, Vec<i64>, Vec<String>) = messages.into_iter().collect();
    let stored: Vec<EndpointId> = diesel::sql_query(
        "INSERT INTO webhook_messages (id, endpoint_id, topic, body, due_at, ins_datetime)
         SELECT told.id, told.endpoint_id, 'recommendation.served', told.body, $4, $4
         FROM unnest($1::uuid[], $2::bigint[], $3::text[]) AS told (id, endpoint_id, body)
         WHERE (SELECT count(*) FROM (SELECT FROM webhook_messages m
             WHERE m.endpoint_id = told.endpoint_id AND m.state = 'waiting' AND m.topic = 'recommendation.served' LIMIT $5) AS few
         ) < $5
         RETURNING endpoint_id",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Array<BigInt>, _>(endpoints)
    .bind::<Array<Text>, _>(bodies)
    .bind::<Timestamptz, _>(now)
    .bind::<Integer, _>(MOST_WAITING)
    .load(connection)
    .await?;
    let stored: Vec<i64> = stored.into_iter().map(|row| row.endpoint_id).collect();
    announce(connection, &stored).await?;
    Ok(stored)
}
