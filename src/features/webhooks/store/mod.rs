//! SQL of apps, endpoints, messages and notifications.

pub mod apps;
pub mod endpoints;
pub mod lanes;
pub mod messages;
pub mod notifications;
pub mod served;

use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// Channel on which it is announced that there may be something to do for an endpoint, whose id is the payload.
pub const CHANNEL: &str = "recotem_webhooks";

/// Channel on which changes of endpoints are announced.
pub const ENDPOINTS: &str = "recotem_webhook_endpoints";

/// Announces a change of endpoints to the deliverers and to the processes that answer apps, when the transaction commits.
async fn announce_endpoints(connection: &mut AsyncPgConnection, endpoints: &[i64]) -> QueryResult<()> {
    announce(connection, endpoints).await?;
    diesel::sql_query(format!("NOTIFY {ENDPOINTS}")).execute(connection).await.map(drop)
}

/// Announces to the deliverers of all processes that there may be something to do for endpoints, when the transaction commits.
async fn announce(connection: &mut AsyncPgConnection, endpoints: &[i64]) -> QueryResult<()> {
    let notify = diesel::sql_query("SELECT pg_notify($1, id::text) FROM unnest($2) AS id");
    notify.bind::<Text, _>(CHANNEL).bind::<Array<BigInt>, _>(endpoints).execute(connection).await.map(drop)
}
