//! SQL of apps, endpoints, messages and notifications.

pub mod apps;
pub mod endpoints;
pub mod messages;
pub mod notifications;

use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// Channel on which messages that are due and changes of endpoints are announced.
pub const CHANNEL: &str = "recotem_webhooks";

/// Announces to the deliverers of all processes that there may be something to do, when the transaction commits.
async fn announce(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::sql_query(format!("NOTIFY {CHANNEL}")).execute(connection).await.map(drop)
}
