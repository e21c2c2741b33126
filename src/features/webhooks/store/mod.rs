//! SQL of apps, endpoints, messages and notifications.

pub mod apps;
pub mod endpoints;
pub mod lanes;
pub mod messages;
pub mod notifications;
pub mod served;

use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// Channel on which messages that are due and changes of endpoints are announced.
pub const CHANNEL: &str = "recotem_webhooks";

/// Channel on which changes of endpoints are announced.
pub const ENDPOINTS: &str = "recotem_webhook_endpoints";

/// Announces a change of endpoints to the deliverers and to the processes that answer apps, when the transaction commits.
async fn announce_endpoints(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    announce(connection).await?;
    diesel::sql_query(format!("NOTIFY {ENDPOINTS}")).execute(connection).await.map(drop)
}

/// Announces to the deliverers of all processes that there may be something to do, when the transaction commits.
async fn announce(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::sql_query(format!("NOTIFY {CHANNEL}")).execute(connection).await.map(drop)
}
