//! SQL of the answers to apps that endpoints are told of.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// An endpoint that is told of the answers to an app.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct Told {
    #[diesel(sql_type = BigInt)]
    pub app_id: i64,
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

/// Returns the endpoints that are told of the answers to these apps. They are not deleted before the transaction ends.
pub async fn told(connection: &mut AsyncPgConnection, apps: &[i64]) -> QueryResult<Vec<Told>> {
    let sql = format!(
        "SELECT a.id AS app_id, e.project_id, e.id AS endpoint_id {TOLD} AND a.id = ANY ($1) ORDER BY e.id FOR KEY SHARE OF e"
    );
    diesel::sql_query(sql).bind::<Array<BigInt>, _>(apps).load(connection).await
}
